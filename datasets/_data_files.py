"""Files that are not in the wheel: from the folder ``MOLWEIGHT_DATA``, or downloaded once."""

import hashlib
import math
import os
from pathlib import Path
from typing import Final

from molweight.datasets._download import download
from molweight.datasets._table_spec import Table
from molweight.datasets._text import read_bytes
from molweight.errors import ConfigError, DataError
from molweight.graphs.internal import cache_root

__all__ = ["VARIABLE", "data_folder", "read_source", "source_at_hand"]

VARIABLE: Final = "MOLWEIGHT_DATA"


def data_folder() -> Path | None:
    """The folder given by the environment variable ``MOLWEIGHT_DATA``; ``None`` if it is not set.

    Raises:
        ConfigError: If it is not a folder.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise ConfigError(
            f"{VARIABLE} names {named!r}, which is not a folder. Correct it, or unset it to download tables."
        )
    return Path(named)


def read_source(entry: Table) -> bytes:
    """The CSV of a table, verified.

    It is read from ``moleculenet/<name>.csv.gz`` or ``.csv`` in the folder ``MOLWEIGHT_DATA``, or from the cache. If it
    is in neither, it is downloaded into the cache.

    Args:
        entry: The table.

    Returns:
        Its bytes as MoleculeNet publishes them.

    Raises:
        DataError: If it is not available, or is not the published file.
    """
    found = _placed(entry.name)
    if found is not None:
        content = read_bytes(found, max_mb=math.inf)
        _verify(found, content, entry.sha256)
        return content
    path = cache_root() / "downloads" / f"{entry.name}.csv"
    download(entry.url, path, entry.sha256, _remedy(entry))
    return path.read_bytes()


def source_at_hand(entry: Table) -> bool:
    """Whether :func:`read_source` would find the file of a table without downloading it."""
    return _placed(entry.name) is not None or (cache_root() / "downloads" / f"{entry.name}.csv").exists()


def _placed(name: str) -> Path | None:
    """The file of a table in the user's own folder."""
    folder = data_folder()
    if folder is None:
        return None
    candidates = [folder / "moleculenet" / f"{name}{ending}" for ending in (".csv.gz", ".csv")]
    return next((path for path in candidates if path.exists()), None)


def _verify(path: Path, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: differs from the table published by MoleculeNet: the SHA-256 of the uncompressed file is "
            f"{found}, expected {expected}. Replace it, or remove it to download it again; to read your own table, use "
            "from_file."
        )


def _remedy(entry: Table) -> str:
    """Advice for the case without a network."""
    folder = data_folder() or Path("FOLDER")
    place = folder / "moleculenet" / f"{entry.name}.csv.gz"
    return (
        f"Without internet access: download {entry.url} on another machine, put it at {place} (or, unpacked, as "
        f"{entry.name}.csv next to it), and set {VARIABLE}={folder}."
    )
