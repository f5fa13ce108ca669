"""Studies: tables x methods x seeds, run in parallel, resumable, with the statistics that their claims rest on.

Example:
    >>> from molweight.benchmark import METHODS, Study
    >>> "tapweight" in METHODS, len(Study(tables=["bbbp"], methods=["tapweight"], seeds=[0, 1, 2]).cells())
    (True, 3)
"""

from molweight.benchmark._classical import fit_classical
from molweight.benchmark._compute_budget import matched, seconds_per_step
from molweight.benchmark._figures import plot_ranks, plot_scores
from molweight.benchmark._journal import Journal, tidy
from molweight.benchmark._methods import METHODS, Method, gradients_per_step, method_of, variant_of
from molweight.benchmark._pool import Executor, ProcessPool
from molweight.benchmark._published import read_published
from molweight.benchmark._ray import RayCluster
from molweight.benchmark._read_study import read_study
from molweight.benchmark._run_cell import RESULTS_VERSION, run_cell
from molweight.benchmark._run_study import run_study
from molweight.benchmark._statistics import (
    Contrast,
    Ranks,
    cliques,
    contrasts,
    critical_difference,
    holm,
    mean_ranks,
    spreads,
)
from molweight.benchmark._study import Cell, Match, Study
from molweight.benchmark._study_report import format_page, write_page

__all__ = [
    "METHODS",
    "RESULTS_VERSION",
    "Cell",
    "Contrast",
    "Executor",
    "Journal",
    "Match",
    "Method",
    "ProcessPool",
    "Ranks",
    "RayCluster",
    "Study",
    "cliques",
    "contrasts",
    "critical_difference",
    "fit_classical",
    "format_page",
    "gradients_per_step",
    "holm",
    "matched",
    "mean_ranks",
    "method_of",
    "plot_ranks",
    "plot_scores",
    "read_published",
    "read_study",
    "run_cell",
    "run_study",
    "seconds_per_step",
    "spreads",
    "tidy",
    "variant_of",
    "write_page",
]
