"""Results from the literature, to show next to our own."""

from pathlib import Path
from typing import Final

import pandas as pd

from molweight.errors import ConfigError

__all__ = ["read_published"]

_COLUMNS: Final = ("method", "table", "metric", "mean", "sd", "source")


def read_published(path: str | Path) -> pd.DataFrame:
    """Read results from a file.

    Args:
        path: CSV file with the columns ``method, table, metric, mean, sd, source``.

    Raises:
        ConfigError: If it cannot be read, or lacks a column or a value.
    """
    try:
        rows = pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ConfigError(f"published: {path}: cannot be read ({error}). Name a CSV file.") from error
    missing = [name for name in _COLUMNS if name not in rows.columns]
    if missing:
        raise ConfigError(f"published: {path}: has no column {missing[0]!r}. Columns: {', '.join(_COLUMNS)}.")
    for name in _COLUMNS:
        if name != "sd" and rows[name].isna().any():
            line = int(rows[name].isna().to_numpy().argmax()) + 2
            raise ConfigError(f"published: {path}, line {line}: {name} is empty. Every row needs its source.")
    for name in ("mean", "sd"):
        if not pd.api.types.is_numeric_dtype(rows[name]):
            raise ConfigError(f"published: {path}: {name} must be numbers.")
    return rows
