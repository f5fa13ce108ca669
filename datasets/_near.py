"""Molecules similar to those of a task, as a task-specific pretraining corpus."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight.datasets._fingerprint_index import FingerprintIndex
from molweight.datasets._libraries import Library, indexed_libraries
from molweight.datasets._nearest import nearest
from molweight.datasets._rdkit_ecfp import packed_ecfp
from molweight.datasets._rdkit_identity import identities
from molweight.datasets._skeletons import HeldCompounds
from molweight.datasets._splits import Splits
from molweight.errors import DataError, OptionError
from molweight.graphs import MoleculeDataset, build_dataset

__all__ = ["near_corpus"]

_MOST: Final = 32
"""Maximum number of neighbours of one molecule; farther ones have little in common with it."""
_QUERIES: Final = 5_000
"""Maximum number of query molecules; a larger table is sampled."""
_log = logging.getLogger(__name__)

Positions = np.ndarray[Any, np.dtype[np.int64]]
Place = tuple[int, int]
"""Number of a library, and position in it."""


def near_corpus(
    data: MoleculeDataset,
    splits: Splits,
    libraries: Sequence[str | Path] = (),
    size: int | None = 10_000,
    *,
    held_out: bool = False,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    r"""The molecules of large corpora that are most similar to the train molecules of a task, without labels.

    The nearest neighbour of each train molecule, by the Tanimoto similarity of ECFP4 (1,024 bits), is taken first, then
    the second nearest of each, and so on up to ``size`` molecules, or 32 neighbours of each. All forms of train
    molecules are left out, and unless ``held_out``, all forms of the compounds in ``meta``, ``select`` and ``test`` as
    well: molecules with the same largest fragment without charge, stereochemistry and positions of hydrogens, or with
    the same first block of the InChIKey. The fingerprints of a corpus are computed once and cached, 130 bytes per
    molecule.

    Continued pretraining on molecules near the task: Gururangan et al., *Don't Stop Pretraining*, ACL 2020.

    Args:
        data: The table of the task.
        splits: Its roles.
        libraries: Corpora and files, as for :func:`molweight.datasets.load_corpus`; if empty, those in the folder
            ``corpora`` of ``MOLWEIGHT_DATA`` that hold molecules, or the ZINC sample of the package if there are none.
        size: Maximum number of molecules; ``None`` for no limit.
        held_out: Whether compounds that the task holds out may be included, without labels.
        n_jobs: Processes and threads; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The molecules, the nearest first, as the corpus ``near``.

    Raises:
        OptionError: If ``size`` is not positive.
        DataError: If nothing is left.
        UnknownNameError: If there is no such corpus or file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from molweight.datasets import load, split
        >>> data = load("freesolv").subset(range(40))
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "large.smi"
        ...     _ = file.write_text("CCCCCCCO\nCCCCCCCN\nCCCCc1ccccc1\n")
        ...     near_corpus(data, split(data, "random"), [file], size=2)
        <MoleculeDataset near: 2 molecules>
    """
    if size is not None and size < 1:
        raise OptionError("size", size, "must be at least 1")
    indexed = indexed_libraries(libraries, n_jobs=n_jobs, progress=progress)
    opened = [library for library, _ in indexed]
    queries = _queries(data, splits)
    places, searched = _places(queries, [index for _, index in indexed], n_jobs)
    wanted = len(places) if size is None else size
    count = wanted + wanted // 4 + len(queries)  # spares replace omitted ones
    found = _without(_built(opened, places[:count], n_jobs, progress=progress), data, splits, held_out=held_out)
    while len(found) < wanted and count < len(places):  # the spares run out if the libraries overlap
        count *= 2
        found = _without(_built(opened, places[:count], n_jobs, progress=progress), data, splits, held_out=held_out)
    if not len(found):
        raise DataError(
            f"corpus near: all {len(places)} neighbours are salts, isomers or tautomers of molecules in {data.name}."
        )
    kept = found.subset(range(min(len(found), size or len(found))))
    kept.name = "near"
    _log.info(
        "corpus near: selected %d of %d molecules of %s; held-out compounds are %s",
        len(kept), searched, ", ".join(library.name for library in opened),
        "included" if held_out else "left out",
    )  # fmt: skip
    return kept


def _queries(data: MoleculeDataset, splits: Splits) -> list[str]:
    """The query molecules."""
    train = np.asarray(splits.train, dtype=np.int64)
    if len(train) > _QUERIES:
        _log.info("corpus near: neighbours of a random sample of %d of the %d train molecules", _QUERIES, len(train))
        train = np.sort(np.random.default_rng(0).permutation(train)[:_QUERIES])
    return [data.smiles[int(place)] for place in train]


def _places(queries: Sequence[str], indices: Sequence[FingerprintIndex], n_jobs: int | None) -> tuple[list[Place], int]:
    """Positions of the neighbours in rounds, and the number of molecules searched."""
    packed = packed_ecfp(queries)
    rows, values, owner, searched = [], [], [], 0
    for number, index in enumerate(indices):
        found, similarity = nearest(packed, index.columns, index.sizes, _MOST, n_jobs=n_jobs)
        rows.append(found)
        values.append(similarity)
        owner.append(np.full(found.shape, number))
        searched += int((index.sizes > 0).sum())
    similarity, all_rows, owners = (np.concatenate(part, axis=1) for part in (values, rows, owner))
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :_MOST].T  # round by round
    column = np.arange(len(packed))[None, :]
    pairs = np.stack([owners[column, order], all_rows[column, order]], axis=-1).reshape(-1, 2)
    places = dict.fromkeys((int(number), int(row)) for number, row in pairs[pairs[:, 1] >= 0])
    return list(places), searched


def _built(
    libraries: Sequence[Library], places: Sequence[Place], n_jobs: int | None, *, progress: bool
) -> MoleculeDataset:
    if not places:
        raise DataError("near: no molecule of the corpora shares a substructure with the train molecules.")
    texts = [library.smiles([row for at, row in places if at == number]) for number, library in enumerate(libraries)]
    smiles = [texts[number][row] for number, row in places]
    return build_dataset(smiles, name="near", n_jobs=n_jobs, progress=progress)


def _without(found: MoleculeDataset, data: MoleculeDataset, splits: Splits, *, held_out: bool) -> MoleculeDataset:
    """The neighbours without forms of train molecules and of held-out compounds."""
    compounds = identities(found)[:, 1]
    task = HeldCompounds.of(data, splits)
    out = task.trained(compounds)
    if not held_out:
        out |= task.covers(found, compounds)
    _, first = np.unique(compounds, return_index=True)
    out |= ~np.isin(np.arange(len(found)), first)
    return found.subset(np.flatnonzero(~out))
