"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.mlo._learned import LearnedOption, LearningLoop, OptionLearner
from molweight.mlo.weightings._base import check_simplex, name_of

__all__ = ["LearnedOption", "LearningLoop", "OptionLearner", "check_simplex", "name_of"]
