"""Where the header of a delimited table stands, and whether it has one."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from molweight.datasets._numbers import is_missing, read_numbers

__all__ = ["SMILES_NAMES", "blank_comments", "is_headerless", "made_up_names", "preamble", "smiles_rank"]

SMILES_NAMES: Final = (
    *("smiles", "canonical_smiles", "isomeric_smiles", "smi", "mol", "molecule", "structure", "compound"),
    *("rdkit_smiles", "std_smiles", "ligand_smiles"),
)
"""Names of SMILES columns, the likeliest first."""

_COMMENTS: Final = ("#", "//")
_MOST: Final = 10
"""Lines above the header that are looked through."""
_PROBE: Final = 30
"""Rows looked at."""
_SHARE: Final = 0.8
_HALF: Final = 0.5
"""Share of cells that are SMILES from which a column without a name holds molecules."""
_SENTENCE: Final = 60
"""Characters from which a cell is no name."""
_WORD: Final = re.compile(r"[A-Za-z_][\w .%/-]*")


def smiles_rank(name: str) -> int | None:
    """How likely a name is to be that of the SMILES column, 0 first; ``None`` for not at all.

    Example:
        >>> smiles_rank("SMILES"), smiles_rank("PUBCHEM_EXT_DATASOURCE_SMILES"), smiles_rank("y")
        (0, 11, None)
    """
    folded = re.sub(r"[ .-]+", "_", name.strip().lower())
    if folded in SMILES_NAMES:
        return SMILES_NAMES.index(folded)
    return len(SMILES_NAMES) if "smiles" in folded else None


def _names_smiles(cell: str) -> bool:
    """Whether a cell is the name of a SMILES column, and no sentence about it."""
    return smiles_rank(cell) is not None and len(cell) < _SENTENCE


def blank_comments(text: str) -> tuple[str, int]:
    r"""A table without the comments above its header; blank lines take their place, so that rows keep their numbers.

    A header that is itself written as a comment (``#smiles,y``) keeps its words.

    Args:
        text: The text of the file.

    Returns:
        The text, and how many lines were comments.

    Example:
        >>> blank_comments("# by me\n#smiles,y\nC,1\n")
        ('\nsmiles,y\nC,1\n', 1)
    """
    if not text.lstrip("\ufeff \t\r\n").startswith(_COMMENTS):
        return text, 0
    lines = re.split(r"(\r\n|\n|\r)", text)  # lines at even places, their ends at odd ones
    last, count, kept = 0, 0, ""
    for place in range(0, len(lines), 2):
        if lines[place].strip() and not lines[place].lstrip().startswith(_COMMENTS):
            break
        if lines[place].strip():
            last, count = place, count + 1
            lines[place], kept = "", lines[place].lstrip("\ufeff #/\t")
    cells = re.split(r"[,;\t|]", kept)
    if any(_names_smiles(cell) for cell in cells):
        lines[last], count = kept, count - 1
    return "".join(lines), count


def preamble(records: Sequence[Sequence[str]]) -> int:
    """How many of the first records stand above the header: titles and remarks, of another length than all the rest.

    Args:
        records: The first records.

    Returns:
        Their number; 0 where that is not certain.

    Example:
        >>> preamble([["Solubility of drugs"], ["smiles", "y"], ["C", "1"], ["CC", "2"], ["CCC", "3"]])
        1
    """
    if not records:
        return 0
    width = Counter(map(_width, records)).most_common(1)[0][0]
    length = Counter(map(len, records)).most_common(1)[0][0]
    first = next((place for place, record in enumerate(records) if not _is_above(record, length, width)), 0)
    certain = (
        0 < first <= _MOST
        and width > 1
        and len(records) - first > max(first, 2)
        and all(width == _width(record) or length == len(record) for record in records[first:])
        and not any(_names_smiles(cell) for record in records[:first] for cell in record)
    )
    return first if certain else 0


def _is_above(record: Sequence[str], length: int, width: int) -> bool:
    """Whether a record cannot be a header: another length than the rest, or only one cell of several is filled in."""
    return _width(record) != width and (len(record) != length or sum(bool(cell.strip()) for cell in record) <= 1)


def _width(record: Sequence[str]) -> int:
    """Length of a record without empty cells at its end."""
    return max((place + 1 for place, cell in enumerate(record) if cell.strip()), default=0)


def is_headerless(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record of a table is a molecule like the others, rather than a header.

    It is where it has a SMILES in the column in which the others have theirs, and a number, or nothing, wherever they
    have numbers.

    Args:
        first: The first record.
        rows: The records after it.

    Returns:
        Whether there is no header; ``False`` where that is not certain.

    Example:
        >>> is_headerless(["CCO", "0.5"], [["CCC", "1.5"]]), is_headerless(["mol", "y"], [["CCC", "1.5"]])
        (True, False)
    """
    cells = [cell.strip() for cell in first]
    if not rows or not any(cells) or any(smiles_rank(cell) is not None for cell in cells):
        return False
    columns = [[row[place].strip() for row in rows[:_PROBE] if place < len(row)] for place in range(len(cells))]
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
    """Names for the columns of a table without a header: ``smiles`` for the first that holds SMILES, else numbers.

    Example:
        >>> made_up_names([["7", "CCO", "0.5"], ["8", "CCC", "1.5"]])
        ['column 1', 'smiles', 'column 3']
    """
    names = [f"column {place + 1}" for place in range(len(rows[0]))]
    for place in range(len(names)):
        column = [row[place].strip() for row in rows[:_PROBE] if place < len(row)]
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
