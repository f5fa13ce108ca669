"""Why planted sources are missed: every rule at the same points of a run, with learned or solved heads.

    python -m experiments.studies.planted_signals run [--tables freesolv bace lipophilicity] [--seeds 5 6 7]
    python -m experiments.studies.planted_signals table

Four planted sources (``experiments/_planted.py``) and four real tables, with equal weights throughout, so that no rule
acts on its own errors. ``oracle`` and ``negated`` teach the encoder the same, because each has its own head: a rule's
values for the two differ only through the state of their heads. Three runs per table and seed: heads of the sources as
they are learned; solved on all their molecules before the first step; solved again every 10 steps. GIN 2x32 from random
weights, 100 steps of 64 molecules, measured at every 10th; the test role is not opened.

Each finished run is appended to ``experiments/results/planted_signals.jsonl``; existing runs are not repeated.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import IRRELEVANT
from experiments._provenance import provenance
from experiments._rule_signals import RULES, Signals
from experiments._source_runs import SourceRuns

RESULTS: Final = Path(__file__).parents[1] / "results" / "planted_signals.jsonl"
STEPS: Final = 100
EVERY: Final = 10
HEADS: Final[dict[str, int | None]] = {"learned": None, "solved at the start": STEPS, "solved every 10 steps": 10}
SHOWN: Final = tuple(rule for rule in RULES if "cg" not in rule)


def run_one(table: str, seed: int, heads: str) -> dict[str, Any]:
    """One run, as JSON values."""
    runs = SourceRuns.of(table, seed, steps=STEPS)
    signals = Signals(runs).collect(EVERY, HEADS[heads], solves=False)
    return {
        "table": table,
        "seed": seed,
        "heads": heads,
        "names": runs.names,
        "signals": {rule: [[float(f"{value:.4g}") for value in row] for row in signals.values[rule]] for rule in SHOWN},
        "seconds": signals.seconds,
        "steps": STEPS,
        "provenance": provenance([seed]),
    }


def study(tables: list[str], seeds: list[int]) -> None:
    """Run all unfinished measurements."""
    jobs = ((table, seed, heads) for seed in seeds for table in tables for heads in HEADS)
    for row in go_on(RESULTS, ("table", "seed", "heads"), jobs, run_one):
        print(row["table"], row["seed"], row["heads"], {rule: right(row, rule) for rule in SHOWN}, flush=True)


def said(row: dict[str, Any], rule: str) -> dict[str, float]:
    """A rule's value for each source over the run, in standard errors of the mean; positive if it helps."""
    values = np.array(row["signals"][rule])
    centred = values - values.mean(axis=1, keepdims=True)
    errors = centred.std(axis=0, ddof=1) / np.sqrt(len(centred))
    return dict(zip(row["names"], -centred.mean(axis=0) / np.maximum(errors, 1e-30), strict=True))


def right(row: dict[str, Any], rule: str) -> list[bool]:
    """Oracle above noise, above irrelevant, above the average; negated above the average; noise below it."""
    found = said(row, rule)
    above = [found["oracle"] > found[name] for name in ("noise", "irrelevant")]
    return [*above, found["oracle"] > 0, found["negated"] > 0, found["noise"] < 0]


def apart(row: dict[str, Any], rule: str) -> float:
    """Difference of a rule's values for oracle and negated, relative to the spread of all sources."""
    means = dict(zip(row["names"], np.mean(row["signals"][rule], axis=0), strict=True))
    return float(abs(means["oracle"] - means["negated"]) / max(np.std(list(means.values())), 1e-30))


def summary() -> str:
    """The study as a Markdown table."""
    rows = finished(RESULTS)
    header = ["heads", "rule", "runs", "oracle above noise", "above irrelevant", "oracle above mean"]
    header += ["negated above mean", "noise below mean", "oracle and negated apart"]
    lines = []
    for heads in HEADS:
        chosen = [row for row in rows if row["heads"] == heads]
        for rule in SHOWN if chosen else ():
            counts = np.sum([right(row, rule) for row in chosen], axis=0)
            gap = np.median([apart(row, rule) for row in chosen])
            lines.append([heads, rule, str(len(chosen)), *(str(count) for count in counts), f"{gap:.2f} SD"])
    return markdown(header, lines)


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "bace", "lipophilicity"], choices=list(IRRELEVANT))
    parser.add_argument("--seeds", nargs="+", type=int, default=[5, 6, 7])
    options = parser.parse_args()
    if options.action == "run":
        study(options.tables, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
