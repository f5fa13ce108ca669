"""A run as one HTML page that needs nothing else, and the statistics that stand in it.

The page is made from plain data (:class:`RunSummary`), so this package knows no model; ``molweight report`` and
``run.report`` gather the data.

Example:
    >>> import numpy as np
    >>> labels, answers = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [1.5], [2.5]])
    >>> found, _ = bootstrap("mae", labels, {"model": answers})
    >>> found["model"].value
    0.5
"""

from molweight.report._bootstrap import DRAWS, Interval, bootstrap, draw_counts, draw_scores, interval
from molweight.report._calibration import Bin, brier_score, expected_calibration_error, known_pairs, reliability
from molweight.report._coverage import coverage, rank_correlation, wrong_shares
from molweight.report._explanation import Explained, render_explanation
from molweight.report._render import render
from molweight.report._resampled import resampled_metric
from molweight.report._run_summary import Method, RunSummary, TestResults, method_title
from molweight.report._side_by_side import render_side_by_side
from molweight.report._test_sections import worst

__all__ = [
    "DRAWS",
    "Bin",
    "Explained",
    "Interval",
    "Method",
    "RunSummary",
    "TestResults",
    "bootstrap",
    "brier_score",
    "coverage",
    "draw_counts",
    "draw_scores",
    "expected_calibration_error",
    "interval",
    "known_pairs",
    "method_title",
    "rank_correlation",
    "reliability",
    "render",
    "render_explanation",
    "render_side_by_side",
    "resampled_metric",
    "worst",
    "wrong_shares",
]
