"""``molweight advise``: which auxiliary tables are worth learning from, before any training."""

import json
from dataclasses import asdict

from jsonargparse import Namespace

from molweight.cli._data_options import add_table_options, load_table, split_table
from molweight.cli._output import add_output_options, begin, result
from molweight.cli._parser import Parser, names
from molweight.options import Job
from molweight.training.internal import advise, format_advice

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight advise",
        description="Judge auxiliary tables by frozen probes: what their predictions add to a linear model.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_table_options(made)
    made.add_argument("--aux", type=names, default=[], help="auxiliary tables: a.csv,tox21,esol:COLUMN")
    made.add_argument("--init", type=str, default="auto", help="checkpoint or run whose encoder is probed")
    made.add_argument("--seed", type=int, default=0, help="seed of the folds, and of the split where it draws")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made


def run(options: Namespace) -> None:
    """Load, split, probe, print."""
    begin(options)
    data = load_table(options)
    splits = split_table(options, data)
    found = advise(data, splits, options.aux, Job(init=options.init, seed=options.seed, device=options.device))
    values = [json.loads(json.dumps(asdict(item))) for item in found]
    result(options, {"data": data.name, "advice": values}, format_advice(found))
