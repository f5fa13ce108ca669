"""Metrics against scikit-learn and OGB."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk

from molweight.datasets import score
from molweight.datasets._metrics import METRICS
from molweight.datasets.internal import higher_is_better
from molweight.errors import DataError, UnknownNameError

OF_SKLEARN = {
    "ap": sk.average_precision_score,
    "prc_auc": lambda truth, predicted: sk.auc(*sk.precision_recall_curve(truth, predicted)[1::-1]),
    "roc_auc": sk.roc_auc_score,
    "rmse": lambda truth, predicted: math.sqrt(np.mean((truth - predicted) ** 2)),
    "mae": sk.mean_absolute_error,
}

OGB = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from ogb.graphproppred import Evaluator
found = []
for name, metric, *tables in json.load(sys.stdin):
    truth, predicted = (np.array(table, dtype=float) for table in tables)
    found.append(float(Evaluator(name).eval({"y_true": truth, "y_pred": predicted})[metric]))
print(json.dumps(found))
"""


def _tables(seed: int, tasks: int = 12, classes: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (80, tasks)).astype(float) if classes else rng.normal(size=(80, tasks))
    truth[rng.random(truth.shape) < 0.3] = np.nan
    return truth, rng.normal(size=truth.shape).round(1)  # rounded, so that there are ties


@pytest.mark.parametrize("metric", OF_SKLEARN)
def test_each_task_is_scored_on_its_labelled_molecules(metric: str) -> None:
    truth, predicted = _tables(0, classes=metric in {"ap", "prc_auc", "roc_auc"})
    expected = []
    for task in range(truth.shape[1]):
        labelled = ~np.isnan(truth[:, task])
        expected.append(OF_SKLEARN[metric](truth[labelled, task], predicted[labelled, task]))
    found = score(metric, truth, predicted)
    assert list(found.per_task.values()) == pytest.approx(expected, abs=1e-12)
    assert found.value == pytest.approx(np.mean(expected), abs=1e-12)
    assert found.excluded == {}


def test_prc_auc_is_the_trapezoidal_area() -> None:
    truth, predicted = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.1, 0.4, 0.35, 0.8])
    # thresholds from below: (recall, precision) = (1, 1/2), (1, 2/3), (1/2, 1/2), (0, 0), (0, 1)
    area = 0.5 * (2 / 3 + 1 / 2) / 2 + 0.5 * (1 / 2 + 0) / 2
    assert score("prc_auc", truth, predicted).value == pytest.approx(area, abs=1e-12)


def test_equal_to_ogb() -> None:
    """OGB answers from a process of its own: its import starts a thread and may look for a newer release."""
    classes, numbers = _tables(1), _tables(2, tasks=1, classes=False)
    classes[0][:, 3] = np.where(np.isnan(classes[0][:, 3]), np.nan, 1.0)
    classes[0][:, 5] = np.nan
    jobs = [
        ["ogbg-moltox21", "rocauc", *(table.tolist() for table in classes)],
        ["ogbg-mollipo", "rmse", *(table.tolist() for table in numbers)],
    ]
    answer = subprocess.run(
        [sys.executable, "-c", OGB],
        input=json.dumps(jobs),
        env={**os.environ, "OUTDATED_IGNORE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    roc_auc, rmse = json.loads(answer.stdout.strip().splitlines()[-1])
    found = score("roc_auc", *classes)
    assert found.value == pytest.approx(roc_auc, abs=1e-12)
    assert found.excluded == {"y3": "only one class", "y5": "no label"}
    assert score("rmse", *numbers).value == pytest.approx(rmse, abs=1e-12)


def test_nothing_to_score_is_said_and_not_hidden() -> None:
    found = score("roc_auc", np.ones((3, 1)), np.zeros((3, 1)), ["activity"])
    assert math.isnan(found.value)
    assert found.excluded == {"activity": "only one class"}
    assert found.per_task == {}


def test_float32_and_flat_arrays_are_taken() -> None:
    found = score("mae", np.array([1.0, 2.0], dtype=np.float32), np.array([2.0, 2.0], dtype=np.float32))
    assert found.per_task == {"y0": 0.5}


@pytest.mark.parametrize(
    ("truth", "predicted", "names", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), None, "do not match"),
        (np.zeros((3, 2)), np.zeros((3, 2)), ["a"], "do not match"),
        (np.zeros((3, 2)), np.zeros((3, 2)), ["a", "a"], "same name"),
        (np.zeros((3, 1)), np.array([[0.0], [np.nan], [1.0]]), None, "molecule 1, task 'y0': nan"),
        (np.zeros((3, 1)), np.array([[0.0], [1.0], [np.inf]]), None, "molecule 2, task 'y0': inf"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    truth: np.ndarray, predicted: np.ndarray, names: list[str] | None, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        score("rmse", truth, predicted, names)


def test_infinite_labels_and_strange_metrics_of_ogb_are_refused() -> None:
    with pytest.raises(DataError, match="molecule 1, task 'y0': the label is inf"):
        score("rmse", np.array([0.0, np.inf]), np.zeros(2))
    with pytest.raises(DataError, match="is for all tasks together, 1, but got 2"):
        score("ogbg-molhiv:rocauc", np.zeros((3, 2)), np.zeros((3, 2)))
    for metric in ("ogbg-molhive:rocauc", "ogbg-molhiv:ap"):
        with pytest.raises(UnknownNameError, match="ogbg-molhiv:rocauc"):
            score(metric, np.zeros((3, 1)), np.zeros((3, 1)))


def test_classes_must_be_classes() -> None:
    with pytest.raises(DataError, match=r"labels 0 and 1, got 0\.5"):
        score("roc_auc", np.array([0.0, 0.5, 1.0]), np.zeros(3))


def test_unknown_metrics_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'roc_auc'"):
        score("rocauc", np.zeros(2), np.zeros(2))
    with pytest.raises(UnknownNameError, match="did you mean 'rmse'"):
        higher_is_better("rmsd")


def test_directions() -> None:
    assert {name for name in METRICS if higher_is_better(name)} == {"ap", "prc_auc", "r2", "roc_auc"}
