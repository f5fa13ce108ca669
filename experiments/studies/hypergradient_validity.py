"""Validity of each rule: does it predict the effect of more weight on a source?

    python -m experiments.studies.hypergradient_validity run [--tables freesolv bace lipophilicity] [--seeds 0 1 2]
    python -m experiments.studies.hypergradient_validity table

Eight sources: four planted ones (``experiments/_planted.py``) and four real tables of at most 600 molecules. The real
effect of source k: the encoder is pretrained again with 0.4 of the weight moved to k, all else being equal (same
batches, same first weights); the change of the loss on meta and select, of a solved linear head and finetuned, per unit
of weight. The prediction of a rule: its derivatives along one run with equal weights, at every 10th step, averaged.
Compared by Spearman's rank correlation over the sources and by agreement of the sign against the average source. GIN
2x32 from random weights, 100 steps of 64 molecules; the test role is not opened.

Each finished table and seed is appended to ``experiments/results/hypergradient_validity.jsonl`` immediately; existing
rows are not repeated.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import stats

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import IRRELEVANT
from experiments._provenance import provenance
from experiments._rule_signals import RULES, Signals
from experiments._source_runs import SourceRuns

RESULTS: Final = Path(__file__).parents[1] / "results" / "hypergradient_validity.jsonl"
STEPS: Final = 100
EVERY: Final = 10
MOVED: Final = 0.4
LOSSES: Final = ("frozen_meta", "frozen_select", "finetuned_meta", "finetuned_select")


def effects(runs: SourceRuns) -> dict[str, list[float]]:
    """By loss, the change per unit of weight of each source; negative where the source helps."""
    count = len(runs.names)
    equal, found = np.full(count, 1 / count), dict[str, list[float]]({loss: [] for loss in LOSSES})
    before = runs.losses(equal)
    for corner in np.eye(count):
        after = runs.losses((1 - MOVED) * equal + MOVED * corner)
        for loss in LOSSES:
            found[loss].append((after[loss] - before[loss]) / MOVED)
    return found


def run_one(table: str, seed: int) -> dict[str, Any]:
    """One row, with predictions and real effects, as JSON values."""
    runs = SourceRuns.of(table, seed, steps=STEPS)
    signals = Signals(runs).collect(EVERY)
    return {
        "table": table,
        "seed": seed,
        "names": runs.names,
        "effects": effects(runs),
        "signals": signals.values,
        "seconds": signals.seconds,
        "steps": STEPS,
        "provenance": provenance([seed]),
    }


def study(tables: list[str], seeds: list[int]) -> None:
    """Run all unfinished measurements."""
    for row in go_on(RESULTS, ("table", "seed"), ((table, seed) for seed in seeds for table in tables), run_one):
        best = {rule: round(agreement(row, rule)[0], 2) for rule in RULES}
        print(row["table"], row["seed"], best, flush=True)


def real(row: dict[str, Any], kind: str = "") -> np.ndarray[Any, Any]:
    """The effect of each source, averaged over losses of a kind in units of their spread; negative where it helps."""
    chosen = [np.array(values) for name, values in row["effects"].items() if name.startswith(kind)]
    standard = np.array([(values - values.mean()) / values.std() for values in chosen])
    mean: np.ndarray[Any, Any] = standard.mean(axis=0)
    return mean


def agreement(row: dict[str, Any], rule: str, kind: str = "") -> tuple[float, float]:
    """Spearman's rank correlation, and the share of sources whose sign against the average one is right."""
    said, happened = np.mean(row["signals"][rule], axis=0), real(row, kind)
    signs = np.sign(said - said.mean()) == np.sign(happened - happened.mean())
    return float(stats.spearmanr(said, happened).statistic), float(signs.mean())


def ceiling(rows: list[dict[str, Any]], kind: str = "") -> float:
    """Mean rank correlation of the real effects between seeds of a table: an exact rule can reach about its root."""
    pairs = [
        stats.spearmanr(real(one, kind), real(other, kind)).statistic
        for i, one in enumerate(rows)
        for other in rows[:i]
        if one["table"] == other["table"]
    ]
    return float(np.mean(pairs)) if pairs else float("nan")


def planted_right(row: dict[str, Any], rule: str) -> list[bool]:
    """Whether a rule ranks the oracle above noise and the irrelevant table, and noise below average."""
    said = dict(zip(row["names"], np.mean(row["signals"][rule], axis=0), strict=True))
    mean = np.mean(list(said.values()))
    return [said["oracle"] < said["noise"], said["oracle"] < said["irrelevant"], said["noise"] > mean]


def summary() -> str:
    """The study as a Markdown table."""
    rows = finished(RESULTS)
    header = [
        "rule",
        "Spearman",
        "frozen",
        "finetuned",
        "sign",
        "oracle > noise",
        "oracle > irrelevant",
        "noise < mean",
    ]
    lines = []
    for rule in RULES:
        both = [agreement(row, rule) for row in rows]
        kinds = [np.mean([agreement(row, rule, kind)[0] for row in rows]) for kind in ("frozen", "finetuned")]
        right = np.sum([planted_right(row, rule) for row in rows], axis=0)
        spearman, sign = np.mean(both, axis=0)
        cells = [f"{value:.2f}" for value in (spearman, *kinds, sign)]
        lines.append([rule, *cells, *(f"{count} of {len(rows)}" for count in right)])
    happened = [dict(zip(row["names"], real(row), strict=True)) for row in rows]
    truth = [
        sum(found["oracle"] < found["noise"] for found in happened),
        sum(found["oracle"] < found["irrelevant"] for found in happened),
        sum(found["noise"] > 0 for found in happened),
    ]
    between = [f"{ceiling(rows, kind):.2f}" for kind in ("", "frozen", "finetuned")]
    lines.append(["the real effect (Spearman between seeds)", *between, "", *(f"{n} of {len(rows)}" for n in truth)])
    return markdown(header, lines)


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "bace", "lipophilicity"], choices=list(IRRELEVANT))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.action == "run":
        study(options.tables, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
