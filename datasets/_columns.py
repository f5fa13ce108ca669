"""Which columns of an unknown table hold the SMILES and the labels."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from molweight.datasets._labels import complaint, is_label, is_missing, is_number, read_labels
from molweight.datasets._table import TextTable
from molweight.datasets._table_spec import Task
from molweight.errors import DataError

__all__ = ["find_smiles", "find_targets"]

_LOG: Final = logging.getLogger(__name__)
_NAMES: Final = ("smiles", "canonical_smiles", "isomeric_smiles", "smi", "mol", "molecule", "structure", "compound")
"""Names of SMILES columns, the likeliest first."""

_IDENTIFIER: Final = re.compile(
    r"(unnamed: \d+|.*(^|[ _.-])(id|idx|index|num|number|no|nr|row|cid|sid))?", re.IGNORECASE
)
_PROBE: Final = 30
"""Cells parsed to see whether a column holds SMILES."""
_SHARE: Final = 0.8
"""Share of them that has to parse."""
_MIXED: Final = 0.5
"""Share of cells that are no numbers above which a column is taken for text."""
_COUNTER: Final = 3
"""Rows from which an ascending column of whole numbers is taken for a counter."""


def find_smiles(table: TextTable) -> str:
    """The column with the SMILES: by its name, otherwise the one whose first cells RDKit can parse.

    Args:
        table: The table.

    Returns:
        Its name.

    Raises:
        DataError: If no column looks like SMILES.
    """
    if table.smiles is not None:
        return table.smiles
    ranked = sorted((rank, name) for name in set(table.columns) if (rank := _rank(name)) is not None)
    by_content = (name for name in table.columns if _parsable_share(table, name) >= _SHARE)
    for name in [name for _, name in ranked if _parsable_share(table, name) > 0] or by_content:
        _LOG.info("%s: SMILES are read from column %r", table.source, name)
        return name
    raise DataError(
        f"{table.source}: none of the columns {', '.join(repr(name) for name in table.columns[:20])} holds SMILES that "
        "can be parsed. Name the column (smiles=...); a file without a header line needs one, e.g. 'smiles,y'."
    )


def _rank(name: str) -> int | None:
    """How likely a name is to be that of the SMILES column, 0 first; ``None`` for not at all."""
    folded = re.sub(r"[ .-]+", "_", name.lower())
    if folded in _NAMES:
        return _NAMES.index(folded)
    return len(_NAMES) if "smiles" in folded else None


def _parsable_share(table: TextTable, column: str) -> float:
    """Share of the first cells that are SMILES; numbers, and repeated columns, count as none."""
    from rdkit import Chem, rdBase

    if table.columns.count(column) > 1:
        return 0.0
    cells = [cell for cell in table.cells(column) if not is_missing(cell)][:_PROBE]
    with rdBase.BlockLogs():
        parsed = [not is_number(cell) and Chem.MolFromSmiles(cell) is not None for cell in cells]
    return sum(parsed) / len(parsed) if parsed else 0.0


def find_targets(table: TextTable, smiles: str, task: Task | None, *, lenient: bool = False) -> list[str]:
    """The columns with labels: those that hold numbers, except identifiers and row counters.

    Args:
        table: The table.
        smiles: Its SMILES column.
        task: What the labels are to be used for; with ``"classification"`` only columns of 0 and 1 are taken.
        lenient: Whether a column that holds numbers for the most part is one of them, rather than refused.

    Returns:
        Their names; none for a table without labels.

    Raises:
        DataError: If some of them hold classes and others numbers and ``task`` does not say which are meant; if a
            column holds numbers for the most part but not only, unless ``lenient``; if it shares its name; or if none
            has labels and one is empty.
    """
    _refuse_repeated(table, smiles)
    mixed = _mixed(table, smiles)
    if mixed and not lenient:
        raise DataError(complaint(table, read_labels(table, mixed[:1])[1]))
    numeric = [name for name in table.columns if name in mixed or (name != smiles and _is_numeric(table, name))]
    labels = [name for name in numeric if not _is_identifier(table, name)]
    classes = [name for name in labels if _is_binary(table, name)]
    if task == "classification":
        labels = classes
    elif task is None and 0 < len(classes) < len(labels):
        others = [name for name in labels if name not in classes]
        raise DataError(
            f"{table.source}: the columns {_listed(classes)} hold classes (0 and 1), the columns {_listed(others)} "
            "hold numbers. Say which are the labels: targets=[...], or task='classification' for the former."
        )
    if not labels:
        _refuse_empty(table, smiles)
    skipped = [name for name in table.columns if name not in (smiles, *labels)]
    _LOG.info("%s: labels are read from %s; not used: %s", table.source, _listed(labels), _listed(skipped))
    return labels


def _refuse_repeated(table: TextTable, smiles: str) -> None:
    """Refuse columns of numbers that share a name: which of them would be the label?"""
    for place, name in enumerate(table.columns):
        if name != smiles and table.columns.count(name) > 1:
            cells = {str(cell).strip() for cell in table.frame.iloc[:, place]}
            if any(is_label(cell) for cell in cells):
                table.cells(name)  # refuses it in words


def _mixed(table: TextTable, smiles: str) -> list[str]:
    """Columns that would be labels but for some cells: left out in silence, they would be missed much later."""
    found: list[str] = []
    for name in _candidates(table, smiles):
        codes, texts = table.distinct(name)
        counts = Counter(codes.tolist())
        good = sum(counts[code] for code, text in enumerate(texts) if is_label(text))
        other = sum(counts[code] for code, text in enumerate(texts) if not is_label(text) and not is_missing(text))
        if good > 0 and other <= _MIXED * (good + other) and read_labels(table, [name])[1]:
            found.append(name)
    return found


def _refuse_empty(table: TextTable, smiles: str) -> None:
    """Refuse an empty column in a table that has no labels otherwise."""
    for name in _candidates(table, smiles):
        if all(is_missing(cell) for cell in table.distinct(name)[1]):
            raise DataError(
                f"{table.source}, column {name!r}: no row has a label, and no other column holds any. Fill it in, or "
                "say which columns are the labels: targets=[...]."
            )


def _candidates(table: TextTable, smiles: str) -> Iterator[str]:
    """The columns that may hold labels, by their names."""
    for name in table.columns:
        if name != smiles and table.columns.count(name) == 1 and not _IDENTIFIER.fullmatch(name):
            yield name


def _is_numeric(table: TextTable, name: str) -> bool:
    """Whether a column holds numbers, at least one, and nothing else."""
    if table.columns.count(name) > 1:
        return False
    present = [cell for cell in table.distinct(name)[1] if not is_missing(cell)]
    return bool(present) and all(is_label(cell) for cell in present)


def _is_identifier(table: TextTable, name: str) -> bool:
    """Whether a column of numbers numbers the rows: by its name, or because whole numbers ascend all the way."""
    if _IDENTIFIER.fullmatch(name):
        return True
    codes, texts = table.distinct(name)
    if len(texts) < len(codes) or len(codes) < _COUNTER or not all(cell.isdigit() for cell in texts):
        return False
    values = [int(texts[code]) for code in codes]
    return all(low < high for low, high in pairwise(values))


def _is_binary(table: TextTable, name: str) -> bool:
    present = {cell.lower() for cell in table.distinct(name)[1] if is_label(cell)} - {"true", "false"}
    return {float(cell) for cell in present} <= {0.0, 1.0}


def _listed(names: Sequence[str], most: int = 10) -> str:
    """Names for a message, not too many."""
    shown = ", ".join(repr(name) for name in names[:most]) or "none"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
