"""Value and cost of partners on tables of thousands of rows; out of fold, without the test sets.

    python -m experiments.studies.large_tables --output experiments/results/large_tables.json
    ... [--table hiv --table tox21] [--rows 15000] [--scaffold]

Rows are sampled outside the test set of the scaffold split, and divided into three folds as by ``fit``, or with
``--scaffold`` so that all molecules of a scaffold are in the same fold. Each partner is fitted on two folds and
predicts the third. Mixtures have weights fitted on the other folds, as in ``fit``; there are no graph members. Times
are CPU seconds of one thread for all three folds, without those of the features.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.model_selection import GroupKFold

from experiments._provenance import provenance, write_result
from experiments.studies.recipes import scaffold
from molweight import datasets
from molweight.arrays import AnyArray, Indices
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble._partner_kinds import MINIMOL, MINIMOL_LINEAR, OF_VECTORS, PARTNERS, partner_features
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
    "all, and a Gaussian process on MiniMol's vectors": (*PARTNERS, MINIMOL),
    "all, and a linear model of MiniMol's vectors": (*PARTNERS, MINIMOL_LINEAR),
    "all, and both": (*PARTNERS, *OF_VECTORS),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", action="append", help="default: lipophilicity, tox21, hiv")
    parser.add_argument("--rows", type=int, default=15_000, help="rows of each table at most")
    parser.add_argument("--scaffold", action="store_true", help="no scaffold in more than one fold")
    parser.add_argument("--output", type=Path, help="JSON file of the results")
    options = parser.parse_args()
    tables = options.table or TABLES
    found = {table: measure(table, options.rows, scaffold=options.scaffold) for table in tables}
    if options.output is not None:
        about = {"rows_at_most": options.rows, "folds": "scaffold" if options.scaffold else "random"}
        write_result(options.output, {**provenance([0]), **about, "measured": found})


def measure(table: str, most: int, *, scaffold: bool = False) -> dict[str, Any]:
    """Each partner alone and the mixtures, by name.

    Args:
        table: Name of a table of MoleculeNet.
        most: Maximum number of rows.
        scaffold: Whether all molecules of a scaffold are in the same fold.
    """
    data = rows_outside_the_test_set(datasets.load(table), most)
    partners = partner_data(data)
    folds = scaffold_folds(data) if scaffold else cross_folds(data.targets, FOLDS, np.random.default_rng(1))
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


def scaffold_folds(data: MoleculeDataset) -> list[Indices]:
    """Folds that share no scaffold."""
    groups = [scaffold(smiles=text) or f"acyclic {at}" for at, text in enumerate(data.smiles)]
    parts = GroupKFold(FOLDS, shuffle=True, random_state=0).split(np.arange(len(data)), groups=groups)
    return [fold for _, fold in parts]


def partner_data(data: MoleculeDataset) -> PartnerData:
    """The rows as the default fit gives them to its partners, without class weights."""
    sets = {name: partner_features(name, DEFAULT_FEATURES) for name in (*PARTNERS, *OF_VECTORS)}
    return PartnerData(
        features=sets,
        matrices={name: feature_matrix(data, own, progress=True) for name, own in sets.items()},
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
