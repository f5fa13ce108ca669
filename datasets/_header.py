"""The header of a table: lines above it, columns without a name, tables without a header."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from molweight.datasets._numbers import is_missing, read_numbers
from molweight.errors import mention

__all__ = [
    "SMILES_NAMES",
    "Headed",
    "Record",
    "headed",
    "is_headerless",
    "made_up_names",
    "names_smiles",
    "preamble",
    "smiles_rank",
    "told_apart",
]

Record = tuple[int, list[str]]
"""A record with its row in the file."""

SMILES_NAMES: Final = (
    *("smiles", "isomeric_smiles", "canonical_smiles", "smi", "rdkit_smiles", "std_smiles", "ligand_smiles"),
    *("mol", "molecule", "structure", "compound"),
)
"""Names of SMILES columns, most likely first."""

_OTHER_SMILES: Final = SMILES_NAMES.index("ligand_smiles") + 1
"""Rank of other names with the word SMILES: above those that may be columns of compound names."""

_MOST: Final = 10
"""Maximum number of lines above the header."""

_LOOKED_AT: Final = 30
"""Number of rows examined."""

_SHARE: Final = 0.8

_HALF: Final = 0.5
"""Minimum share of SMILES in a molecule column without a name."""

_SHOWN: Final = 5
"""Maximum number of repeated names in messages."""

_QUOTED: Final = 3
"""Maximum number of a row's cells in messages."""

_SENTENCE: Final = 60
"""Maximum length of a name; longer cells are sentences."""

_WORD: Final = re.compile(r"[A-Za-z_][\w .%/-]*")


def smiles_rank(name: str) -> int | None:
    """Rank of a name among those of SMILES columns, 0 for the most likely; ``None`` for other names.

    Example:
        >>> [smiles_rank(name) for name in ("SMILES", "IsomericSMILES", "PUBCHEM_EXT_DATASOURCE_SMILES", "y")]
        [0, 1, 7, None]
    """
    folded = re.sub(r"[ .-]+|(?<=[a-z])(?=SMILES)", "_", name.strip()).lower()
    if folded not in SMILES_NAMES:
        return _OTHER_SMILES if "smiles" in folded else None
    rank = SMILES_NAMES.index(folded)
    return rank if rank < _OTHER_SMILES else rank + 1


def names_smiles(cell: str) -> bool:
    """Whether a cell is the name of a SMILES column, and not a sentence about it."""
    return smiles_rank(cell) is not None and len(cell) < _SENTENCE


def preamble(records: Sequence[Sequence[str]]) -> int:
    """Number of records above the header: titles and remarks, with another length than the rest.

    Args:
        records: The first records.

    Returns:
        Their number; 0 if uncertain.

    Example:
        >>> preamble([["Solubility of drugs"], ["smiles", "y"], ["C", "1"], ["CC", "2"], ["CCC", "3"]])
        1
    """
    if not records:
        return 0
    if len(set(map(len, records))) == 1 and all(cell.strip() for record in records for cell in record):
        return 0  # no empty cells and equal row lengths: nothing is above the header
    groups = _groups(records)
    if groups:
        return groups
    width = Counter(map(_width, records)).most_common(1)[0][0]
    length = Counter(map(len, records)).most_common(1)[0][0]
    first = next((place for place, record in enumerate(records) if not _is_above(record, length, width)), 0)
    certain = (
        0 < first <= _MOST
        and width > 1
        and len(records) - first > max(first, 2)
        and all(width == _width(record) or length == len(record) for record in records[first:])
        and not any(names_smiles(cell) for record in records[:first] for cell in record)
    )
    return first if certain else 0


def _groups(records: Sequence[Sequence[str]]) -> int:
    """Number of records above the one that names a SMILES column and has more names than each of them.

    Such records are titles, and names that span several columns.
    """
    for place, record in enumerate(records[: _MOST + 1]):
        filled = _filled(record)
        if any("smiles" in cell.lower() and names_smiles(cell) for cell in record):
            above = records[:place]
            return place if filled == _width(record) and all(_filled(other) < filled for other in above) else 0
    return 0


def _filled(record: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in record)


def _is_above(record: Sequence[str], length: int, width: int) -> bool:
    """Whether a record cannot be a header: its length differs from the rest, or only one of several cells is filled."""
    return _width(record) != width and (len(record) != length or _filled(record) <= 1)


def _width(record: Sequence[str]) -> int:
    """Length of a record without trailing empty cells."""
    return max((place + 1 for place, cell in enumerate(record) if cell.strip()), default=0)


def is_headerless(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record of a table is a molecule like the others, and not a header.

    This is so if it has a SMILES in the same column as the others, and numbers or empty cells in numeric columns.

    Args:
        first: The first record.
        rows: The records after it.

    Returns:
        Whether there is no header; ``False`` if uncertain.

    Example:
        >>> is_headerless(["CCO", "0.5"], [["CCC", "1.5"]]), is_headerless(["mol", "y"], [["CCC", "1.5"]])
        (True, False)
    """
    cells = [cell.strip() for cell in first]
    if not rows or not any(cells) or any(smiles_rank(cell) is not None for cell in cells):
        return False
    columns = [[row[place].strip() for row in rows[:_LOOKED_AT] if place < len(row)] for place in range(len(cells))]
    numeric = [place for place, column in enumerate(columns) if _holds_numbers(column)]
    if any(cells[place] and not is_missing(cells[place]) and not _numbers([cells[place]]) for place in numeric):
        return False
    texts = [place for place in range(len(cells)) if place not in numeric and cells[place]]
    molecules = [place for place in texts if _parsable(columns[place]) >= _HALF]
    if not molecules:
        return False
    if any(_parsable([cells[place]]) for place in molecules):
        return True
    measured = any(cells[place] and _numbers([cells[place]]) for place in numeric)
    return measured and not any(_WORD.fullmatch(cells[place]) for place in molecules)


def made_up_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Column names for a table without a header: ``smiles`` for the first SMILES column, numbers for the others.

    Example:
        >>> made_up_names([["7", "CCO", "0.5"], ["8", "CCC", "1.5"]])
        ['column 1', 'smiles', 'column 3']
    """
    names = [f"column {place + 1}" for place in range(len(rows[0]))]
    for place in range(len(names)):
        column = [row[place].strip() for row in rows[:_LOOKED_AT] if place < len(row)]
        if not _holds_numbers(column) and _parsable(column) >= _HALF:
            names[place] = "smiles"
            break
    return names


def _holds_numbers(column: Sequence[str]) -> bool:
    present = [cell for cell in column if not is_missing(cell)]
    return bool(present) and _numbers(present) >= _SHARE * len(present)


def _numbers(cells: Sequence[str]) -> int:
    return int(read_numbers(cells).readable.sum())


def _parsable(column: Sequence[str]) -> float:
    """Share of the cells that are SMILES."""
    from molweight.datasets._parse import parsable

    parsed = parsable([cell for cell in column if not is_missing(cell)])
    return sum(parsed) / len(parsed) if parsed else 0.0


class Headed(NamedTuple):
    """The header of a table and the first records.

    Args:
        records: The first records below the header.
        names: Names of the columns.
        row: Row of the header; 0 without one.
        notes: Notes, in words.
    """

    records: list[Record]
    names: list[str]
    row: int
    notes: tuple[str, ...]


def headed(start: list[Record], *, header: bool | None = None) -> Headed:
    """The first records of a table without its header and the lines above it.

    Args:
        start: The first records.
        header: Whether the first of them names the columns; ``None`` to detect it.

    Returns:
        The records and the names.
    """
    skipped = 0 if header is False else preamble([cells for _, cells in start])
    row, first = start[skipped] if start else (1, [])
    rest = start[skipped + 1 :]
    cells = [cells for _, cells in rest]
    said = (f"{skipped} row{'s' * (skipped > 1)} above the header skipped",) if skipped else ()
    if header is False or (header is None and is_headerless(first, cells)):
        quoted = ", ".join(
            cell if len(cell) <= _SENTENCE else f"{cell[: _SENTENCE - 3]}..." for cell in first[:_QUOTED]
        )
        note = (
            f"row {row} ({quoted}) is a molecule: read without a header ({mention('header', value=True)} if it is one)"
        )
        return Headed(start[skipped:], made_up_names([first, *cells]), 0, (*said, note) if header is None else said)
    names, renamed = told_apart([name.strip() for name in first])
    names, of_rows = _with_row_names(names, cells)
    return Headed(rest, names, row, (*said, *renamed, *of_rows))


def told_apart(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Unique names, and notes about repeated ones.

    Example:
        >>> told_apart(["smiles", "y", "y"])
        (['smiles', 'y', 'y (2)'], ["2 columns are called 'y': the second is read as 'y (2)'"])
    """
    taken, seen, found = set(names), set[str](), list[str]()
    following: dict[str, int] = {}
    for place, name in enumerate(names):
        new, number = name, following.get(name, 2) if name else place
        while new in seen or (new != name and new in taken):
            new = f"{name} ({number})" if name else f"Unnamed: {number}"
            number += 1
        if new != name:
            following[name] = number
        seen.add(new)
        found.append(new)
    counts = Counter(name for name, new in zip(names, found, strict=True) if name and new != name)
    said = [
        f"{count + 1} columns are called {name!r}: the second is read as {found[_second(names, name)]!r}"
        for name, count in list(counts.items())[:_SHOWN]
    ]
    return found, said


def _second(names: Sequence[str], name: str) -> int:
    return [place for place, other in enumerate(names) if other == name][1]


def _with_row_names(names: list[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """The names, with one more for row names, which R writes without a header."""
    place = next((number for number, name in enumerate(names) if names_smiles(name)), None)
    longer = len(rows) > 1 and all(len(row) == len(names) + 1 for row in rows)
    if place is None or not longer or _parsable([row[place + 1] for row in rows[:_LOOKED_AT]]) < _SHARE:
        return names, []
    if _parsable([row[place] for row in rows[:_LOOKED_AT]]) >= _SHARE:
        return names, []  # the extra cell is at the end
    return ["", *names], ["rows have one cell more than the header: the first cell is read as a row name"]
