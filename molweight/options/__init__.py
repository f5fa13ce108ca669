"""Options of a job as plain frozen dataclasses, in groups: each stage, command or study takes a set of groups.

Building an option object touches no network, no disk and no device. Ranges of numbers are checked here; names (of an
encoder, a solver, ...) and checkpoints are looked up by :func:`molweight.training.resolve`.
"""

from molweight.options._adaptation import AdaptationOptions
from molweight.options._encoder import EncoderOptions
from molweight.options._ensemble import EnsembleOptions
from molweight.options._finetuning import FinetuningOptions
from molweight.options._job import Job
from molweight.options._pretraining import PretrainingOptions
from molweight.options._run import RunOptions
from molweight.options._task import TaskOptions

__all__ = [
    "AdaptationOptions",
    "EncoderOptions",
    "EnsembleOptions",
    "FinetuningOptions",
    "Job",
    "PretrainingOptions",
    "RunOptions",
    "TaskOptions",
]
