"""Planted labels, shared by the studies with an oracle among useless objectives."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from molweight import datasets
from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.training.internal import generator_for

__all__ = ["IRRELEVANT", "PLANTED", "halved", "planted_sources", "relabelled", "shuffled"]

PLANTED: Final = ("oracle", "negated", "noise", "irrelevant")
IRRELEVANT: Final = {
    "freesolv": "bace",
    "esol": "bace",
    "lipophilicity": "bace",
    "bbbp": "freesolv",
    "bace": "freesolv",
}
"""For each table, one that measures something else."""


def halved(data: MoleculeDataset, splits: Splits, seed: int) -> tuple[Splits, MoleculeDataset]:
    """The roles with half of train, and the molecules of the other half with their labels."""
    order = generator_for(seed, "planted sources").permutation(splits.train)
    half = len(order) // 2
    return replace(splits, train=np.sort(order[:half])), data.subset(np.sort(order[half:]))


def shuffled(labels: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """The same labels in another order: noise of the same distribution."""
    return generator_for(seed, "planted noise").permutation(labels)


def relabelled(table: MoleculeDataset, name: str, labels: np.ndarray[Any, Any]) -> MoleculeDataset:
    """The same molecules with other labels, under another name."""
    return MoleculeDataset(
        table.molecules,
        labels.astype(np.float32),
        name=name,
        task=table.task,
        target_names=[f"{name}_{target}" for target in table.target_names],
        folder=table.folder,
        featuriser=table.featuriser,
    )


def planted_sources(data: MoleculeDataset, other: MoleculeDataset, seed: int) -> list[MoleculeDataset]:
    """The sources: oracle, negated, noise, irrelevant.

    Args:
        data: The table of the task.
        other: Molecules of it, with their labels.
        seed: Seed of the order of the noise.
    """
    labels = other.targets
    opposite = 1 - labels if other.task == "classification" else -labels
    irrelevant = datasets.load(IRRELEVANT[data.name])
    return [
        relabelled(other, "oracle", labels),
        relabelled(other, "negated", opposite),
        relabelled(other, "noise", shuffled(labels, seed)),
        relabelled(irrelevant, "irrelevant", irrelevant.targets),
    ]
