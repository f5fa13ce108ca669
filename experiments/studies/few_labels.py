"""Choices that few labels mislead: the kernel of a Gaussian process, and the calibration of probabilities.

    python -m experiments.studies.few_labels
    python -m experiments.studies.few_labels --show

Development tables only, of which a random half is predicted by models of the other half. Rows are appended to
``experiments/results/few_labels.jsonl`` immediately; existing ones are kept.

*Kernel.* Each molecule has the label of each target with a given probability. The targets of SIDER are its own; those
of FreeSolv and lipophilicity are all the same label. ``filled``: the kernel is chosen with missing labels counted as
the mean of the target, as before; ``known``: on labelled rows of the four targets with the most labels. Score: RMSE
divided by the standard deviation of the labels, mean over targets.

*Calibration.* A forest and a Gaussian process, averaged, predict some rows out of fold, and the calibration is fitted
to these predictions: not at all (``none``), as before (``lowest``: to the labels themselves, kept if its loss on
held-out folds is the lowest), and as in a fit (``certain``: to smoothed labels; with fewer than 50 labels of a class,
kept only if it gains more than one standard error). ``sharpened`` predictions have logits three times as large.
Score: log-loss on the other half, mean over targets with at least ten labels of each class.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._provenance import provenance
from molweight import datasets
from molweight.arrays import AnyArray, Indices
from molweight.ensemble import _beta_calibration, _kernel
from molweight.ensemble._beta_calibration import BetaCalibration, log_loss
from molweight.ensemble._out_of_fold import PartnerData, partner_data
from molweight.ensemble.internal import Recipe, cross_folds

RESULTS: Final = Path(__file__).parents[1] / "results" / "few_labels.jsonl"
KEYS: Final = ("study", "table", "size", "share", "seed")
KERNELS: Final = [
    ("lipophilicity", 4, 0.2), ("lipophilicity", 8, 0.1), ("lipophilicity", 4, 0.5), ("lipophilicity", 4, 0.8),
    ("lipophilicity", 4, 0.9), ("freesolv", 4, 0.3), ("sider", 27, 0.1), ("sider", 27, 0.3), ("sider", 27, 0.8),
]  # fmt: skip
"""Table, number of targets, share of known labels."""
CALIBRATIONS: Final = [("bace", 60), ("bace", 200), ("bace", 750), ("sider", 200), ("sider", 700)]
"""Table, number of rows."""
MOST: Final = 2_000
LEAST: Final = 10
SHARP: Final = (1.0, 3.0)


def main() -> None:
    """Run what is missing, or print the means over seeds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--show", action="store_true", help="print the means over seeds")
    options = parser.parse_args()
    if options.show:
        show()
        return
    kernels = [("kernel", *case, seed) for case in KERNELS for seed in options.seeds]
    calibrations = [("calibration", *case, None, seed) for case in CALIBRATIONS for seed in options.seeds]
    for row in go_on(RESULTS, KEYS, [*kernels, *calibrations], measure):
        print({name: value for name, value in row.items() if name not in ("machine", "versions")}, flush=True)


def measure(study: str, table: str, size: int, share: float | None, seed: int) -> dict[str, Any]:
    """One row of the results."""
    started = time.perf_counter()
    scores = calibration_scores(table, size, seed) if share is None else kernel_scores(table, size, share, seed)
    seconds = round(time.perf_counter() - started, 1)
    row = dict(zip(KEYS, (study, table, size, share, seed), strict=True))
    return {**row, "scores": scores, "seconds": seconds, **provenance([seed])}


@lru_cache(maxsize=1)
def features(table: str) -> PartnerData:
    """A table as training data of the forest and the Gaussian process."""
    data = datasets.load(table)
    recipe = Recipe("gin", {}, partners=("forest", "gaussian_process"))
    return partner_data(recipe, data, np.arange(len(data)), torch.device("cpu"), {})


def halves(count: int, seed: int) -> tuple[Indices, Indices]:
    """Random halves of the rows, or of 2,000 of them."""
    drawn = np.random.default_rng(seed).permutation(count)[:MOST]
    return np.sort(drawn[::2]), np.sort(drawn[1::2])


def fitted(table: str, labels: AnyArray, rows: Indices) -> PartnerData:
    """Some rows of a table with other labels."""
    whole = features(table)
    matrices = {name: matrix[rows] for name, matrix in whole.matrices.items()}
    return PartnerData(whole.features, matrices, labels[rows], None, whole.task, absolute=False, seed=0)


def kernel_scores(table: str, targets: int, share: float, seed: int) -> dict[str, float]:
    """Scores of the Gaussian process with both choices of its kernel."""
    whole = features(table)
    labels = whole.labels if whole.labels.shape[1] == targets else np.tile(whole.labels, targets)
    train, test = halves(len(labels), seed)
    some = np.where(np.random.default_rng(seed + 100).random(labels.shape) < share, labels, np.nan)
    data, scores = fitted(table, some, train), {}
    for name, least in (("filled", -1.0), ("known", 1.0)):
        with patch.object(_kernel, "_NEARLY_ALL", least):
            model = data.fit("gaussian_process", data.kind_of("none"))
        predicted = model.predict(whole.matrices["gaussian_process"][test])
        scores[name] = datasets.score("scaled_rmse", labels[test], predicted).value
    return scores


def calibration_scores(table: str, rows: int, seed: int) -> dict[str, float]:
    """Log-loss without calibration, and with both ways of fitting it."""
    whole = features(table)
    half, test = halves(len(whole.labels), seed)
    train = np.sort(np.random.default_rng(seed).permutation(half)[:rows])
    labels, truth = whole.labels[train], whole.labels[test]
    folds = cross_folds(labels, 5, np.random.default_rng(seed))
    unseen, other = predictions(table, train, folds, test)
    used = np.minimum((labels == 1).sum(axis=0), (labels == 0).sum(axis=0)) >= LEAST
    scores: dict[str, float] = {}
    for sharp in SHARP:
        name = "" if sharp == 1 else "sharpened "
        given, asked = (sharpened(part[:, used], sharp) for part in (unseen, other))
        classes = np.ones(used.sum(), dtype=bool)
        with as_before():
            before, _ = BetaCalibration.fit(given, labels[:, used], classes, folds)
        after, _ = BetaCalibration.fit(given, labels[:, used], classes, folds)
        found = {"none": asked, "lowest": before(asked), "certain": after(asked)}
        scores |= {f"{name}{how}": mean_loss(truth[:, used], values) for how, values in found.items()}
        scores[f"{name}calibrated"] = float(np.mean([kind != "none" for kind in after.kinds]))
    return scores


@contextmanager
def as_before() -> Iterator[None]:
    """Calibration to the labels themselves, by the lowest loss however small the gain."""
    with (
        patch.object(_beta_calibration, "_smoothed", lambda labels: labels),
        patch.object(_beta_calibration, "_GAIN", -1e9),
    ):
        yield


def predictions(table: str, train: Indices, folds: list[Indices], test: Indices) -> tuple[AnyArray, AnyArray]:
    """Predictions of the rows out of fold, and of the other half."""
    whole = features(table)
    data = fitted(table, whole.labels, train)
    kind, names = data.kind_of("none"), data.names
    unseen = np.mean([data.out_of_fold(name, kind, folds) for name in names], axis=0)
    other = np.mean([data.fit(name, kind).predict(whole.matrices[name][test]) for name in names], axis=0)
    return unseen, other


def sharpened(predicted: AnyArray, factor: float) -> AnyArray:
    """Probabilities with logits that are larger by a factor."""
    inside = np.clip(predicted, 1e-3, 1 - 1e-3)
    found: AnyArray = 1 / (1 + np.exp(-factor * np.log(inside / (1 - inside))))
    return found


def mean_loss(truth: AnyArray, predicted: AnyArray) -> float:
    """Mean log-loss over the targets."""
    return float(np.mean([log_loss(*pair) for pair in zip(truth.T, predicted.T, strict=True)]))


def show() -> None:
    """Print the means over seeds as two tables."""
    rows = finished(RESULTS)
    for study in ("kernel", "calibration"):
        own = [row for row in rows if row["study"] == study]
        cases = list(dict.fromkeys(tuple(row[key] for key in KEYS[1:-1]) for row in own))
        names = list(own[0]["scores"])
        lines = []
        for case in cases:
            found = [row["scores"] for row in own if tuple(row[key] for key in KEYS[1:-1]) == case]
            means = [f"{np.mean([scores[name] for scores in found]):.4f}" for name in names]
            lines.append([*(str(part) for part in case if part is not None), str(len(found)), *means])
        head = ["table", "targets", "share"] if study == "kernel" else ["table", "rows"]
        print(markdown([*head, "seeds", *names], lines), "\n")


if __name__ == "__main__":
    main()
