"""Files in the wheel, each verified against its checksum."""

import hashlib
import json
import lzma
from functools import cache
from pathlib import Path
from typing import Final

from molweight.errors import DataError

__all__ = ["EMBEDDED", "read_embedded", "read_embedded_split"]

EMBEDDED: Final = Path(__file__).parent / "embedded"
"""The folder with the tables, the corpus, the frozen splits and ``checksums.json``."""

_REMEDY: Final = "Reinstall molweight (pip install --force-reinstall --no-deps molweight)."


def read_embedded(name: str, folder: Path = EMBEDDED) -> bytes:
    """The content of an embedded file, decompressed if its name ends in ``.xz``.

    Args:
        name: The file, relative to ``folder``.
        folder: Folder of the files and their ``checksums.json``.

    Returns:
        The bytes.

    Raises:
        DataError: If the file is missing, not listed, or not the file that was published.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). {_REMEDY}") from error
    _verify(path, content, _expected(folder).get(name))
    return lzma.decompress(content) if path.suffix == ".xz" else content


def read_embedded_split(table: str, split: str, folder: Path = EMBEDDED) -> dict[str, str] | None:
    """The frozen split of a table, as stored by ``experiments/tools/embed_data.py``.

    Args:
        table: Name of the table.
        split: Name of the split.
        folder: Folder of the embedded files.

    Returns:
        Its ``definition``, ``roles`` (one letter per row of the table) and ``smiles_sha256``; ``None`` if the table has
        no frozen split of that name.

    Raises:
        DataError: If the file is damaged.
    """
    names = [f"splits/{table}.{split}.json{packing}" for packing in ("", ".xz")]
    name = next((name for name in names if name in _expected(folder)), None)
    if name is None:
        return None
    stored: dict[str, str] = json.loads(read_embedded(name, folder))
    return stored


@cache
def _expected(folder: Path) -> dict[str, str]:
    """The published sha256 of every embedded file."""
    path = folder / "checksums.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the list of checksums cannot be read ({error}). {_REMEDY}") from error
    return {name: entry["sha256"] for name, entry in listed.items()}


def _verify(path: Path, content: bytes, expected: str | None) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: the file is damaged: its SHA-256 is {found}, expected {expected or 'none'}. {_REMEDY}"
        )
