"""``molweight fit``: the main job."""

import json
import logging
import sys
from pathlib import Path

import pandas as pd
from jsonargparse import Namespace

from molweight import datasets
from molweight.cli._data_options import (
    add_data_options,
    add_job_options,
    job_of,
    load_corpus,
    load_table,
    split_table,
)
from molweight.cli._parser import Parser, names
from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.training import Comparison, compare, format_findings, format_table
from molweight.training._store import write_file

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command: those of the data, then those of :class:`molweight.TapWeight`."""
    made = Parser(
        prog="molweight fit",
        description="Pretrain with learned objective weights, finetune, and compare with baselines.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_data_options(made)
    made.add_argument("--name", type=str | None, default=None, help="name of the run; that of the table by default")
    made.add_argument("--runs", type=str, default="runs", help="folder of the runs")
    made.add_argument("--baselines", type=names, default=["scratch", "equal"], help="scratch,pretrained,equal")
    made.add_argument("--quiet", action="store_true", help="no progress bars, no messages but the table")
    add_job_options(made)
    return made


def run(options: Namespace) -> None:
    """Load, fit, print the table, write the run's folder."""
    if not options.quiet:
        logging.getLogger("molweight").setLevel(logging.INFO)
    job, data = job_of(options), load_table(options)
    splits = split_table(options, data)
    folder = Path(options.runs) / (options.name or data.name)
    corpus = load_corpus(options, data, splits)
    _say(options, f"{data!r}\npretraining on {corpus!r}")
    comparison = compare(job, data, splits, corpus, baselines=options.baselines, progress=not options.quiet)
    _write(folder, options, comparison, data)
    audit = datasets.audit(data, splits, corpus, progress=not options.quiet)
    write_file(folder / "audit.json", (json.dumps(audit.to_dict(), indent=2) + "\n").encode())
    found = format_findings(comparison)
    parts = [
        _heading(comparison, splits),
        format_table(comparison),
        *([found] if found else []),
        f"written to {folder}",
    ]
    sys.stdout.write("\n\n".join(parts) + "\n")


def _say(options: Namespace, text: str) -> None:
    if not options.quiet:
        sys.stderr.write(f"{text}\n")


def _heading(comparison: Comparison, splits: Splits) -> str:
    sizes = ", ".join(f"{size} {role}" for role, size in comparison.sizes.items())
    shared = (
        "" if splits.protocol == "four-role" else "; the weights and the checkpoint are chosen on the same molecules"
    )
    seconds = f"general pretraining, shared by all: {comparison.general_seconds:.1f} s"
    return f"{comparison.data}, {splits.name} split ({sizes}{shared}); {seconds}"


def _write(folder: Path, options: Namespace, comparison: Comparison, data: MoleculeDataset) -> None:
    comparison.save(folder)
    kept = options.clone()
    kept.pop("config", None)
    write_file(folder / "config.yaml", parser().dump(kept, skip_validation=True).encode())
    if data.rejects:
        table = pd.DataFrame([vars(reject) for reject in data.rejects])
        write_file(folder / "rejects.csv", table.to_csv(index=False).encode())
        _say(options, f"what cannot be used of {data.name}, by row: {folder / 'rejects.csv'}")
