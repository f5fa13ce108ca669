"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.benchmark._compute_budget import matched
from molweight.benchmark._journal import Journal
from molweight.benchmark._methods import gradients_per_step

__all__ = ["Journal", "gradients_per_step", "matched"]
