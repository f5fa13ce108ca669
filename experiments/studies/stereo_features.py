"""Which stereochemical features? Invariance, out-of-fold scores on development tables, cost.

    python -m experiments.studies.stereo_features run [--tables freesolv bace lipophilicity sider] [--seeds 0 1 2]
    python -m experiments.studies.stereo_features table

Candidates: ``cip``, the default; ``ranked``, RDKit's tag relative to the canonical ranks of the neighbours, nothing at
a centre with equal ranks; ``ordered``, OGB's features of the molecule written in canonical order; ``ignore``, none; and
``ogb``, OGB's features unchanged, for comparison.

Rows are at most 600 of train, meta and select of the frozen scaffold split, those with stereo marks first; the test
sets stay closed. Three folds keep molecules of one scaffold together. The model is a GIN of 3 layers of 128, trained
from scratch for 40 epochs. Held-out molecules are scored as the table writes them and in a random order of atoms; the
score of those with stereo marks is reported separately. Cost is CPU time of featurising in one process. Each result is
appended to ``experiments/results/stereo_features.jsonl`` immediately; existing ones are not repeated.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rdkit import Chem, rdBase
from sklearn.model_selection import GroupKFold

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from experiments.studies.feature_invariance import changed, forms
from experiments.studies.recipes import scaffold
from molweight import datasets, encoders
from molweight.encoders.internal import calibrate
from molweight.graphs import CHIRALITY, Featuriser, GraphBatch, MoleculeDataset, build_dataset

RESULTS: Final = Path(__file__).parents[1] / "results" / "stereo_features.jsonl"
MOST: Final = 600
FOLDS: Final = 3
EPOCHS: Final = 40
BATCH: Final = 64
MARKS: Final = frozenset("@/\\")
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def featurised(featuriser: Featuriser, smiles: Sequence[str]) -> MoleculeDataset:
    """Features of molweight."""
    return build_dataset(list(smiles), featuriser=featuriser, cache=False, n_jobs=1)


def ranked(smiles: Sequence[str]) -> MoleculeDataset:
    """OGB's features with tags that are relative to the canonical ranks of the neighbours."""
    data = featurised(Featuriser("ogb"), smiles)
    starts, atoms = data.molecules.atom_offsets, data.molecules.atoms
    for place, text in enumerate(data.smiles):
        if "@" not in text:
            continue
        molecule = Chem.MolFromSmiles(text)
        ranks = list(Chem.CanonicalRankAtoms(molecule, breakTies=False, includeChirality=False))
        for atom in molecule.GetAtoms():
            if int(atom.GetChiralTag()) in (1, 2):
                atoms[starts[place] + atom.GetIdx(), CHIRALITY] = _relative(atom, ranks)
    return data


def _relative(atom: Chem.Atom, ranks: list[int]) -> int:
    """1 or 2: the tag if the neighbours were written in the order of their ranks; 0 if two ranks are equal."""
    order = [ranks[other.GetIdx()] for other in atom.GetNeighbors()]
    if len(set(order)) < len(order):
        return 0
    swaps = sum(one > other for at, one in enumerate(order) for other in order[at + 1 :])
    tag = int(atom.GetChiralTag())
    return tag if swaps % 2 == 0 else 3 - tag


def ordered(smiles: Sequence[str]) -> MoleculeDataset:
    """OGB's features of molecules written in canonical order."""
    with rdBase.BlockLogs():
        return featurised(Featuriser("ogb"), [Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in smiles])


BUILDS: Final[dict[str, Callable[[Sequence[str]], MoleculeDataset]]] = {
    "cip": partial(featurised, Featuriser("cip")),
    "ranked": ranked,
    "ordered": ordered,
    "ignore": partial(featurised, Featuriser("cip", "ignore")),
    "ogb": partial(featurised, Featuriser("ogb")),
}


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows of a table outside its test set.

    Args:
        smiles: SMILES as in the table.
        labels: ``n x T``, numbers in standard units.
        marked: Which molecules have stereo marks.
        folds: Positions of each fold.
        metric: Metric of the table.
    """

    smiles: list[str]
    labels: Array
    marked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    folds: list[Index]
    metric: str

    @classmethod
    @cache
    def of(cls, table: str) -> "Problem":
        """The rows of a table."""
        whole = datasets.load(table)
        splits = datasets.split(whole, "scaffold")
        rows = np.sort(np.concatenate([splits.train, splits.meta, splits.select]))
        plain = np.array([MARKS.isdisjoint(whole.smiles[row]) for row in rows])
        order = np.lexsort((np.random.default_rng(0).permutation(len(rows)), plain))
        data = whole.subset(np.sort(rows[order[:MOST]]))
        groups = [scaffold(smiles=text) or f"acyclic {at}" for at, text in enumerate(data.smiles)]
        parts = GroupKFold(FOLDS, shuffle=True, random_state=0).split(groups, groups=groups)
        labels = data.targets.astype(np.float64)
        if data.task == "regression":
            labels = (labels - np.nanmean(labels, axis=0)) / np.nanstd(labels, axis=0)
        marked = np.array([not MARKS.isdisjoint(text) for text in data.smiles])
        folds = [np.asarray(fold, dtype=np.int64) for _, fold in parts]
        return cls(list(data.smiles), labels, marked, folds, str(data.metric))


def study_invariance(table: str, features: str) -> dict[str, Any]:
    """Molecules whose features change with their spelling, centres with a value, and the cost."""
    problem = Problem.of(table)
    smiles = [text for text, marked in zip(problem.smiles, problem.marked, strict=True) if marked]
    data, seconds = BUILDS[features](problem.smiles), []
    for _ in range(5):
        started = time.process_time()
        BUILDS[features](problem.smiles)
        seconds.append(time.process_time() - started)
    return {
        "molecules": len(smiles),
        "changed": changed(smiles, BUILDS[features], 0),
        "centres": int((BUILDS["ogb"](problem.smiles).graphs(range(len(problem.smiles))).x[:, CHIRALITY] > 0).sum()),
        "centres_with_a_value": int((data.graphs(range(len(data))).x[:, CHIRALITY] > 0).sum()),
        "cpu_ms_per_molecule": 1000 * float(np.median(seconds)) / len(problem.smiles),
    }


def study_scores(table: str, features: str, seed: int) -> dict[str, Any]:
    """Out-of-fold scores of all rows and of those with marks."""
    problem, rng = Problem.of(table), np.random.default_rng(seed)
    with rdBase.BlockLogs():
        other = [forms(text, rng)[1] for text in problem.smiles]
    given, respelled = BUILDS[features](problem.smiles), BUILDS[features](other)
    predicted = {name: np.full(problem.labels.shape, np.nan) for name in ("given", "respelled")}
    for fold in problem.folds:
        rest = np.setdiff1d(np.arange(len(problem.smiles)), fold)
        model = _train(given, problem, rest, seed)
        for name, data in (("given", given), ("respelled", respelled)):
            predicted[name][fold] = _predict(model, data, fold)
    rows = {"all": np.arange(len(problem.smiles)), "marked": np.flatnonzero(problem.marked)}
    return {
        f"{name}_{part}": datasets.score(problem.metric, problem.labels[chosen], values[chosen]).value
        for name, values in predicted.items()
        for part, chosen in rows.items()
    }


class Model(torch.nn.Module):
    """A GIN with a linear head."""

    def __init__(self, outputs: int) -> None:
        """Create both."""
        super().__init__()
        self.encoder = encoders.create("gin", layers=3, width=128)
        self.head = torch.nn.Linear(128, outputs)

    def forward(self, graphs: GraphBatch) -> torch.Tensor:
        """Outputs, ``G x T``."""
        outputs: torch.Tensor = self.head(self.encoder(graphs).graphs)
        return outputs


def _train(data: MoleculeDataset, problem: Problem, rows: Index, seed: int) -> Model:
    torch.manual_seed(seed)
    model, classes = Model(problem.labels.shape[1]), "auc" in problem.metric
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits if classes else torch.nn.functional.mse_loss
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for part in torch.split(torch.randperm(len(rows), generator=generator), BATCH):
            chosen = rows[part.numpy()]
            labels = torch.from_numpy(problem.labels[chosen]).float()
            outputs, known = model(data.graphs(chosen)), ~labels.isnan()
            optimiser.zero_grad()
            torch.autograd.backward(loss_of(outputs[known], labels[known]))
            optimiser.step()
    calibrate(model.encoder, [data.graphs(rows)])
    return model.eval()


def _predict(model: Model, data: MoleculeDataset, rows: Index) -> Array:
    with torch.no_grad():
        return np.asarray(model(data.graphs(rows)).double().numpy())


def work(kind: str, table: str, features: str, seed: int) -> dict[str, Any]:
    """The row of one job."""
    found = study_invariance(table, features) if kind == "invariance" else study_scores(table, features, seed)
    about = {"kind": kind, "table": table, "features": features, "seed": seed}
    return {**about, **found, "provenance": provenance([seed])}


def study(tables: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = [("invariance", table, name, 0) for table in tables for name in BUILDS]
    jobs += [("score", table, name, seed) for seed in seeds for table in tables for name in BUILDS]
    for row in go_on(RESULTS, ("kind", "table", "features", "seed"), jobs, work):
        print({name: value for name, value in row.items() if name != "provenance"}, flush=True)


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def summary() -> str:
    """Means and standard deviations over seeds, as a Markdown table; the last row of a job counts."""
    keys = ("kind", "table", "features", "seed")
    rows = list({tuple(row[key] for key in keys): row for row in finished(RESULTS)}.values())
    lines = ["| table | features | changed | centres | ms | all rows | with marks | respelled |", "|---" * 8 + "|"]
    for about in (row for row in rows if row["kind"] == "invariance"):
        same = [row for row in rows if row["kind"] == "score"]
        same = [row for row in same if (row["table"], row["features"]) == (about["table"], about["features"])]
        columns = [[row[name] for row in same] for name in ("given_all", "given_marked", "respelled_marked")]
        cells = [f"{np.mean(values):.3f} ± {_deviation(values):.3f}" if values else "" for values in columns]
        parts = [
            f"{about['table']} | {about['features']} | {about['changed']} of {about['molecules']}",
            f"{about['centres_with_a_value']} of {about['centres']} | {about['cpu_ms_per_molecule']:.3f}",
        ]
        lines.append(f"| {' | '.join([*parts, *cells])} |")
    return "\n".join(lines)


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "bace", "lipophilicity", "sider"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.action == "run":
        torch.set_num_threads(1)
        study(options.tables, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
