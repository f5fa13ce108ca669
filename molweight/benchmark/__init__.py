"""Studies: tables x methods x seeds, run in parallel, resumable, with the statistics that their claims rest on.

Example:
    >>> from molweight.benchmark import METHODS, Study
    >>> "tapweight" in METHODS, len(Study(tables=["bbbp"], methods=["tapweight"], seeds=[0, 1, 2]).jobs())
    (True, 3)
"""

from molweight.benchmark._classical import fit_classical
from molweight.benchmark._journal import Journal, tidy
from molweight.benchmark._methods import METHODS, Method, gradients_per_step, method_of
from molweight.benchmark._page import format_page
from molweight.benchmark._pool import Executor, ProcessPool
from molweight.benchmark._run_study import run_study
from molweight.benchmark._statistics import Contrast, contrasts, holm, mean_ranks
from molweight.benchmark._study import Job, Match, Study, read_study
from molweight.benchmark._work import RESULTS_VERSION, do_job

__all__ = [
    "METHODS",
    "RESULTS_VERSION",
    "Contrast",
    "Executor",
    "Job",
    "Journal",
    "Match",
    "Method",
    "ProcessPool",
    "Study",
    "contrasts",
    "do_job",
    "fit_classical",
    "format_page",
    "gradients_per_step",
    "holm",
    "mean_ranks",
    "method_of",
    "read_study",
    "run_study",
    "tidy",
]
