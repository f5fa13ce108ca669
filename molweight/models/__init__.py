"""The two models of a run: encoder with the objectives' heads, and encoder with the task's head."""

from molweight.models._build import build_predictor, build_pretrainer, check_models
from molweight.models._predict import calibrate_on, evaluating, label_statistics, predict_positions, with_dropout
from molweight.models._predictor import Predictor
from molweight.models._pretrainer import Loss, Pretrainer, bind

__all__ = [
    "Loss",
    "Predictor",
    "Pretrainer",
    "bind",
    "build_predictor",
    "build_pretrainer",
    "calibrate_on",
    "check_models",
    "evaluating",
    "label_statistics",
    "predict_positions",
    "with_dropout",
]
