"""SD files: mol blocks with named values."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from molweight.datasets._header import Record
from molweight.datasets._table import TextTable
from molweight.datasets._text import MAX_ATOMS, check_rows, read_text
from molweight.errors import DataError
from molweight.graphs.internal import Guarded, canonical_text

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["FIELD", "LONGEST_RECORD", "TAKEN", "named_values", "parse_sdf", "read_sdf", "structure"]

_LINE: Final = re.compile(r"\r\n|\n|\r")
FIELD: Final = re.compile(r">.*?<(.+)>.*")
TAKEN: Final = {"structure": "structure (value)", "title": "title (value)"}
"""New names for values that clash with columns of the reader."""
_END: Final = "M  END"
_LARGE: Final = 200
"""Number of lines from which a mol block is read in a separate process."""
LONGEST_RECORD: Final = 4 * MAX_ATOMS
"""Maximum number of lines of a record that is parsed: atoms, bonds and named values."""


def read_sdf(
    path: str | Path, encoding: str | None = None, *, max_mb: float | None = None, max_rows: int | None = None
) -> TextTable:
    """Read an SD file.

    Args:
        path: The file; it may be compressed with gzip, xz or bzip2.
        encoding: Name of the encoding; ``None`` for UTF-8, or the encoding given by the file's byte-order mark.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit.
        max_rows: Maximum number of rows; ``None`` for the default limit. Checked before the rows are read.

    Returns:
        The table: one row per record, counted from 1; the columns ``structure`` (SMILES), ``title`` and one per named
        value. A record with an unreadable mol block keeps its row and its values.

    Raises:
        DataError: If the file cannot be read, or holds no record.
    """
    text = read_text(path, encoding, max_mb=max_mb)
    check_rows(str(path), text.count("$$$$"), max_rows)
    return parse_sdf(text, str(path))


def parse_sdf(text: str, source: str) -> TextTable:
    """:func:`read_sdf` for a text in memory.

    Args:
        text: The text of the file.
        source: Its name in messages.

    Returns:
        The table.

    Raises:
        DataError: If there is no record.
    """
    import pandas as pd
    from rdkit import rdBase

    records = list(_records(text))
    if not records:
        raise DataError(f"{source}: holds no record. Each begins with a mol block and ends with a line $$$$.")
    reasons: dict[int, str] = {}
    twice: dict[str, int] = {}
    rows: list[dict[str, str]] = []
    with rdBase.BlockLogs():
        for place, (number, lines) in enumerate(records):
            smiles, reason = structure(lines)
            if reason:
                reasons[place] = reason
            rows.append({"structure": smiles, "title": lines[0].strip(), **named_values(lines)})
            for name in repeated_names(lines):
                twice.setdefault(name, number)
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[row.get(name, "") for name in names] for row in rows]
    index = pd.Index([number for number, _ in records], name="record")
    frame = pd.DataFrame(cells, index=index, columns=names, dtype=object)
    notes = [f"record {first} holds {name!r} more than once: the last value is used" for name, first in twice.items()]
    return TextTable(source, frame, unit="record", smiles="structure", reasons=reasons, notes=tuple(notes))


def _records(text: str) -> Iterator[Record]:
    """The lines and the number of each record that is not blank."""
    lines: list[str] = []
    number = 1
    for line in [*_LINE.split(text), "$$$$"]:
        if line.rstrip() != "$$$$":
            lines.append(line)
            continue
        if any(item.strip() for item in lines):
            yield number, lines
        number += 1
        lines = []


def structure(lines: list[str]) -> tuple[str, str]:
    """The SMILES of a record, or an empty text and the reason.

    Args:
        lines: The record without the line that ends it.
    """
    if len(lines) > LONGEST_RECORD:
        return "", f"a record of {len(lines)} lines is too long: a molecule may have at most {MAX_ATOMS} atoms"
    end = next((place for place, line in enumerate(lines) if line.rstrip() == _END), None)
    if end is None:
        return "", f"no line {_END!r}: the record is truncated or not a mol block"
    return Guarded(_structure, _only, _given_up, "reading it", alone=_is_large)(["\n".join(lines[: end + 1])])


def _structure(blocks: Sequence[str]) -> tuple[str, str]:
    """The SMILES of a mol block, or an empty text and the reason."""
    from rdkit import Chem

    molecule: Mol | None = Chem.MolFromMolBlock(blocks[0])
    if molecule is not None:
        return (canonical_text(molecule), "") if molecule.GetNumAtoms() else ("", "a mol block without atoms")
    return "", _reason(Chem.MolFromMolBlock(blocks[0], sanitize=False))


def _is_large(block: str) -> bool:
    return block.count("\n") > _LARGE


def _only(parts: list[tuple[str, str]]) -> tuple[str, str]:
    return parts[0]


def _given_up(_: str, reason: str) -> tuple[str, str]:
    return "", reason


def _reason(unchecked: "Mol | None") -> str:
    """RDKit's objection to a mol block that it refused."""
    from rdkit import Chem

    problems = [] if unchecked is None else Chem.DetectChemistryProblems(unchecked)
    return problems[0].Message() if problems else "not a valid mol block"


def repeated_names(lines: list[str]) -> set[str]:
    """Names that occur several times in a record."""
    found = [match[1] for line in lines if line.startswith(">") and (match := FIELD.fullmatch(line.rstrip()))]
    return {name for name in found if found.count(name) > 1}


def named_values(lines: list[str]) -> dict[str, str]:
    """The named values of a record; the lines of a value are joined by spaces."""
    values: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        found = FIELD.fullmatch(line.rstrip()) if line.startswith(">") else None
        if found and not current:
            current = values.setdefault(found[1], [])
            current.clear()
        elif not line.strip():
            current = None
        elif current is not None:
            current.append(line.strip())
    return {TAKEN.get(name, name): " ".join(parts) for name, parts in values.items()}
