"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.mlo._learned import LearnedOption, LearningLoop, OptionLearner

__all__ = ["LearnedOption", "LearningLoop", "OptionLearner"]
