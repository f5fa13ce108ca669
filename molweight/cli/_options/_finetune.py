"""Options of ``molweight finetune``."""

from molweight.cli._options._fit import add_run_options
from molweight.cli._options._table import add_job_options, add_table_options
from molweight.cli._parser import Parser
from molweight.options import (
    EncoderOptions,
    EnsembleOptions,
    FinetuningOptions,
    RunOptions,
    TaskOptions,
)

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command: those of the table, then those of finetuning."""
    made = Parser(
        example="molweight finetune my.csv --init runs/pretrained",
        prog="molweight finetune",
        description="Finetune a checkpoint on a table, nothing else.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_table_options(made)
    add_run_options(made, baselines=[])
    add_job_options(made, EncoderOptions, TaskOptions, FinetuningOptions, EnsembleOptions, RunOptions)
    return made
