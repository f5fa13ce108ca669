"""``molweight finetune``: a checkpoint on a table, without adaptive pretraining."""

from jsonargparse import Namespace

from molweight.cli._data_options import add_job_options, add_table_options, job_of, load_table, split_table
from molweight.cli._fit import add_run_options, carry_out, refuse_taken, resumed
from molweight.cli._output import begin
from molweight.cli._parser import Parser
from molweight.errors import ConfigError
from molweight.options import EncoderOptions, FinetuningOptions, RunOptions, TaskOptions
from molweight.options.internal import AUTO

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command: those of the table, then those of finetuning."""
    made = Parser(prog="molweight finetune", description="Finetune a checkpoint on a table, nothing else.")
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_table_options(made)
    add_run_options(made, baselines=[])
    add_job_options(made, EncoderOptions, TaskOptions, FinetuningOptions, RunOptions)
    return made


def run(options: Namespace) -> None:
    """Load, finetune, print, write the run's folder.

    Raises:
        ConfigError: If no checkpoint is named.
    """
    begin(options)
    options = resumed(options, parser())
    refuse_taken(options)
    if options.init in (AUTO, "pretrain"):
        raise ConfigError(
            "name what to start from: --init FOLDER of 'molweight pretrain' or of a run; or --init scratch."
        )
    job, data = job_of(options, weighting="none", objectives=[]), load_table(options)
    splits = split_table(options, data)
    carry_out(options, parser(), job, data, splits=splits, corpus=data.subset(splits.train))
