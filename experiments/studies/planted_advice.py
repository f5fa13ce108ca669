"""Does ``molweight advise`` find an oracle among auxiliary tables, and no use in noise or irrelevant labels?

    python -m experiments.studies.planted_advice run [--tables freesolv esol bbbp ...] [--seeds 5 6 ...]
    python -m experiments.studies.planted_advice table

The sources are those of ``planted_sources.py``: half of the train molecules of a table become ``oracle`` (their own
labels), ``negated`` and ``noise`` (labels in another order); ``irrelevant`` is another table. Here nothing is
trained: linear probes on descriptors judge each table. The test role is not opened. Each run is
appended to ``experiments/results/planted_advice.jsonl`` immediately; existing ones are not repeated.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import IRRELEVANT, halved, planted_sources
from experiments._provenance import provenance
from molweight import datasets
from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training.internal import advise

RESULTS: Final = Path(__file__).parents[1] / "results" / "planted_advice.jsonl"
USELESS: Final = ("noise", "irrelevant")


def without_the_others(data: MoleculeDataset, splits: Splits) -> tuple[MoleculeDataset, Splits]:
    """The molecules that have a role, and their roles: ``advise`` leaves all compounds of its table out of sources."""
    kept = np.sort(np.concatenate(list(splits.roles().values())))
    train, meta, select, test = (np.searchsorted(kept, rows) for rows in splits.roles().values())
    return data.subset(kept), replace(splits, train=train, meta=meta, select=select, test=test)


def run_one(table: str, seed: int) -> dict[str, Any]:
    """One row of the results, as JSON values."""
    whole = datasets.load(table)
    splits, other = halved(whole, datasets.split(whole), seed)
    data, splits = without_the_others(whole, splits)
    started = time.process_time()
    found = advise(data, splits, planted_sources(whole, other, seed), Job(seed=seed))
    return {
        "table": table,
        "seed": seed,
        "advice": {
            item.use.name: {"gain": item.gain, "errors": item.errors, "verdict": item.verdict} for item in found
        },
        "cpu_seconds": time.process_time() - started,
        "provenance": provenance([seed]),
    }


def table() -> str:
    """How often each statement is true, by table."""
    rows = finished(RESULTS)
    tables = list(dict.fromkeys(row["table"] for row in rows))
    parts = [(name, [row["advice"] for row in rows if row["table"] == name]) for name in tables]
    parts.append(("all", [row["advice"] for row in rows]))
    titles = [
        "table",
        "oracle first or next to negated",
        "oracle helps",
        "negated helps",
        "noise helps",
        "irrelevant helps",
    ]
    return markdown(titles, ([name, *_counts(found)] for name, found in parts))


def _counts(found: list[dict[str, Any]]) -> list[str]:
    above = sum(all(at["oracle"]["gain"] > at[name]["gain"] for name in USELESS) for at in found)
    helps = [sum(at[name]["verdict"] == "helps" for at in found) for name in ("oracle", "negated", *USELESS)]
    return [f"{count} of {len(found)}" for count in (above, *helps)]


def main() -> None:
    """Run measurements, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("run")
    measuring.add_argument("--tables", nargs="+", default=list(IRRELEVANT), choices=list(IRRELEVANT))
    measuring.add_argument("--seeds", type=int, nargs="+", default=list(range(5, 15)))
    commands.add_parser("table")
    options = parser.parse_args()
    if options.command == "run":
        for row in go_on(RESULTS, ("table", "seed"), [(t, s) for s in options.seeds for t in options.tables], run_one):
            print(row["table"], row["seed"], {name: round(at["gain"], 3) for name, at in row["advice"].items()})
    else:
        print(table())


if __name__ == "__main__":
    main()
