"""Finished runs: predict, embed, attribute, save, load, report; and checkpoints of pretraining."""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.runs._assess import Assessment
from molweight.runs._attribution import Attribution
from molweight.runs._checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from molweight.runs._conformal import Intervals
from molweight.runs._load import load
from molweight.runs._parsed import ParsedRows
from molweight.runs._reference import Domain
from molweight.runs._report import report_runs
from molweight.runs._run import Run
from molweight.runs._uncertainty import Uncertainty

__all__ = [
    "Assessment",
    "Attribution",
    "Checkpoint",
    "Domain",
    "Intervals",
    "ParsedRows",
    "Run",
    "Uncertainty",
    "load",
    "read_checkpoint",
    "report_runs",
    "save_checkpoint",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal", "_archive", "_checkpoint", "_manifest")
