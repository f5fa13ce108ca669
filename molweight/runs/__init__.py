"""Finished runs: predict, embed, attribute, save, load, report; and checkpoints of pretraining."""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.runs._archive import RunParts
from molweight.runs._attribution import Attribution
from molweight.runs._checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from molweight.runs._estimate import estimate_of, format_estimate
from molweight.runs._finetuning import Finetuning
from molweight.runs._folder import STATE, claim_checkpoint_folder, claim_folder, run_folder
from molweight.runs._load import load, restore
from molweight.runs._manifest import extend_manifest
from molweight.runs._model_card import data_card, molecules_digest
from molweight.runs._parsed import ParsedRows
from molweight.runs._predict_ensemble import ENSEMBLE
from molweight.runs._report import report_runs
from molweight.runs._run import Run
from molweight.runs._uncertainty import Uncertainty, spread_of
from molweight.runs._weight_plot import plot_weights

__all__ = [
    "ENSEMBLE",
    "STATE",
    "Attribution",
    "Checkpoint",
    "Finetuning",
    "ParsedRows",
    "Run",
    "RunParts",
    "Uncertainty",
    "claim_checkpoint_folder",
    "claim_folder",
    "data_card",
    "estimate_of",
    "extend_manifest",
    "format_estimate",
    "load",
    "molecules_digest",
    "plot_weights",
    "read_checkpoint",
    "report_runs",
    "restore",
    "run_folder",
    "save_checkpoint",
    "spread_of",
]

if not TYPE_CHECKING:  # type checkers report the names that have left
    __getattr__ = moved_names(__name__, "_archive", "_checkpoint", "_manifest")
