"""The stratified split."""

from typing import Final

import numpy as np

from molweight.arrays import Float32Array, Indices
from molweight.datasets._splits import SELECT_FRACTION, SPLITTERS, Request, Splits
from molweight.errors import DataError, OptionError, mention, suggest
from molweight.graphs import MoleculeDataset

__all__ = ["stratified_split"]

DEFINITION: Final = (
    "random, with the classes of {target!r} (missing labels form a separate class) in equal shares in every role; "
    "scikit-learn's train_test_split, test first, then validation, then select, seed {seed}"
)
NUMBERS: Final = (
    "random, with {bins} ranges of {target!r}, equal in number of molecules (missing labels form a separate range), in "
    "equal shares in every role; scikit-learn's train_test_split, test first, then validation, then select, seed {seed}"
)


@SPLITTERS.register("stratified")
def stratified_split(data: MoleculeDataset, request: Request, *, target: str | None = None, bins: int = 10) -> Splits:
    """Split with equal shares of each class, or of each range of a number, in every role.

    Scaffolds and duplicates may occur in several roles, as under ``"random"``.

    Args:
        data: The molecules.
        request: Protocol, fractions and seed.
        target: The label to stratify by; required if the table has several. The classes of one column are one label,
            by the name of the column.
        bins: Number of ranges of a number, with equal numbers of molecules.

    Returns:
        The positions by role.

    Raises:
        OptionError: If the label is not named or missing, or ``bins`` is less than 2.
        DataError: If a class has too few molecules for every role.
    """
    if bins < 2:  # noqa: PLR2004 - one range would be no stratification
        raise OptionError("bins", bins, "must be at least 2", owner="split 'stratified'")
    column = data.target_names[0].rpartition("=")[0] if data.task == "multiclass" else ""
    name = column if column and target in (None, column) else _target(data, target)
    labels = _classes(data) if name == column else data.targets[:, data.target_names.index(name)]
    classes = data.task in ("classification", "multiclass")
    strata = _strata(labels, 0 if classes else bins)
    definition = (DEFINITION if classes else NUMBERS).format(target=name, bins=bins, seed=request.seed)
    total = len(data)
    rest, test = _cut(data, np.arange(total), strata, round(request.fractions[2] * total), request.seed)
    train, meta = _cut(data, rest, strata, round(request.fractions[1] * total), request.seed)
    select = meta
    if request.protocol == "four-role":
        train, select = _cut(data, train, strata, int(SELECT_FRACTION * total), request.seed)
    return Splits(train, meta, select, test, "stratified", definition, request.protocol)


def _target(data: MoleculeDataset, target: str | None) -> str:
    listed = ", ".join(data.target_names[:20]) or "none"
    if target is None:
        if len(data.target_names) == 1:
            return data.target_names[0]
        reason = f"must name a label, as {data.name} has {len(data.target_names)} labels"
        raise OptionError("target", target, reason, f"Labels: {listed}.", owner="split 'stratified'")
    if target not in data.target_names:
        reason = f"is not a label of {data.name}{suggest(target, data.target_names)}"
        raise OptionError("target", target, reason, f"Labels: {listed}.", owner="split 'stratified'")
    return target


def _classes(data: MoleculeDataset) -> Float32Array:
    """The class of each molecule of a table with the classes of one column; NaN if it is missing."""
    known = ~np.isnan(data.targets).any(axis=1)
    return np.where(known, np.nan_to_num(data.targets).argmax(axis=1), np.nan).astype(np.float32)


def _strata(labels: Float32Array, bins: int) -> Indices:
    """Class of each molecule, or its range of ``bins`` ranges; -1 if the label is missing."""
    known = ~np.isnan(labels)
    strata = np.full(len(labels), -1, dtype=np.int64)
    if bins == 0:
        strata[known] = labels[known].astype(np.int64)
    else:
        ranks = np.argsort(np.argsort(labels[known], kind="stable"), kind="stable")
        strata[known] = ranks * bins // max(len(ranks), 1)
    return strata


def _cut(data: MoleculeDataset, positions: Indices, strata: Indices, size: int, seed: int) -> tuple[Indices, Indices]:
    """The positions outside and inside a stratified sample."""
    from sklearn.model_selection import train_test_split

    try:
        stay, taken = train_test_split(positions, test_size=size, stratify=strata[positions], random_state=seed)
    except ValueError as error:
        raise DataError(
            f"{data.name}: the split 'stratified' cannot give every role its share of each class ({error}). Use "
            f"{mention('method', 'random')}, other fractions, or fewer bins."
        ) from error
    return np.sort(stay), np.sort(taken)
