"""Seconds and peak memory of ``fit``, ``predict`` and ``audit`` as tables grow, and the exponents of both.

    python -m experiments.benchmarks.benchmark_growth numbers library.smi.gz --rows 1000 --rows 4000 --rows 250000
    python -m experiments.benchmarks.benchmark_growth classes hiv.csv --column HIV_active --rows 1000 --rows 41000
    ... [--do fit] [--minutes 20] [--journal growth.jsonl] [--output experiments/results/growth_numbers.json]

``numbers``: the first molecules of a library with a number computed from each, Crippen's logP, and normal noise of 0.3.
``classes``: rows of a table, drawn at random. Each command has its default options and runs in a separate process, with
an empty cache; ``predict`` gets the whole table again. Memory is that of the largest process of the command. On a busy
machine only CPU seconds are meaningful. With ``--journal`` the same command resumes at the next measurement.

An exponent is the slope between two sizes in a log-log plot: 1 if twice the rows take twice the time.
"""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from rdkit.Chem import rdMolDescriptors

from experiments._measured import run_measured
from experiments._provenance import provenance, write_result
from experiments.stress._journal import Journal
from molweight.datasets.internal import read_records
from molweight.graphs.internal import parse_molecule

COMMANDS: Final = ("audit", "fit", "predict")
NOISE: Final = 0.3


def main() -> None:
    """Measure, print, write."""
    options = _options()
    journal = Journal(options.journal)
    for rows in sorted(options.rows):
        todo = [name for name in options.do or COMMANDS if f"{name} {rows}" not in journal]
        if todo:
            _measure(rows, todo, options, journal)
    wanted = [f"{name} {rows}" for name in options.do or COMMANDS for rows in sorted(options.rows)]
    found = {key: journal.answers[key] for key in wanted}
    for name in options.do or COMMANDS:
        for key, growth in exponents({rows: found[f"{name} {rows}"] for rows in sorted(options.rows)}).items():
            print(f"{name}: {key} {growth}")
            found[f"{name}, exponents of {key}"] = growth
    if options.output is not None:
        write_result(options.output, {**provenance([options.seed]), "kind": options.kind, "measured": found})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=["numbers", "classes"])
    parser.add_argument("source", type=Path, help="library of molecules, or table")
    parser.add_argument("--column", help="labels of the table")
    parser.add_argument("--rows", type=int, action="append", required=True)
    parser.add_argument("--do", choices=COMMANDS, action="append", help="commands; predict needs fit. All by default")
    parser.add_argument("--minutes", type=float, help="time limit that is given to fit")
    parser.add_argument("--seed", type=int, default=0, help="of the rows and of the noise")
    parser.add_argument("--journal", type=Path, help="JSON lines of what was measured, to resume from")
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    return parser.parse_args()


def _measure(rows: int, commands: Sequence[str], options: argparse.Namespace, journal: Journal) -> None:
    """Write the table, and run the commands on it; a fit that ``predict`` needs is run again."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        write = write_numbers if options.kind == "numbers" else write_classes
        write(table, options.source, rows, options.seed, options.column)
        fit = ["fit", str(table), "--name", "run", "--runs", folder, "--split", "random"]
        if options.minutes is not None:
            fit += ["--minutes", str(options.minutes)]
        lines = {
            "audit": ["audit", str(table)],
            "fit": fit,
            "predict": ["predict", f"{folder}/run", str(table), "--output", f"{folder}/out.csv"],
        }
        for name in COMMANDS:
            if name in commands or (name == "fit" and "predict" in commands):
                journal.add(f"{name} {rows}", run(lines[name], Path(folder)))


def write_numbers(path: Path, library: Path, rows: int, seed: int, _: str | None) -> None:
    """The first readable molecules of a library, with computed numbers.

    Args:
        path: The table.
        library: Where the molecules are read from.
        rows: How many.
        seed: Seed of the noise.
    """
    noise = np.random.default_rng(seed).normal(0, NOISE, rows)
    computed = ((text, _logp(text)) for _, text in read_records(library))
    known = islice((item for item in computed if item[1] is not None), rows)
    lines = [f"{text},{value + error:.3f}" for (text, value), error in zip(known, noise, strict=False)]
    if len(lines) < rows:
        sys.exit(f"{library} holds {len(lines)} readable molecules, and {rows} were asked for.")
    path.write_text("\n".join(["smiles,logP", *lines]) + "\n", encoding="utf-8")


def _logp(smiles: str) -> float | None:
    """Crippen's logP; ``None`` for an invalid SMILES."""
    molecule = parse_molecule(smiles)
    return None if molecule is None else float(rdMolDescriptors.CalcCrippenDescriptors(molecule)[0])


def write_classes(path: Path, table: Path, rows: int, seed: int, column: str | None) -> None:
    """Rows of a table, drawn at random.

    Args:
        path: The table to write.
        table: The table to draw from.
        rows: Number of rows; all if there are fewer.
        seed: Seed of the sample.
        column: Its labels.
    """
    known = pd.read_csv(table, usecols=["smiles", column or ""])[["smiles", column]]
    known.sample(min(rows, len(known)), random_state=seed).to_csv(path, index=False)


def run(arguments: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory of a command, including its child processes.

    Args:
        arguments: Arguments of ``molweight``.
        folder: Holds its cache.
    """
    found = run_measured(arguments, cache=folder / "cache")
    return {
        "seconds": round(found.seconds, 1),
        "cpu_seconds": round(found.cpu_seconds, 1),
        "peak_mb": round(found.peak_mb, 1),
        "load_average": round(os.getloadavg()[0], 1),
    }


def exponents(measured: dict[int, dict[str, float]]) -> dict[str, list[float]]:
    """Slopes between consecutive sizes, of CPU seconds and of memory.

    Args:
        measured: By number of rows.

    Example:
        >>> exponents({10: {"cpu_seconds": 1.0, "peak_mb": 5.0}, 1000: {"cpu_seconds": 100.0, "peak_mb": 50.0}})
        {'cpu_seconds': [1.0], 'peak_mb': [0.5]}
    """
    return {
        key: [
            round(math.log(measured[large][key] / measured[small][key]) / math.log(large / small), 2)
            for small, large in pairwise(sorted(measured))
        ]
        for key in ("cpu_seconds", "peak_mb")
    }


if __name__ == "__main__":
    main()
