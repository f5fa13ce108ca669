"""Does the default fit rank rare positives at least as well as a forest on ECFP4? The test set, once for each seed.

    MOLWEIGHT_DATA=... python -m experiments.studies.rare_positives [--table hiv --table tox21] [--method fit]
        [--seeds 0 1 2]
    python -m experiments.studies.rare_positives --show

For each table and seed: ``molweight fit --data TABLE --seed SEED`` with no other option, in a separate process with an
empty cache; the same without the partners that read vectors of MiniMol, whose training data may contain labels of a
public table; and a forest of 500 trees on ECFP4 bits per target, trained on the same rows: all except the test set of
the scaffold split, which all seeds share. Rows are appended to ``experiments/results/rare_positives.jsonl``; existing
rows are kept.

CPU seconds are those of the process and its workers, peak memory that of the largest of them. Wall time is meaningful
only on an idle machine.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from experiments._journal import finished, go_on
from experiments._measured import run_measured
from experiments._provenance import provenance
from molweight import datasets
from molweight.arrays import AnyArray
from molweight.benchmark._classical import ecfp_bits
from molweight.ensemble._partner_kinds import PARTNERS
from molweight.graphs import MoleculeDataset

RESULTS: Final = Path(__file__).parents[1] / "results" / "rare_positives.jsonl"
METRICS: Final = ("roc_auc", "ap")

Predicted = tuple[AnyArray, float | None]
"""Predictions of the test set, and the peak memory of the command in MiB if there was one."""


def main() -> None:
    """Run what is missing, or print the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", action="append", help="default: hiv and tox21")
    parser.add_argument("--method", action="append", choices=METHODS, help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--show", action="store_true", help="print the means over seeds")
    options = parser.parse_args()
    if options.show:
        show()
        return
    tables = options.table or ["hiv", "tox21"]
    jobs = [(table, method, seed) for seed in options.seeds for table in tables for method in options.method or METHODS]
    for row in go_on(RESULTS, ("table", "method", "seed"), jobs, measure):
        print({name: row[name] for name in ("table", "method", "seed", *METRICS, "seconds", "cpu_seconds")}, flush=True)


def measure(table: str, method: str, seed: int) -> dict[str, Any]:
    """Scores on the test set, time and memory, as JSON values."""
    data = datasets.load(table)
    test = datasets.split(data, "scaffold", seed=seed).test
    before, started = cpu_seconds(), time.perf_counter()
    predicted, peak = METHODS[method](data, test, table, seed)
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - before
    scores = {name: datasets.score(name, data.targets[test], predicted).value for name in METRICS}
    return {
        "table": table,
        "method": method,
        "seed": seed,
        **scores,
        "positive": float(np.nanmean(data.targets[test])),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": None if peak is None else round(peak),
        **provenance([seed]),
    }


def fit(
    data: MoleculeDataset, test: AnyArray, table: str, seed: int, *, further: Sequence[str] = ("--quiet",)
) -> Predicted:
    """Predictions and memory of the command, with an empty folder of runs and an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["fit", "--data", table, "--seed", str(seed), "--name", "run", *further]
        peak = run_measured(command, folder=Path(folder), cache=Path(folder, "cache")).peak_mb
        written = pd.read_csv(Path(folder, "runs", "run", "test_predictions.csv"))
    if list(written["smiles"]) != [data.smiles[row] for row in test]:
        raise SystemExit(f"{table}: the command had another test set.")
    predicted: AnyArray = written[[f"ensemble.{name}" for name in data.target_names]].to_numpy()
    return predicted, peak


def forest(data: MoleculeDataset, test: AnyArray, _: str, seed: int) -> Predicted:
    """Predictions of the test set by a forest per target on all other rows."""
    bits, rest = ecfp_bits(list(data.smiles)), np.setdiff1d(np.arange(len(data)), test)
    columns = []
    for labels in data.targets.T:
        known = rest[~np.isnan(labels[rest])]
        model = RandomForestClassifier(500, n_jobs=1, random_state=seed).fit(bits[known], labels[known])
        columns.append(model.predict_proba(bits[test])[:, 1])
    return np.stack(columns, axis=1), None


METHODS: Final[dict[str, Callable[[MoleculeDataset, AnyArray, str, int], Predicted]]] = {
    "fit": fit,
    "fit_without_minimol": partial(fit, further=("--quiet", "--partners", *PARTNERS)),
    "forest": forest,
}


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def show() -> None:
    """Means over seeds, as a table of Markdown."""
    rows = finished(RESULTS)
    print("| table | method | seeds | ROC-AUC | average precision | CPU seconds |\n|---|---|---|---|---|---|")
    for table, method in dict.fromkeys((row["table"], row["method"]) for row in rows):
        own = [row for row in rows if (row["table"], row["method"]) == (table, method)]
        means = [statistics.fmean(row[name] for row in own) for name in (*METRICS, "cpu_seconds")]
        print(f"| {table} | {method} | {len(own)} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.0f} |")


if __name__ == "__main__":
    main()
