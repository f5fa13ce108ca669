"""The ensemble of a fit against common alternatives on the same rows.

    python -m experiments.studies.ensemble_peers run [--tables esol bbbp] [--seeds 0 1 2]
    python -m experiments.studies.ensemble_peers table

A random split per seed. The ensemble starts from ``gin_zinc`` without adaptive pretraining. It and the peers, with
scikit-learn's defaults, train on all rows except the test set. Each result is appended to
``experiments/results/ensemble_peers.jsonl`` immediately; existing ones are not repeated.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from molweight import datasets
from molweight.ensemble.internal import Recipe, cross_fit
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset, target_column
from molweight.models.internal import predict_positions
from molweight.objectives._descriptors import DESCRIPTOR_VALUES
from molweight.runs import read_checkpoint
from molweight.runs.internal import estimate_of

RESULTS: Final = Path(__file__).parents[1] / "results" / "ensemble_peers.jsonl"
CPU: Final = torch.device("cpu")
PEERS: Final = ("forest, ECFP4 counts", "boosting, descriptors", "boosting, descriptors and ECFP4 counts")
OURS: Final = "ensemble"

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


_MODELS: Final[dict[tuple[bool, bool], Callable[..., Any]]] = {
    (True, True): RandomForestClassifier,
    (True, False): RandomForestRegressor,
    (False, True): HistGradientBoostingClassifier,
    (False, False): HistGradientBoostingRegressor,
}
"""By whether it is a forest, and whether labels are classes."""


def peer(name: str, data: MoleculeDataset, rows: Index, test: Index, seed: int) -> Array:
    """Predictions of the test rows by a model of scikit-learn."""
    descriptors = np.clip(target_column(data, DESCRIPTOR_VALUES).astype(np.float64), -1e9, 1e9)
    counts = feature_matrix(data, ["ecfp_counts"])
    tables: dict[str, Array] = {PEERS[0]: counts, PEERS[1]: descriptors, PEERS[2]: np.hstack([descriptors, counts])}
    inputs = tables[name]
    classes, forest = data.task == "classification", name == PEERS[0]
    factory = _MODELS[forest, classes]
    predicted = np.empty((len(test), data.targets.shape[1]))
    for column, labels in enumerate(data.targets.T):
        known = rows[~np.isnan(labels[rows])]
        model = factory(random_state=seed).fit(inputs[known], labels[known])
        predicted[:, column] = model.predict_proba(inputs[test])[:, 1] if classes else model.predict(inputs[test])
    return predicted


def run_one(table: str, seed: int) -> dict[str, Any]:
    """All methods on one table and split, as JSON values."""
    data = datasets.load(table)
    splits = datasets.split(data, "random", seed=seed)
    rows, test = np.sort(np.concatenate([splits.train, splits.meta, splits.select])), splits.test
    started, checkpoint = time.perf_counter(), read_checkpoint("gin_zinc")
    recipe = Recipe(checkpoint.encoder, checkpoint.encoder_options, seed=seed)
    found = cross_fit(recipe, checkpoint.build(data.featuriser), data, rows, device=CPU)
    seconds = time.perf_counter() - started
    predicted: dict[str, Array] = {OURS: predict_positions(found.ensemble, data, test, CPU).astype(np.float64)}
    predicted |= {name: peer(name, data, rows, test, seed) for name in PEERS}
    truth, about = data.targets[test], estimate_of(found, data).cross_fitting
    scores = {name: datasets.score(str(data.metric), truth, values).value for name, values in predicted.items()}
    return {
        "table": table,
        "seed": seed,
        "metric": data.metric,
        "rows": len(rows),
        "scores": scores,
        "out_of_fold": about["scores"],
        "weights": about["weights"],
        "transform": about["transform"],
        "ensemble_seconds": round(seconds, 1),
        **provenance([seed]),
    }


def show() -> None:
    """Print means over seeds, and how often the out-of-fold interval contains the test score."""
    rows = finished(RESULTS)
    print(f"| table | {' | '.join((OURS, *PEERS))} | sd of the ensemble | interval holds |\n|{'---|' * 7}")
    for table in dict.fromkeys(row["table"] for row in rows):
        own = [row for row in rows if row["table"] == table]
        means = [f"{np.mean([row['scores'][name] for row in own]):.3f}" for name in (OURS, *PEERS)]
        held = [_holds(row["out_of_fold"], row["scores"][OURS]) for row in own]
        spread = np.std([row["scores"][OURS] for row in own], ddof=1) if len(own) > 1 else np.nan
        print(f"| {table} | {' | '.join(means)} | {spread:.3f} | {sum(held)} of {len(held)} |")


def _holds(parts: dict[str, dict[str, float]], value: float) -> bool:
    interval = parts[OURS] if OURS in parts else parts["both"]  # its earlier name
    return interval["low"] <= value <= interval["high"]


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "esol", "bbbp", "bace"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.what == "table":
        show()
        return
    for row in go_on(RESULTS, ("table", "seed"), [(t, s) for s in options.seeds for t in options.tables], run_one):
        print(row["table"], row["seed"], row["scores"], row["ensemble_seconds"], flush=True)


if __name__ == "__main__":
    main()
