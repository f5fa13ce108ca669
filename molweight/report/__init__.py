"""A run as one self-contained HTML page, and its statistics.

The page is made from plain data (:class:`RunSummary`), so this package does not depend on models; ``molweight report``
and ``run.report`` collect the data.

Example:
    >>> import numpy as np
    >>> labels, answers = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [1.5], [2.5]])
    >>> found, _ = bootstrap("mae", labels, {"model": answers})
    >>> found["model"].value
    0.5
"""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.report._bootstrap import bootstrap
from molweight.report._render import render
from molweight.report._run_summary import Method, RunSummary, TestResults
from molweight.report._side_by_side import render_side_by_side

__all__ = [
    "Method",
    "RunSummary",
    "TestResults",
    "bootstrap",
    "render",
    "render_side_by_side",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal", "_bootstrap", "_calibration", "_coverage", "_resampled")
