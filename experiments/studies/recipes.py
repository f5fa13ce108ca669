"""Which recipe for small tables? Out-of-fold scores on four development tables; the test sets stay closed.

    python -m experiments.studies.recipes trees [--tables freesolv bace lipophilicity]
    python -m experiments.studies.recipes members [--tables ...] [--folds 2]
    python -m experiments.studies.recipes partners [--tables ...] [--folds 5]
    python -m experiments.studies.recipes table

Rows are those of train, meta and select of the frozen scaffold split, at most 1,500; the five folds keep molecules of
one scaffold together. Tables of activities (``chembl251``, ...) need MOLWEIGHT_DATA. Members start from ``gin_zinc``
without adaptive pretraining. Each result is appended to ``experiments/results/recipes.jsonl`` immediately; existing
ones are not repeated.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rdkit.Chem.Scaffolds import MurckoScaffold
from sklearn.model_selection import GroupKFold

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from experiments.studies import activity_tables  # noqa: F401 - registers tables of activities
from molweight import datasets
from molweight.encoders.building_blocks import ComposedReadout
from molweight.ensemble import BoostedTrees, Member
from molweight.ensemble._fit_member import TrainingSet, fit_member
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble._partner_kinds import partner_features
from molweight.ensemble._stacking import combine, convex_weights
from molweight.ensemble.internal import LabelTransform, Schedule
from molweight.features import Standardiser, feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.runs import read_checkpoint
from molweight.seeding import seeded

RESULTS: Final = Path(__file__).parents[1] / "results" / "recipes.jsonl"
CPU: Final = torch.device("cpu")
MOST: Final = 1500
DENSE: Final = ["descriptors", "functional_groups"]
TREES: Final[dict[str, list[str]]] = {
    "descriptors": ["descriptors"],
    "descriptors+groups": DENSE,
    "descriptors+ecfp": ["descriptors", "ecfp_counts"],
    "descriptors+groups+ecfp": [*DENSE, "ecfp_counts"],
    "descriptors+groups+ecfp+maccs": [*DENSE, "ecfp_counts", "maccs"],
}
ECFP_PROCESS: Final = "gaussian_process of ECFP"
FOUR: Final = ("trees", "fingerprint_trees", ECFP_PROCESS, "linear")
FIVE: Final = ("trees", "fingerprint_trees", "torsion_trees", "gaussian_process", "linear")
WEIGHED: Final[dict[str, str | tuple[tuple[str, ...], float]]] = {
    "trees": "trees",
    "fingerprint_trees": "fingerprint_trees",
    "torsion_trees": "torsion_trees",
    "gaussian_process, wider grid": ECFP_PROCESS,
    "gaussian_process, three kinds of counts": "gaussian_process",
    "linear": "linear",
    "forest": "forest",
    "gaussian_process, MiniMol": "minimol",
    "linear, MiniMol": "minimol_linear",
    **{f"four partners, shrinkage {value:g}": (FOUR, value) for value in (0.0, 0.2, 0.5, 1.0)},
    "five partners, shrinkage 0.2": ((*FOUR, "forest"), 0.2),
    "with torsions, shrinkage 0.2": (FIVE, 0.2),
    "with torsions and a forest, shrinkage 0.2": ((*FIVE, "forest"), 0.2),
    "with MiniMol, shrinkage 0.2": ((*FIVE, "forest", "minimol"), 0.2),
    "with both models of MiniMol, shrinkage 0.2": ((*FIVE, "forest", "minimol", "minimol_linear"), 0.2),
}
"""The results also contain rows of earlier choices of partners."""
MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "lr 1e-3": {"lr": 1e-3},
    "lr 1e-4": {"lr": 1e-4},
    "mean+scaled_sum": {"readout": "mean+scaled_sum"},
    "dropout .5": {"dropout": 0.5},
    "without features": {"features": []},
}

scaffold: Callable[..., str] = MurckoScaffold.MurckoScaffoldSmiles  # RDKit has no types for it

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows of a table outside its test set, in folds by scaffold.

    Args:
        data: The rows.
        folds: Positions of each fold.
    """

    data: MoleculeDataset
    folds: list[Index]

    @classmethod
    @cache
    def of(cls, table: str) -> "Problem":
        """The rows of a table."""
        whole = datasets.load(table)
        splits = datasets.split(whole, "scaffold")
        rows = np.sort(np.concatenate([splits.train, splits.meta, splits.select]))
        if len(rows) > MOST:
            rows = np.sort(np.random.default_rng(0).choice(rows, MOST, replace=False))
        data = whole.subset(rows)
        groups = [scaffold(smiles=text) or f"acyclic {at}" for at, text in enumerate(data.smiles)]
        parts = GroupKFold(5, shuffle=True, random_state=0).split(rows, groups=groups)
        return cls(data, [np.asarray(fold, dtype=np.int64) for _, fold in parts])

    def rest(self, fold: Index) -> Index:
        """The rows outside a fold."""
        return np.setdiff1d(np.arange(len(self.data)), fold)

    def score(self, predicted: Array, folds: int) -> float:
        """The table's metric over the first folds."""
        rows = np.concatenate(self.folds[:folds])
        return datasets.score(str(self.data.metric), self.data.targets[rows], predicted[rows]).value


def trees(problem: Problem, sets: list[str], folds: int) -> Array:
    """Out-of-fold predictions of boosted trees on some feature sets."""
    features, labels = feature_matrix(problem.data, sets), problem.data.targets
    predicted = np.full(labels.shape, np.nan)
    for fold in problem.folds[:folds]:
        rest = problem.rest(fold)
        fitted = BoostedTrees.fit(features[rest], labels[rest], problem.data.task or "regression", seed=0)
        predicted[fold] = fitted.predict(features[fold])
    return predicted


def partners(problem: Problem, weighed: str | tuple[tuple[str, ...], float], folds: int) -> Array:
    """Out-of-fold predictions of one partner, or of several, weighted on the other folds with shrinkage."""
    if isinstance(weighed, str):
        return partner(problem, weighed)
    names, shrinkage = weighed
    predicted, parts = np.full(problem.data.targets.shape, np.nan), [partner(problem, name) for name in names]
    for fold in problem.folds[:folds]:
        rest = problem.rest(fold)
        weights = convex_weights([part[rest] for part in parts], problem.data.targets[rest], shrinkage=shrinkage)
        predicted[fold] = combine([part[fold] for part in parts], weights)
    return predicted


@cache
def partner(problem: Problem, name: str) -> Array:
    """Out-of-fold predictions of a partner, on all folds."""
    data, sets = problem.data, (*DENSE, "ecfp_counts") if name == ECFP_PROCESS else partner_features(name, DENSE)
    name = "gaussian_process" if name == ECFP_PROCESS else name
    features = {name: feature_matrix(data, sets)}
    labels = data.targets.astype(np.float64)
    found = PartnerData({name: sets}, features, labels, None, str(data.task), absolute=False, seed=0)
    return found.out_of_fold(name, found.kind_of("none"), problem.folds)


def members(problem: Problem, changes: dict[str, Any], folds: int) -> Array:
    """Out-of-fold predictions of one member per fold."""
    predicted = np.full(problem.data.targets.shape, np.nan)
    for number, fold in enumerate(problem.folds[:folds]):
        predicted[fold] = member(problem, fold, changes, number)
    return predicted


def member(problem: Problem, fold: Index, changes: dict[str, Any], seed: int) -> Array:
    """Predictions of a fold by a member that was trained on the others."""
    data, rest = problem.data, problem.rest(fold)
    classes = data.task == "classification"
    units = None if classes else LabelTransform.fit("none", data.targets[rest])
    features = feature_matrix(data, changes.get("features", DENSE))
    inputs = Standardiser.fit(features[rest])(torch.from_numpy(features))
    labels = data.targets if units is None else units.forward(data.targets)
    made = build(data, changes, inputs.size(1), seed)
    training = TrainingSet(data, inputs, torch.from_numpy(labels).float(), str(data.task))
    epochs = changes.get("epochs", 40 if len(rest) < 800 else 20)
    fit_member(made, training, rest, Schedule(epochs, lr=changes.get("lr", 3e-4)), seed=seed, device=CPU)
    with torch.no_grad():
        outputs = made(data.graphs(fold), inputs[torch.from_numpy(fold)]).double()
    return outputs.sigmoid().numpy() if units is None else units.inverse(outputs.numpy())


def build(data: MoleculeDataset, changes: dict[str, Any], features: int, seed: int) -> Member:
    """A member, from the checkpoint of the package unless another encoder is given."""
    readout, atoms = changes.get("readout"), float(np.diff(data.molecules.atom_offsets).mean())
    with seeded(seed):
        return Member(
            changes.get("encoder") or read_checkpoint("gin_zinc").build(data.featuriser),
            data.targets.shape[1],
            features=features,
            readout=ComposedReadout(readout, atoms=atoms) if readout else None,
            dropout=changes.get("dropout", 0.2),
        )


def measure(kind: str, tables: list[str], folds: int) -> None:
    """Run all unfinished measurements."""
    torch.set_num_threads(1)
    names = {"trees": [*TREES], "partners": [*WEIGHED], "members": [*MEMBERS]}[kind]
    jobs = [(kind, table, name, folds) for table in tables for name in names]
    for row in go_on(RESULTS, ("kind", "table", "recipe", "folds"), jobs, run_one):
        print(row["table"], row["recipe"], row["score"], flush=True)


def run_one(kind: str, table: str, name: str, folds: int) -> dict[str, Any]:
    """One recipe on one table, as JSON values."""
    started, problem = time.process_time(), Problem.of(table)
    if kind == "partners":
        predicted = partners(problem, WEIGHED[name], folds)
    else:
        predicted = trees(problem, TREES[name], folds) if kind == "trees" else members(problem, MEMBERS[name], folds)
    row = {"kind": kind, "table": table, "recipe": name, "folds": folds, "metric": problem.data.metric}
    value = round(problem.score(predicted, folds), 4)
    return {**row, "score": value, "cpu_seconds": round(time.process_time() - started, 1), **provenance([0])}


def show() -> None:
    """Print the results as a table of Markdown."""
    print("| table | what | recipe | folds | score | CPU seconds |\n|---|---|---|---|---|---|")
    for row in finished(RESULTS):
        cells = [row[name] for name in ("table", "kind", "recipe", "folds", "score", "cpu_seconds")]
        print(f"| {' | '.join(map(str, cells))} |")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["trees", "members", "partners", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "bace", "lipophilicity"])
    parser.add_argument("--folds", type=int, default=2)
    options = parser.parse_args()
    if options.what == "table":
        show()
    else:
        measure(options.what, options.tables, options.folds)


if __name__ == "__main__":
    main()
