"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.graphs._as_smiles import as_smiles, canonical_text, is_missing, parse_molecule, read_smiles, written
from molweight.graphs._cache import (
    building_alone,
    cache_root,
    content_key,
    partial_name,
    place_folder,
    rdkit_version,
    read_array,
    read_folder,
    write_array,
    write_meta,
)
from molweight.graphs._columns import column_seconds, guarded_target
from molweight.graphs._dataset import OneTask, is_mixed, join_tasks, tasks_of
from molweight.graphs._explain import explain
from molweight.graphs._guard import Guarded, guarded_list
from molweight.graphs._molecules import RejectCounts, SmilesColumn
from molweight.graphs._padding import pad_batch
from molweight.graphs._parallel import end_with, map_chunks, shielded, start_worker, watched_pool
from molweight.graphs._ranks import atom_ranks
from molweight.graphs._stream import Record, build_streamed
from molweight.graphs._vocabulary import BOND_STEREO

__all__ = [
    "BOND_STEREO",
    "Guarded",
    "OneTask",
    "Record",
    "RejectCounts",
    "SmilesColumn",
    "as_smiles",
    "atom_ranks",
    "build_streamed",
    "building_alone",
    "cache_root",
    "canonical_text",
    "column_seconds",
    "content_key",
    "end_with",
    "explain",
    "guarded_list",
    "guarded_target",
    "is_missing",
    "is_mixed",
    "join_tasks",
    "map_chunks",
    "pad_batch",
    "parse_molecule",
    "partial_name",
    "place_folder",
    "rdkit_version",
    "read_array",
    "read_folder",
    "read_smiles",
    "shielded",
    "start_worker",
    "tasks_of",
    "watched_pool",
    "write_array",
    "write_meta",
    "written",
]
