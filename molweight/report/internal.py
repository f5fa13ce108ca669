"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.report._bootstrap import interval_elsewhere
from molweight.report._conclusion import Conclusion, conclude
from molweight.report._evidence import evidence_is_in, format_evidence, format_learned, weigh_evidence
from molweight.report._explanation import Explained, render_explanation
from molweight.report._part_titles import PART_TITLES
from molweight.report._rare_classes import rare_classes
from molweight.report._resampled import resampled_metric
from molweight.report._run_summary import LEAST_SHOWN, graph_weight, method_title
from molweight.report._test_sections import worst

__all__ = [
    "LEAST_SHOWN",
    "PART_TITLES",
    "Conclusion",
    "Explained",
    "conclude",
    "evidence_is_in",
    "format_evidence",
    "format_learned",
    "graph_weight",
    "interval_elsewhere",
    "method_title",
    "rare_classes",
    "render_explanation",
    "resampled_metric",
    "weigh_evidence",
    "worst",
]
