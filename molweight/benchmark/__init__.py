"""Studies: tables x methods x seeds, run in parallel and resumable, with statistical tests.

Example:
    >>> from molweight.benchmark import METHODS, Study
    >>> "tapweight" in METHODS, len(Study(tables=["bbbp"], methods=["tapweight"], seeds=[0, 1, 2]).cells())
    (True, 3)
"""

from typing import TYPE_CHECKING

from molweight.benchmark._methods import METHODS, Method
from molweight.benchmark._pool import Executor, ProcessPool
from molweight.benchmark._ray import RayCluster
from molweight.benchmark._read_study import read_study
from molweight.benchmark._run_study import run_study
from molweight.benchmark._statistics import Contrast, contrasts
from molweight.benchmark._study import Study
from molweight.deprecation import moved_names

__all__ = [
    "METHODS",
    "Contrast",
    "Executor",
    "Method",
    "ProcessPool",
    "RayCluster",
    "Study",
    "contrasts",
    "read_study",
    "run_study",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(
        __name__,
        "internal",
        "_classical",
        "_compute_budget",
        "_figures",
        "_journal",
        "_methods",
        "_published",
        "_run_cell",
        "_statistics",
        "_study",
        "_study_report",
    )
