"""``molweight fit``: the main job."""

import logging
import sys
from pathlib import Path

import pandas as pd
from jsonargparse import Namespace

from molweight import datasets
from molweight.cli._parser import Parser, names
from molweight.datasets import Splits
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.training import DEFAULT_OBJECTIVES, Comparison, TapWeight, compare, format_table
from molweight.training._store import write_file

__all__ = ["parser", "run"]

_NOT_FOR_TAPWEIGHT = (
    "table",
    "data",
    "name",
    "runs",
    "smiles",
    "targets",
    "split",
    "protocol",
    "corpus",
    "corpus_size",
    "baselines",
    "quiet",
    "config",
    "print_config",
)


def parser() -> Parser:
    """Options of the command: those of the data, then those of :class:`molweight.TapWeight`."""
    made = Parser(
        prog="molweight fit",
        description="Pretrain with learned objective weights, finetune, and compare with baselines.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    made.add_argument("table", nargs="?", default=None, type=str | None, help="your own table (CSV or TSV, gz or not)")
    made.add_argument("--data", type=str | None, default=None, help="an embedded table: molweight list datasets")
    made.add_argument("--name", type=str | None, default=None, help="name of the run; that of the table by default")
    made.add_argument("--runs", type=str, default="runs", help="folder of the runs")
    made.add_argument("--smiles", type=str | None, default=None, help="SMILES column of your table; found if left out")
    made.add_argument("--targets", type=names, default=[], help="label columns of your table: a,b,c; found if left out")
    made.add_argument("--split", type=str, default="scaffold", help="how the table is split")
    made.add_argument("--protocol", type=str, default="four-role", help="four-role or paper")
    made.add_argument("--corpus", type=str, default="zinc", help="molecules to pretrain on")
    made.add_argument("--corpus_size", type=int, default=10_000, help="how many of them")
    made.add_argument("--baselines", type=names, default=["scratch", "equal"], help="scratch,pretrained,equal")
    made.add_argument("--objectives", type=names, default=list(DEFAULT_OBJECTIVES), help="objectives: a,b,c")
    made.add_argument("--quiet", action="store_true", help="no progress bars, no messages but the table")
    made.add_class_arguments(TapWeight, skip={"objectives"})
    return made


def run(options: Namespace) -> None:
    """Load, fit, print the table, write the run's folder."""
    if not options.quiet:
        logging.getLogger("molweight").setLevel(logging.INFO)
    values = {key: value for key, value in options.as_dict().items() if key not in _NOT_FOR_TAPWEIGHT}
    job = TapWeight(**values)
    data = _table(options)
    splits = datasets.split(data, options.split, protocol=options.protocol, seed=options.seed)
    folder = Path(options.runs) / (options.name or data.name)
    corpus = datasets.load_corpus(options.corpus, size=options.corpus_size)
    _say(options, f"{data!r}\npretraining on {corpus!r}")
    comparison = compare(job, data, splits, corpus, baselines=options.baselines, progress=not options.quiet)
    _write(folder, options, comparison, data)
    sys.stdout.write(f"{_heading(comparison, splits)}\n\n{format_table(comparison)}\n\nwritten to {folder}\n")


def _table(options: Namespace) -> MoleculeDataset:
    if (options.table is None) == (options.data is None):
        raise ConfigError(
            "name one table: an embedded one with --data NAME (see 'molweight list datasets'), or your own file."
        )
    if options.data is not None:
        return datasets.load(options.data)
    return datasets.from_csv(options.table, smiles=options.smiles, targets=options.targets or None)


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
        _say(options, f"{len(data.rejects)} rows of {data.name} hold no molecule: see {folder / 'rejects.csv'}")
