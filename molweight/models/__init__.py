"""The two models of a run: encoder with the objectives' heads, and encoder with the task's head."""

from molweight.models._build import build_predictor, build_pretrainer, check_models
from molweight.models._label_loss import bounded_square, label_loss
from molweight.models._predict import calibrate_on, evaluating, label_statistics, predict_positions, with_dropout
from molweight.models._predictor import Predictor
from molweight.models._pretrainer import Loss, Pretrainer, bind
from molweight.models._task_model import TaskModel

__all__ = [
    "Loss",
    "Predictor",
    "Pretrainer",
    "TaskModel",
    "bind",
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
