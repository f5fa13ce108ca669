"""Molecules in several rows: replicates or duplicates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from molweight.arrays import Float32Array, Float32Matrix, Float64Array, Indices, Int8Array, Uint64Array
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import canonical_text, parse_molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["DUPLICATES", "Duplicated", "Measurements", "conflicts", "groups_of", "merge", "shared_molecules"]

Duplicated = Literal["mean", "median", "keep", "drop"]

DUPLICATES: Final[tuple[Duplicated, ...]] = get_args(Duplicated)
"""Treatments of molecules in several rows."""

_CHUNK: Final = 512
_ROUNDING: Final = 1e-6
"""Largest difference of two sums of weights that are equal up to rounding."""
_TOLERANCE: Final = 0.5
"""Measurements of one molecule are reported if they differ by more than this fraction of the labels' deviation."""


@dataclass(frozen=True)
class Measurements:
    """Labels of molecules.

    Args:
        labels: ``n x T``, NaN where missing.
        bounds: ``n x T``: -1 where the true value is below the label, 1 where it is above, 0 where it is the label.
        classes: Whether they are classes, for each target.
        weights: ``n x T`` weights >= 0 of the labels; ``None`` for equal ones.
    """

    labels: Float32Matrix
    bounds: Int8Array
    classes: Sequence[bool]
    weights: Float32Matrix | None = None


def groups_of(data: MoleculeDataset, *, stereo: bool = True, n_jobs: int | None = None) -> list[Indices]:
    """Positions of each molecule that occurs more than once in a dataset.

    Canonical SMILES, which take most of the time, are computed only for molecules with the same atoms.

    Args:
        data: The molecules.
        stereo: Whether stereoisomers are different molecules.
        n_jobs: Processes; ``None`` for all cores.

    Returns:
        The positions of each such molecule, in order.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> [group.tolist() for group in groups_of(from_smiles(["CCO", "CN", "OCC", "COC"], cache=False))]
        [[0, 2]]
    """
    if len(data) == 0:
        return []
    composition = _composition(data)
    _, kind, count = np.unique(composition, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(count[kind] > 1)
    texts = [data.smiles[int(place)] for place in alike]
    found: dict[str, list[int]] = {}
    for place, text in zip(alike.tolist(), all_canonical(texts, n_jobs, stereo=stereo), strict=True):
        found.setdefault(text, []).append(place)
    return [np.array(group, dtype=np.int64) for group in found.values() if len(group) > 1]


def _composition(data: MoleculeDataset) -> Uint64Array:
    """A number per molecule that depends on its numbers of atoms of each element, and of bonds."""
    molecules = data.molecules
    codes = np.random.default_rng(0).integers(1, 1 << 62, 256, dtype=np.uint64)
    of_atoms = codes[molecules.atoms[:, 0]]
    before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(of_atoms, dtype=np.uint64)])
    atoms = before[molecules.atom_offsets[1:]] - before[molecules.atom_offsets[:-1]]
    bonds = np.diff(molecules.bond_offsets).astype(np.uint64)
    mixed: Uint64Array = atoms + bonds * codes[0]
    return mixed


def all_canonical(smiles: Sequence[str], n_jobs: int | None = None, *, stereo: bool = True) -> Iterator[str]:
    """:func:`canonical_smiles` for any number of molecules; a molecule that takes seconds is also unchanged."""
    from molweight.graphs.internal import guarded_list, map_chunks

    work = guarded_list(
        partial(canonical_smiles, stereo=stereo), str, "is compared as it is written; its canonical SMILES"
    )
    parts = map_chunks(work, smiles, chunk=_CHUNK, n_jobs=n_jobs, parallel_from=4096) if len(smiles) else iter(())
    return (text for part in parts for text in part)


def canonical_smiles(smiles: Sequence[str], *, stereo: bool = True) -> list[str]:
    """Canonical SMILES; text that is not a molecule is unchanged.

    Args:
        smiles: ``n`` SMILES.
        stereo: Whether to keep stereochemistry.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecules: list[Mol | None] = [parse_molecule(text) for text in smiles]
    for molecule in molecules if not stereo else ():
        if molecule is not None:
            Chem.RemoveStereochemistry(molecule)
    return [
        text if molecule is None else canonical_text(molecule) for text, molecule in zip(smiles, molecules, strict=True)
    ]


def merge(measured: Measurements, groups: Sequence[Indices], how: Duplicated) -> tuple[Measurements, Indices]:
    """Merge rows into one per molecule.

    Exact labels are averaged with their weights (for classes, the majority of the weight counts, and a tie is a missing
    label). If a molecule has only bounds, the tightest one counts, and bounds on both sides give no label.

    Args:
        measured: The labels.
        groups: Positions of each molecule that occurs more than once.
        how: ``"mean"``, ``"median"``, or ``"drop"`` to leave all of them out.

    Returns:
        Labels in all rows, and the positions to keep: the first of each molecule.

    Example:
        >>> labels = np.array([[1.0], [2.0], [4.0], [9.0]], dtype=np.float32)
        >>> measured = Measurements(labels, np.zeros((4, 1), np.int8), [False])
        >>> found, stay = merge(measured, [np.array([0, 1, 2])], "median")
        >>> found.labels[stay].ravel().tolist(), stay.tolist()
        ([2.0, 9.0], [0, 3])
    """
    labels, bounds = measured.labels.copy(), measured.bounds.copy()
    away = [place for group in groups for place in group[0 if how == "drop" else 1 :].tolist()]
    weights = np.ones(labels.shape, np.float32) if measured.weights is None else measured.weights
    if how != "drop":
        for group in groups:
            for target in range(labels.shape[1]):
                cells = measured.labels[group, target], measured.bounds[group, target], weights[group, target]
                labels[group[0], target], bounds[group[0], target] = _one(*cells, how, classes=measured.classes[target])
    stay = np.setdiff1d(np.arange(len(labels), dtype=np.int64), np.array(away, dtype=np.int64))
    return Measurements(labels, bounds, measured.classes), stay


def _one(
    labels: Float32Array,
    bounds: Int8Array,
    weights: Float32Array,
    how: Duplicated,
    *,
    classes: bool,
) -> tuple[float, int]:
    """Combine the labels of one molecule: its label, and whether this is a bound."""
    known = ~np.isnan(labels)
    chosen = known & (bounds == 0)
    if chosen.any():
        exact, own = labels[chosen].astype(np.float64), weights[chosen].astype(np.float64)
        own = own if own.any() else np.ones(len(own))  # all are 0 for a target of weight 0
        value = _median(exact, own) if how == "median" and not classes else float(np.average(exact, weights=own))
        tie = classes and abs(value - 0.5) < _ROUNDING
        return (float("nan") if tie else float(value > 0.5) if classes else value, 0)  # noqa: PLR2004 - half
    sides = set(bounds[known].tolist())
    if len(sides) != 1:
        return float("nan"), 0
    side = sides.pop()
    return float(labels[known].max() if side > 0 else labels[known].min()), side


def _median(values: Float64Array, weights: Float64Array) -> float:
    """The weighted median: half of the weight is on either side; the middle of two values if it lies between them."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / weights.sum()
    low, high = (int(np.searchsorted(below, 0.5 + shift)) for shift in (-_ROUNDING, _ROUNDING))
    return float(values[order[[low, high]]].mean())


def conflicts(measured: Measurements, groups: Sequence[Indices]) -> tuple[list[int], float]:
    """Molecules with contradictory labels, and the typical spread of measurements of one molecule.

    Args:
        measured: The labels.
        groups: Positions of each molecule that occurs more than once.

    Returns:
        Positions in ``groups`` of molecules with both classes, or whose exact labels differ by more than half the
        standard deviation of all labels; and the median difference between the largest and the smallest label of a
        molecule.
    """
    exact = np.where(measured.bounds == 0, measured.labels, np.nan).astype(np.float64)
    limits = [_TOLERANCE * _deviation(exact[:, target]) for target in range(exact.shape[1])]
    worst, ranges = [], []
    for place, group in enumerate(groups):
        spread = [_range(exact[group, target]) for target in range(exact.shape[1])]
        ranges += [value for value in spread if value is not None]
        beyond = [value is not None and value > limit for value, limit in zip(spread, limits, strict=True)]
        if any(beyond):
            worst.append(place)
    return worst, float(np.median(ranges)) if ranges else 0.0


def _deviation(values: Float64Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else 0.0


def _range(values: Float64Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.max() - known.min()) if len(known) > 1 else None


def shared_molecules(data: MoleculeDataset, first: Indices, second: Indices) -> int:
    """Number of molecules at ``second`` that also occur at ``first``, as identified by :func:`groups_of`.

    Stereoisomers are the same molecule if the dataset ignores stereochemistry.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> shared_molecules(from_smiles(["CCO", "CN", "OCC"], cache=False), np.array([0, 1]), np.array([2]))
        1
    """
    left, right = set(first.tolist()), set(second.tolist())
    groups = groups_of(data, stereo=data.featuriser.stereo == "use")
    return sum(len(right & set(group.tolist())) for group in groups if left & set(group.tolist()))
