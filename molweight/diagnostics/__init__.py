"""Accuracy of a job's hypergradients."""

from molweight.diagnostics._hypergrad_check import default_candidates, hypergrad_check
from molweight.diagnostics._hypergrad_report import HypergradCheck

__all__ = ["HypergradCheck", "default_candidates", "hypergrad_check"]
