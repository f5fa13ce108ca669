"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.models._predict import (
    answer_positions,
    calibrate_on,
    evaluating,
    predict_positions,
    with_dropout,
)
from molweight.models._predictor import bounded_square, build_predictor, class_loss, label_loss, label_statistics
from molweight.models._pretrainer import build_pretrainer, check_models
from molweight.models._task_model import Answer

__all__ = [
    "Answer",
    "answer_positions",
    "bounded_square",
    "build_predictor",
    "build_pretrainer",
    "calibrate_on",
    "check_models",
    "class_loss",
    "evaluating",
    "label_loss",
    "label_statistics",
    "predict_positions",
    "with_dropout",
]
