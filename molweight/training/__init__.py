"""General pretraining, continued pretraining under learned weights, finetuning: the run of TapWeight."""

from molweight.training._attribution import Attribution
from molweight.training._callback import Callback, TensorBoard
from molweight.training._checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from molweight.training._compare import BASELINES, Comparison, Row, compare, format_findings, format_table
from molweight.training._continued import Continued, continued_pretraining, fresh_predictor
from molweight.training._device import resolve_device
from molweight.training._finetune import Finetuning, finetune, predict_positions
from molweight.training._general import general_pretraining
from molweight.training._hypergrad_check import default_candidates, hypergrad_check
from molweight.training._hypergrad_report import HypergradCheck
from molweight.training._models import Predictor, Pretrainer, build_predictor, build_pretrainer
from molweight.training._plot import plot_weights
from molweight.training._pretrain import pretrain
from molweight.training._report import report_runs
from molweight.training._run import Run, load, restore
from molweight.training._sampling import Batches, generator_for
from molweight.training._search import Trial, WeightSearch, search_weights
from molweight.training._session import Session
from molweight.training._sources import Corpus, TaskSource
from molweight.training._tables import HeldOut
from molweight.training._tapweight import DEFAULT_OBJECTIVES, SOLVER_DEFAULTS, TapWeight
from molweight.training._uncertainty import Uncertainty, spread_of

__all__ = [
    "BASELINES",
    "DEFAULT_OBJECTIVES",
    "SOLVER_DEFAULTS",
    "Attribution",
    "Batches",
    "Callback",
    "Checkpoint",
    "Comparison",
    "Continued",
    "Corpus",
    "Finetuning",
    "HeldOut",
    "HypergradCheck",
    "Predictor",
    "Pretrainer",
    "Row",
    "Run",
    "Session",
    "TapWeight",
    "TaskSource",
    "TensorBoard",
    "Trial",
    "Uncertainty",
    "WeightSearch",
    "build_predictor",
    "build_pretrainer",
    "compare",
    "continued_pretraining",
    "default_candidates",
    "finetune",
    "format_findings",
    "format_table",
    "fresh_predictor",
    "general_pretraining",
    "generator_for",
    "hypergrad_check",
    "load",
    "plot_weights",
    "predict_positions",
    "pretrain",
    "read_checkpoint",
    "report_runs",
    "resolve_device",
    "restore",
    "save_checkpoint",
    "search_weights",
    "spread_of",
]
