"""How large a table may be before it is read: what is packed small may be large."""

from typing import Final

from molweight.errors import DataError, mention

__all__ = ["MAX_ATOMS", "MAX_MB", "MAX_ROWS", "check_rows", "check_size"]

MAX_MB: Final = 512.0
"""Megabytes of a table, unpacked, that is read as a whole."""
MAX_ROWS: Final = 1_000_000
"""Rows of a table that is read as a whole."""
MAX_ATOMS: Final = 65_535
"""Atoms of a molecule."""


def check_size(source: str, size: int, max_mb: float | None = None) -> None:
    """Refuse a table that is too large, before it is in memory.

    Args:
        source: What it is called in messages.
        size: Its bytes, unpacked, as far as they are known.
        max_mb: The limit in megabytes; ``None`` for :data:`MAX_MB`.

    Raises:
        DataError: If it is larger than the limit.
    """
    limit = MAX_MB if max_mb is None else max_mb
    if size > limit * (1 << 20):
        raise DataError(
            f"{source}: is larger than {limit:g} MB once unpacked, so it was not read to its end. A labelled table is "
            f"held in memory; if it is meant to be this large, raise the limit, e.g. {mention('max_mb', 4 * limit)}."
        )


def check_rows(source: str, rows: int, max_rows: int | None = None) -> None:
    """Refuse a table with too many rows, before they are read.

    Args:
        source: What it is called in messages.
        rows: Its rows.
        max_rows: The limit; ``None`` for :data:`MAX_ROWS`.

    Raises:
        DataError: If there are more.
    """
    limit = MAX_ROWS if max_rows is None else max_rows
    if rows > limit:
        raise DataError(
            f"{source}: has {rows} rows or more, over the limit of {limit}. A labelled table is held in memory; if it "
            f"is meant to be this large, raise the limit, e.g. {mention('max_rows', 4 * max(rows, limit))}."
        )
