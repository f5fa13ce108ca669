"""Conversion of SMILES to arrays, columnar storage, and creation of batches on the device.

Example:
    >>> from molweight.graphs import build_dataset
    >>> data = build_dataset(["CCO", "c1ccccc1"], [[0.5], [1.5]], name="demo", task="regression", cache=False)
    >>> data[0].x.shape, data.batch([0, 1]).num_graphs
    (torch.Size([3, 9]), 2)
"""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.graphs._batch import GraphBatch
from molweight.graphs._columns import attach_targets, target_column
from molweight.graphs._dataset import MoleculeDataset, Task, build_dataset
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._featurize import featurize
from molweight.graphs._molecules import Molecules, Reject
from molweight.graphs._targets import TargetSpec
from molweight.graphs._vocabulary import ATOM_MASK, ATOM_SIZES, BOND_MASK, BOND_SIZES, CHIRALITY

__all__ = [
    "ATOM_MASK",
    "ATOM_SIZES",
    "BOND_MASK",
    "BOND_SIZES",
    "CHIRALITY",
    "Featuriser",
    "GraphBatch",
    "MoleculeDataset",
    "Molecules",
    "Reject",
    "TargetSpec",
    "Task",
    "attach_targets",
    "build_dataset",
    "featurize",
    "target_column",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal", "_columns", "_ranks", "_vocabulary", "_featuriser")
