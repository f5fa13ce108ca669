"""SMILES to arrays, columnar storage, batches made on the device.

Example:
    >>> from molweight.graphs import build_dataset
    >>> data = build_dataset(["CCO", "c1ccccc1"], [[0.5], [1.5]], name="demo", task="regression", cache=False)
    >>> data[0].x.shape, data.batch([0, 1]).num_graphs
    (torch.Size([3, 9]), 2)
"""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.graphs._as_smiles import as_smiles, written
from molweight.graphs._batch import GraphBatch
from molweight.graphs._build import build_dataset
from molweight.graphs._cache import cache_root, content_key, partial_name, read_array, write_array
from molweight.graphs._columns import attach_targets, target_column
from molweight.graphs._dataset import MoleculeDataset, Task
from molweight.graphs._explain import explain
from molweight.graphs._featuriser import FeatureSet, Featuriser, StereoUse
from molweight.graphs._featurize import featurize
from molweight.graphs._molecules import Molecules, Reject, RejectCounts
from molweight.graphs._parallel import map_chunks
from molweight.graphs._parse import parse_molecule
from molweight.graphs._ranks import atom_ranks
from molweight.graphs._smiles import SmilesColumn
from molweight.graphs._stream import Record, build_streamed
from molweight.graphs._targets import TargetSpec
from molweight.graphs._tasks import is_mixed, join_tasks, tasks_of
from molweight.graphs._vocabulary import ATOM_MASK, ATOM_SIZES, BOND_MASK, BOND_SIZES, BOND_STEREO, CHIRALITY

__all__ = [
    "ATOM_MASK",
    "ATOM_SIZES",
    "BOND_MASK",
    "BOND_SIZES",
    "BOND_STEREO",
    "CHIRALITY",
    "FeatureSet",
    "Featuriser",
    "GraphBatch",
    "MoleculeDataset",
    "Molecules",
    "Record",
    "Reject",
    "RejectCounts",
    "SmilesColumn",
    "StereoUse",
    "TargetSpec",
    "Task",
    "as_smiles",
    "atom_ranks",
    "attach_targets",
    "build_dataset",
    "build_streamed",
    "cache_root",
    "content_key",
    "explain",
    "featurize",
    "is_mixed",
    "join_tasks",
    "map_chunks",
    "parse_molecule",
    "partial_name",
    "read_array",
    "target_column",
    "tasks_of",
    "write_array",
    "written",
]

if not TYPE_CHECKING:  # type checkers report the names that have left
    __getattr__ = moved_names(__name__, "_columns", "_ranks", "_vocabulary")
