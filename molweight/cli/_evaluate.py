"""``molweight evaluate``: a run against the labels of a table."""

from dataclasses import asdict

from jsonargparse import Namespace

from molweight.cli._output import add_output_options, begin, result
from molweight.cli._parser import Parser
from molweight.datasets import from_file, score
from molweight.training import load

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight evaluate", description="Score a run on a labelled table that it has not seen.")
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("run", type=str, help="folder of a run: runs/NAME")
    add("table", type=str, help="labelled table: CSV, TSV, Parquet, SDF; gz or not")
    add("--smiles", type=str | None, default=None, help="SMILES column of the table; found if left out")
    add("--metric", type=str | None, default=None, help="how to score; as on the run's own table if left out")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made


def run(options: Namespace) -> None:
    """Predict, score, print."""
    begin(options)
    model = load(options.run, options.device)
    data = from_file(options.table, smiles=options.smiles, targets=model.target_names, task=model.model.task)
    metric = options.metric or model.finetuning.metric
    found = score(metric, data.targets, model.predict(list(data.smiles)), model.target_names)
    lines = [f"{metric} on {data.name} ({len(data)} molecules): {found.value:.4f}"]
    result(options, {"data": data.name, "molecules": len(data), **asdict(found)}, "\n".join(lines))
