"""Options of ``molweight fit``."""

from typing import Final

from molweight.cli._options._table import (
    add_data_options,
    add_job_options,
    add_test_option,
)
from molweight.cli._output import add_output_options, add_safe_csv_option
from molweight.cli._parser import Parser, names

__all__ = ["add_run_options", "parser"]

_EXAMPLES: Final = """\
molweight fit my.csv                                    all defaults
molweight fit my.csv --smiles structure --targets pIC50 --split random
molweight fit --data freesolv --name mine --steps 300   a table of MoleculeNet"""


def parser() -> Parser:
    """Options of the command: those of the data, then those of :class:`molweight.Job`."""
    made = Parser(
        prog="molweight fit",
        description="Pretrain with learned objective weights, finetune, and compare with baselines.",
        example=_EXAMPLES,
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_data_options(made)
    add_run_options(made, baselines=["mean", "descriptor_trees"])
    made.add_argument("--preset", type=str, default="auto", help="default sizes: auto (by machine), small, full")
    add_job_options(made)
    made.set_defaults({"members": None})  # set by the size of the table; a job in Python has a single model by default
    return made


def add_run_options(made: Parser, baselines: list[str]) -> None:
    """Add the options for the run folder and the output."""
    add_test_option(made)
    add = made.section("Run and output", ("name", "overwrite", "resume", "baselines")).add_argument
    add("--name", type=str | None, default=None, help="name of the run; by default, that of the table")
    add("--runs", type=str, default="runs", help="folder of the runs")
    add("--overwrite", action="store_true", help="replace a finished run of the same name")
    add("--resume", type=str | None, default=None, help="folder of an interrupted run to resume: runs/NAME")
    add(
        "--baselines",
        type=names,
        default=baselines,
        help="mean,descriptor_trees (take seconds); scratch,pretrained,equal (take as long as the fit)",
    )
    add("--tensorboard", action="store_true", help="write event files to runs/NAME/tensorboard")
    add_safe_csv_option(made)
    add_output_options(made)
