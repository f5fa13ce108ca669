"""Data frames, of pandas or from Parquet, as tables of text."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from molweight.datasets._columns import find_smiles
from molweight.datasets._header import smiles_rank, told_apart
from molweight.datasets._parse import parsable
from molweight.datasets._table import TextTable
from molweight.datasets._text import check_rows, check_size, read_bytes
from molweight.errors import DataError
from molweight.graphs.internal import written

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["parquet_rows", "parquet_smiles", "read_parquet", "text_frame", "with_molecules_of_index"]

_PROBE: Final = 50
"""Number of rows examined to find the SMILES column."""
_SHARE: Final = 0.8
"""Minimum share of SMILES among the first texts of an index that holds molecules."""
_NAMELESS: Final = "__index_level_0__"
"""Pandas' name for an unnamed index in a Parquet file."""
_BATCH: Final = 2000
"""Number of rows of a Parquet file in memory at a time."""
_DAMAGED: Final = (ValueError, LookupError, TypeError)
"""Exceptions of pandas and pyarrow for damaged texts or metadata in a file."""


def read_parquet(path: str | Path, *, max_mb: float | None = None, max_rows: int | None = None) -> TextTable:
    """Read a Parquet file.

    Args:
        path: The file; it may be compressed once more, with gzip, xz or bzip2.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit.
        max_rows: Maximum number of rows; ``None`` for the default limit.

    Returns:
        The table; its rows are counted from 1.

    Raises:
        DataError: If the file cannot be read as Parquet, or has no rows.
    """
    import pyarrow as pa
    from pyarrow import parquet

    content = read_bytes(path, max_mb=max_mb)
    try:
        about = parquet.read_metadata(io.BytesIO(content))
        check_rows(str(path), about.num_rows, max_rows)
        parts = [about.row_group(group).total_byte_size for group in range(about.num_row_groups)]
        check_size(str(path), sum(parts), max_mb)
        frame = _pandas(parquet.read_table(io.BytesIO(content)))
    except DataError:
        raise
    except (pa.ArrowException, OSError, *_DAMAGED) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({' '.join(str(error).split())}). Write it again."
        ) from error
    return text_frame(_with_stored_index(frame), str(path), first=1)


def parquet_smiles(path: str | Path, smiles: str | None = None) -> Iterator[str]:
    """The SMILES of a Parquet file of any size, a group of rows at a time.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it.

    Yields:
        One SMILES per row; empty where it is missing.

    Raises:
        DataError: If the file cannot be read as Parquet, or has no such column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            first = next(file.iter_batches(batch_size=_PROBE), None)
            if first is None or not len(first):
                return
            table = text_frame(_with_stored_index(_pandas(first)), str(path))
            column = find_smiles(table) if smiles is None else smiles
            table.cells(column)  # raises an error if the column is missing
            stored = column if column in file.schema_arrow.names else _NAMELESS
            for batch in file.iter_batches(columns=[stored]):
                yield from (_text(value).strip() for value in batch.column(0).to_pylist())
    except DataError:
        raise
    except (pa.ArrowException, *_DAMAGED) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({' '.join(str(error).split())}). Write it again without compression."
        ) from error


def parquet_rows(path: str | Path, smiles: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """The cells of a Parquet file of any size as text, a group of rows at a time.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it.

    Yields:
        Position of the SMILES column with the names of all columns; then each row, counted from 1, with its cells.

    Raises:
        DataError: If the file cannot be read as Parquet, or has no such column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    done = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                if not len(batch):
                    continue
                table = text_frame(_with_stored_index(_pandas(batch)), str(path))
                if done == 0:
                    column = find_smiles(table) if smiles is None else smiles
                    table.cells(column)  # raises an error if the column is missing
                    yield table.columns.index(column), table.columns
                yield from enumerate(table.frame.to_numpy(dtype=object).tolist(), start=done + 1)
                done += len(batch)
    except DataError:
        raise
    except (pa.ArrowException, *_DAMAGED) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({' '.join(str(error).split())}). Write it again uncompressed."
        ) from error


def _pandas(stored: "pa.Table | pa.RecordBatch") -> "pd.DataFrame":
    """A data frame whose integers stay integers, which floats with missing values are not, and do not round to."""
    frame: pd.DataFrame = stored.to_pandas(integer_object_nulls=True)
    return frame


def text_frame(frame: "pd.DataFrame", source: str, *, first: int = 0) -> TextTable:
    """A data frame as text: numbers in a form that is parsed back exactly, missing values as empty cells.

    Args:
        frame: The data frame.
        source: Its name in messages.
        first: Number of the first row in messages: 1 for a file, 0 for a data frame.

    Returns:
        The table; its rows are numbered from ``first``, regardless of the index of ``frame``.

    Raises:
        DataError: If it has no rows, or comes from a damaged file.

    Example:
        >>> import pandas as pd
        >>> table = text_frame(pd.DataFrame({"smiles": ["CCO", None], "y": [0.1, float("nan")]}), "mine")
        >>> table.cells("smiles"), table.cells("y"), table.place(1, "y")
        (['CCO', ''], ['0.1', ''], "row (from 0) 1, column 'y'")
    """
    import pandas as pd
    from pyarrow.lib import ArrowException

    if len(frame) == 0:
        raise DataError(f"{source}: there are no rows. Add one row per molecule.")
    try:
        columns = [[_text(value) for value in frame.iloc[:, place].tolist()] for place in range(frame.shape[1])]
    except ArrowException as error:
        raise DataError(f"{source}: is damaged: its values cannot be read ({error}). Write the file again.") from error
    text = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(first, first + len(frame)), dtype=object)
    names, renamed = told_apart([str(name) for name in frame.columns])
    text.columns = pd.Index(names, dtype=object)
    return TextTable(source, text, unit="row" if first else "row (from 0)", notes=tuple(renamed))


def with_molecules_of_index(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A data frame with its index as last column, if it holds SMILES and no column has its name.

    Example:
        >>> import pandas as pd
        >>> list(with_molecules_of_index(pd.DataFrame({"y": [0.5, 1.5]}, index=["CCO", "c1ccccc1"])).columns)
        ['y', 'smiles']
    """
    texts = [text for text in frame.index[:_PROBE] if isinstance(text, str)]
    named = any(smiles_rank(str(name)) is not None for name in frame.columns)
    if named or not texts or sum(parsable(texts)) < _SHARE * len(frame.index[:_PROBE]):
        return frame
    return _with_index(frame, "smiles")


def _with_stored_index(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A data frame from Parquet with its index as last column, if it is text."""
    import pandas as pd

    texts = frame.index.nlevels == 1 and (
        pd.api.types.is_object_dtype(frame.index.dtype) or pd.api.types.is_string_dtype(frame.index.dtype)
    )
    return _with_index(frame, "index") if texts else frame


def _with_index(frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
    plain = frame.reset_index(drop=True)
    chosen = name if frame.index.name is None else frame.index.name
    plain.insert(plain.shape[1], chosen, list(frame.index), allow_duplicates=True)
    return plain


def _text(value: Any) -> str:
    """One value as text."""
    import pandas as pd

    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if type(value).__module__.startswith("rdkit."):  # a molecule; not called for numbers, as it imports RDKit
        return str(written(value))
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
