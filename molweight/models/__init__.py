"""The two models of a run: encoder with the objectives' heads, and encoder with the task's head."""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.models._predictor import Predictor
from molweight.models._pretrainer import Pretrainer
from molweight.models._task_model import TaskModel

__all__ = [
    "Predictor",
    "Pretrainer",
    "TaskModel",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal", "_pretrainer")
