"""``molweight evaluate``: a run against the labels of a table."""

from dataclasses import asdict

import numpy as np
from jsonargparse import Namespace

from molweight.cli._output import add_output_options, begin, result
from molweight.cli._parser import Parser
from molweight.datasets import from_file, score
from molweight.datasets.internal import exact_labels, format_endpoints, format_score, violated_bounds
from molweight.runs import load

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
    names, task = model.target_names, model.model.task
    data = from_file(options.table, smiles=options.smiles, targets=names, task=task, duplicates="keep")
    metric = options.metric or model.finetuning.metric
    predicted = model.predict(list(data.smiles))
    everything = np.arange(len(data))
    found = score(metric, exact_labels(data, everything), predicted, names)
    bounds = violated_bounds(data, everything, predicted)
    lines = [f"{metric} on {data.name} ({len(data)} molecules): {format_score(found.value)}"]
    if metric == "scaled_rmse" or "," in metric:
        lines = [f"{'skill' if ',' in metric else metric} on {lines[0].partition(' on ')[2]}"]
        lines += [format_endpoints(exact_labels(data, everything), predicted, names, metric)]
    lines += [f"{name}: {wrong} of {count} bounds violated" for name, (wrong, count) in bounds.items()]
    seen = model.seen(list(data.smiles))
    known = None if seen is None else int(seen.sum())
    if known:
        lines += [f"{known} of {len(data)} molecules were used to make the model, so this score is too good"]
    result(
        options,
        {"data": data.name, "molecules": len(data), "seen": known, **asdict(found), "violated_bounds": bounds},
        "\n".join(lines),
    )
