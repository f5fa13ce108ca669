"""chemprop as a peer: run by its own command in a separate environment, on the same rows."""

import csv
import math
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from molweight.arrays import AnyArray, Indices
from molweight.datasets import Splits, score
from molweight.datasets.internal import exact_labels
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset

__all__ = ["CHEMPROP", "VARIABLE", "chemprop_command", "fit_chemprop"]

VARIABLE: Final = "MOLWEIGHT_CHEMPROP"
"""Environment variable for the path of the command ``chemprop``, if it is not on ``PATH``."""
CHEMPROP: Final[Mapping[str, Sequence[str]]] = {
    "chemprop": (),
    "chemprop_rdkit2d": ("--molecule-featurizers", "rdkit_2d"),
}
"""Options of each method in addition to chemprop's defaults."""
_INSTALL: Final = (
    "Install it in an environment of its own, `python -m venv chemprop_env` and "
    f"`chemprop_env/bin/pip install chemprop`, and set {VARIABLE}=chemprop_env/bin/chemprop."
)
_SMILES: Final = "smiles"
_SHOWN: Final = 600
"""Maximum number of characters shown of an error of chemprop."""


def chemprop_command() -> str:
    """Path of the command ``chemprop``, from the environment variable or from ``PATH``.

    Raises:
        ConfigError: If there is none.
    """
    asked = os.environ.get(VARIABLE)
    found = shutil.which(asked or "chemprop")
    if found is None:
        where = f"{VARIABLE}={asked!r} is not a command" if asked else "the command chemprop is not on the path"
        raise ConfigError(f"methods: chemprop is not installed: {where}. {_INSTALL}")
    return found


def fit_chemprop(method: str, data: MoleculeDataset, splits: Splits, seed: int) -> dict[str, float]:
    """Train chemprop with its defaults on all rows except the test set, and evaluate ``test`` once.

    chemprop uses a tenth of the rows to choose its epoch.

    Source: Heid et al., *Chemprop: A Machine Learning Package for Chemical Property Prediction*, J. Chem. Inf. Model.
    2024.

    Args:
        method: Among :data:`CHEMPROP`.
        data: The table.
        splits: Its roles.
        seed: Seed of its split and its network.

    Returns:
        The metric on ``test``; the metric on ``select`` is NaN, because these rows were used for training.

    Raises:
        ConfigError: If chemprop is not installed.
        DataError: If chemprop fails, or the targets are neither all binary nor all numeric.
    """
    if data.task not in ("classification", "regression"):
        raise DataError(
            f"{data.name}: {method} supports binary classification and regression, but the task is {data.task!r}."
        )
    command = chemprop_command()
    rows = np.unique(np.concatenate([splits.train, splits.meta, splits.select]))
    truth = exact_labels(data, splits.test)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        _write(place / "train.csv", data, rows, exact_labels(data, rows))
        _write(place / "test.csv", data, splits.test)
        _run([command, *train_arguments(place, method, data.task, truth.shape[1], seed)])
        _run([command, *predict_arguments(place, method)])
        predicted = read_predictions(place / "predictions.csv", len(splits.test), truth.shape[1])
    return {"select": math.nan, "test": score(data.metric or "", truth, predicted, data.target_names).value}


def train_arguments(folder: Path, method: str, task: str, targets: int, seed: int) -> list[str]:
    """Arguments of ``chemprop`` to train on ``train.csv`` of a folder.

    Args:
        folder: Folder of the tables and of the model.
        method: Among :data:`CHEMPROP`.
        task: ``"classification"`` or ``"regression"``.
        targets: Number of targets.
        seed: Seed of its split and its network.

    Example:
        >>> " ".join(train_arguments(Path("f"), "chemprop", "regression", 1, 7)[:7])
        'train --data-path f/train.csv --output-dir f/model --task-type regression'
    """
    tables = ["--data-path", str(folder / "train.csv"), "--output-dir", str(folder / "model"), "--task-type", task]
    columns = ["--smiles-columns", _SMILES, "--target-columns", *map(_target, range(targets))]
    # All given rows are used for training or for choosing the epoch; molweight's test set is in another file.
    rows = ["--split-sizes", "0.9", "0.1", "0.0", "--data-seed", str(seed), "--pytorch-seed", str(seed)]
    return ["train", *tables, *columns, *rows, "--accelerator", "cpu", *CHEMPROP[method]]


def predict_arguments(folder: Path, method: str) -> list[str]:
    """Arguments of ``chemprop`` to predict ``test.csv`` in a folder with the model in the same folder.

    Args:
        folder: See :func:`train_arguments`.
        method: Among :data:`CHEMPROP`.
    """
    tables = ["--test-path", str(folder / "test.csv"), "--preds-path", str(folder / "predictions.csv")]
    return [
        "predict", *tables, "--model-paths", str(folder / "model"), "--smiles-columns", _SMILES, "--accelerator", "cpu",
        *CHEMPROP[method],
    ]  # fmt: skip


def read_predictions(path: Path, rows: int, targets: int) -> AnyArray:
    """Predictions written by chemprop, ``rows x targets``.

    Args:
        path: Its output file.
        rows: Expected number of molecules.
        targets: Expected number of targets.

    Raises:
        DataError: If the file is missing, or has other rows, columns, or cells without numbers.
    """
    try:
        with path.open(newline="") as file:
            found = [[float(row[_target(place)] or "nan") for place in range(targets)] for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"the predictions of chemprop cannot be read: {error!r}.") from error
    if len(found) != rows:
        raise DataError(f"chemprop predicted {len(found)} of {rows} molecules.")
    values = np.array(found, dtype=np.float64).reshape(rows, targets)
    blank = int(np.isnan(values).any(axis=1).sum())
    if blank:
        # Infinite descriptors of a metal, for example, make the loss and then the whole network NaN.
        raise DataError(
            f"chemprop predicted no number for {blank} of {rows} molecules. An infinite descriptor of one training "
            "molecule is enough for that; chemprop replaces only those that are NaN."
        )
    return values


def _target(place: int) -> str:
    return f"target_{place}"


def _write(path: Path, data: MoleculeDataset, rows: Indices, labels: AnyArray | None = None) -> None:
    """Write a table of SMILES, with labels if given; a missing label is an empty cell."""
    smiles = [data.smiles[int(row)] for row in rows]
    values = np.empty((len(rows), 0)) if labels is None else labels
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([_SMILES, *map(_target, range(values.shape[1]))])
        writer.writerows(
            [text, *("" if math.isnan(value) else repr(float(value)) for value in own)]
            for text, own in zip(smiles, values, strict=True)
        )


def _run(command: Sequence[str]) -> None:
    """Run a command.

    Raises:
        DataError: If it fails; with the end of its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_SHOWN:]
        raise DataError(f"chemprop {command[1]} failed with status {done.returncode}: {said}")
