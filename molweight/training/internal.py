"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.training._adaptive import AdaptivePretraining, adaptive_pretraining, new_predictor
from molweight.training._advise import advise, format_advice
from molweight.training._batches import Batches, generator_for, part_batches
from molweight.training._compare import format_findings
from molweight.training._deprecated import TapWeight
from molweight.training._finetune import finetune
from molweight.training._fit import stage_names
from molweight.training._forecast import Forecast, forecast
from molweight.training._held_out import HeldOut
from molweight.training._resolve import SOLVER_DEFAULTS, check_job, check_weighting, create_solver, with_stereo
from molweight.training._sources import resolve_assay_table, with_parts, with_sources

__all__ = [
    "SOLVER_DEFAULTS",
    "AdaptivePretraining",
    "Batches",
    "Forecast",
    "HeldOut",
    "TapWeight",
    "adaptive_pretraining",
    "advise",
    "check_job",
    "check_weighting",
    "create_solver",
    "finetune",
    "forecast",
    "format_advice",
    "format_findings",
    "generator_for",
    "new_predictor",
    "part_batches",
    "resolve_assay_table",
    "stage_names",
    "with_parts",
    "with_sources",
    "with_stereo",
]
