"""``molweight finetune``: a checkpoint on a table, without continued pretraining."""

from dataclasses import replace
from typing import Final

from jsonargparse import Namespace

from molweight.cli._data_options import add_job_options, add_table_options, job_of, load_table, split_table
from molweight.cli._fit import add_run_options, carry_out, resumed
from molweight.cli._output import begin
from molweight.cli._parser import Parser
from molweight.errors import ConfigError
from molweight.training._checkpoint import AUTO

__all__ = ["parser", "run"]

_USED: Final = frozenset(
    {"start", "finetune_gamma", "finetune_lr", "task_batch_size", "epochs", "patience", "finetunings", "seed", "device"}
)
_UNTRAINED: Final = "attribute_masking"
"""A job has objectives, though none is trained here; this one needs nothing to be computed of the molecules."""


def parser() -> Parser:
    """Options of the command: those of the table, then those of finetuning."""
    made = Parser(prog="molweight finetune", description="Finetune a checkpoint on a table, nothing else.")
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_table_options(made)
    add_run_options(made, baselines=[])
    add_job_options(made, only=_USED)
    return made


def run(options: Namespace) -> None:
    """Load, finetune, print, write the run's folder.

    Raises:
        ConfigError: If no checkpoint is named.
    """
    begin(options)
    options = resumed(options, parser())
    if options.start in (AUTO, "pretrained"):
        raise ConfigError(
            "name what to start from: --start FOLDER of 'molweight pretrain' or of a run; or --start scratch."
        )
    job, data = replace(job_of(options), weighting="none", objectives=[_UNTRAINED]), load_table(options)
    splits = split_table(options, data)
    carry_out(options, parser(), job, data, splits=splits, corpus=data.subset(splits.train))
