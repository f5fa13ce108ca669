"""Runs as plain data, so that a report takes a second."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from molweight.report import Method, RunSummary, TestResults

SMILES = [
    "CCO",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[N+](C)(C)C",
    "Clc1ccc(Br)cc1",
    "OCC(O)CO",
    "CCN(CC)CC",
    "S=C=S",
]
NAMES = ("attribute_masking", "graphcl")


def records(steps: int = 30) -> list[dict[str, Any]]:
    """Steps with a solve at every other one."""
    found = []
    for step in range(steps):
        share = 0.5 + 0.4 * step / steps
        record: dict[str, Any] = {
            "step": step,
            "weights": {NAMES[0]: share, NAMES[1]: 1 - share},
            "losses": {NAMES[0]: 2.0 / (1 + step), NAMES[1]: 5.0},
            "norms": {NAMES[0]: 1.0, NAMES[1]: 2.0},
            "train_loss": 1.0 / (1 + step),
        }
        if step % 2:
            record["meta_loss"] = 0.5
            record["solves"] = {"finetune": {"iterations": 3, "outcome": "converged", "residual": 0.01}}
        found.append(record)
    return found


def about(task: str, targets: list[str]) -> dict[str, Any]:
    """What a run says of itself."""
    return {
        "molweight": "0.1.0",
        "torch": "2.13.0",
        "featuriser": 1,
        "data": {"name": "made up", "molecules": 80, "sizes": {"train": 60, "test": 8}, "sha256": "ab" * 32},
        "options": {
            "encoder": "gin",
            "encoder_options": {"layers": 2},
            "objectives": list(NAMES),
            "weighting": "tapweight",
            "solver": "cg",
            "seed": 3,
            "init": "pretrain",
            "pretrain_lr": 1e-3,
            "finetune_lr": 2e-3,
            "pretrain_steps": 10,
        },
        "task": task,
        "target_names": targets,
        "weights": {NAMES[0]: 0.9, NAMES[1]: 0.1},
        "findings": [],
        "finetuning": {
            "metric": "roc_auc" if task == "classification" else "rmse",
            "best_epoch": 2,
            "best": 0.75,
            "curve": [0.5, 0.7, 0.75, 0.6],
        },
        "seconds": 12.0,
    }


def subject(task: str = "regression", targets: int = 1, **changes: Any) -> RunSummary:
    """A run with a baseline; classes or numbers, with a missing label."""
    random = np.random.default_rng(0)
    names = [f"y<{place}>" for place in range(targets)]
    shape = (len(SMILES), targets)
    labels = random.normal(size=shape) if task == "regression" else np.arange(8)[:, None] % 2 * np.ones(shape)
    labels[0, 0] = np.nan
    answers = (
        random.uniform(size=shape) if task == "classification" else np.nan_to_num(labels) + random.normal(size=shape)
    )
    results = TestResults(
        np.arange(10, 18),
        SMILES,
        names,
        labels.astype(np.float32),
        {"equal": (answers / 2).astype(np.float32), "tapweight": answers.astype(np.float32)},
    )
    methods = [
        Method("equal", 0.7, dict.fromkeys(NAMES, 0.5), 10.0),
        Method("tapweight", 0.75, {NAMES[0]: 0.9, NAMES[1]: 0.1}, 12.0, ["something <odd>"]),
    ]
    made: dict[str, Any] = {
        "name": "mine & <yours>",
        "method": "tapweight",
        "about": about(task, names),
        "records": records(),
        "test_results": results,
        "embedding": random.normal(size=(len(SMILES), 5)).astype(np.float32),
        "methods": methods,
        "config": "seed: 3\nname: <b>\n",
        "sha256": "cd" * 32,
        "made_with": {"molweight": "0.1.0"},
    }
    return RunSummary(**(made | changes))


@pytest.fixture(scope="session")
def make() -> Callable[..., RunSummary]:
    """Makes a run; see :func:`subject`."""
    return subject
