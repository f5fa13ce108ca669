"""Value and cost of partners on tables of thousands of rows; out of fold, without the test sets.

    python -m experiments.studies.large_tables --output experiments/results/large_tables.json
    ... [--table hiv --table tox21] [--rows 15000]

Rows are sampled outside the test set of the scaffold split, and divided into three folds as by ``fit``. Each partner is
fitted on two folds and predicts the third. Mixtures have weights fitted on the other folds, as in ``fit``; there are no
graph members. Times are CPU seconds of one thread for all three folds.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._provenance import provenance, write_result
from molweight import datasets
from molweight.arrays import AnyArray, Indices
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble._partners import PARTNERS, partner_features
from molweight.ensemble._recipe import DEFAULT_FEATURES
from molweight.ensemble._stacking import combine, convex_weights
from molweight.ensemble.internal import cross_folds
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset

TABLES: Final = ("lipophilicity", "tox21", "hiv")
FOLDS: Final = 3
SHRINKAGE: Final = 0.2
PLAIN: Final = ("trees", "fingerprint_trees", "linear")
MIXTURES: Final = {
    "without a Gaussian process and a forest": PLAIN,
    "without a forest": (*PLAIN, "gaussian_process"),
    "without a Gaussian process": (*PLAIN, "forest"),
    "all": PARTNERS,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", action="append", help="default: lipophilicity, tox21, hiv")
    parser.add_argument("--rows", type=int, default=15_000, help="rows of each table at most")
    parser.add_argument("--output", type=Path, help="JSON file of the results")
    options = parser.parse_args()
    found = {table: measure(table, options.rows) for table in options.table or TABLES}
    if options.output is not None:
        write_result(options.output, {**provenance([0]), "rows_at_most": options.rows, "measured": found})


def measure(table: str, most: int) -> dict[str, Any]:
    """Each partner alone and the mixtures, by name.

    Args:
        table: Name of a table of MoleculeNet.
        most: Maximum number of rows.
    """
    data = rows_outside_the_test_set(datasets.load(table), most)
    partners, folds = partner_data(data), cross_folds(data.targets, FOLDS, np.random.default_rng(1))
    found: dict[str, Any] = {"rows": len(data)}
    predictions: dict[str, AnyArray] = {}
    for name in partners.names:
        started = time.process_time()
        predictions[name] = partners.out_of_fold(name, partners.kind_of("none"), folds)
        seconds = round(time.process_time() - started, 1)
        found[name] = {**scores(data, predictions[name]), "cpu_seconds": seconds}
        print(table, name, found[name], flush=True)
    for title, names in MIXTURES.items():
        found[title] = scores(data, mixture([predictions[name] for name in names if name in predictions], data, folds))
        print(table, title, found[title], flush=True)
    return found


def rows_outside_the_test_set(data: MoleculeDataset, most: int) -> MoleculeDataset:
    """Sampled rows of train, meta and select, in the order of the table."""
    outside = np.setdiff1d(np.arange(len(data)), datasets.split(data, "scaffold", seed=0).test)
    return data.subset(np.sort(np.random.default_rng(0).permutation(outside)[:most]))


def partner_data(data: MoleculeDataset) -> PartnerData:
    """The rows as the default fit gives them to its partners, without class weights."""
    sets = {name: partner_features(name, DEFAULT_FEATURES) for name in PARTNERS}
    return PartnerData(
        features=sets,
        matrices={name: feature_matrix(data, own) for name, own in sets.items()},
        labels=data.targets.astype(np.float64),
        weights=None,
        task=data.task or "regression",
        absolute=False,
        seed=0,
    )


def mixture(parts: Sequence[AnyArray], data: MoleculeDataset, folds: Sequence[Indices]) -> AnyArray:
    """Convex mixtures, each fold with weights from the other folds."""
    labels = data.targets.astype(np.float64)
    whole = np.full(labels.shape, np.nan)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(labels)), fold)
        weights = convex_weights([part[rest] for part in parts], labels[rest], shrinkage=SHRINKAGE)
        whole[fold] = combine([part[fold] for part in parts], weights)
    return whole


def scores(data: MoleculeDataset, predicted: AnyArray) -> Mapping[str, float]:
    """The metric of the table, and for classes average precision."""
    metrics = [str(data.metric), *(["ap"] if data.task == "classification" else [])]
    return {name: round(datasets.score(name, data.targets, predicted).value, 4) for name in metrics}


if __name__ == "__main__":
    main()
