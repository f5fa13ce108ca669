"""The two models of a run: encoder with the objectives' heads, and encoder with the task's head."""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.models._build import build_predictor, build_pretrainer, check_models
from molweight.models._label_loss import bounded_square, label_loss
from molweight.models._predict import calibrate_on, evaluating, label_statistics, predict_positions, with_dropout
from molweight.models._predictor import Predictor
from molweight.models._pretrainer import Pretrainer
from molweight.models._task_model import TaskModel

__all__ = [
    "Predictor",
    "Pretrainer",
    "TaskModel",
    "bounded_square",
    "build_predictor",
    "build_pretrainer",
    "calibrate_on",
    "check_models",
    "evaluating",
    "label_loss",
    "label_statistics",
    "predict_positions",
    "with_dropout",
]

if not TYPE_CHECKING:  # type checkers report the names that have left
    __getattr__ = moved_names(__name__, "_pretrainer")
