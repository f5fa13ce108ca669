"""A user's table from a file of any common format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from molweight.arguments import check_choice
from molweight.datasets._assemble import OnError, Options
from molweight.datasets._excel import read_excel
from molweight.datasets._frames import read_parquet
from molweight.datasets._from_table import from_table
from molweight.datasets._numbers import Decimal
from molweight.datasets._read_sdf import read_sdf
from molweight.datasets._read_smi import read_smi
from molweight.datasets._replicates import Duplicated
from molweight.datasets._standardize import StandardStep
from molweight.datasets._table import TextTable, read_table
from molweight.datasets._table_spec import Metric, Task
from molweight.datasets._text import check_rows, inner_name, is_text
from molweight.graphs import MoleculeDataset
from molweight.storage import escape_controls

__all__ = ["FileFormat", "Reading", "from_csv", "from_file", "read_any", "read_column", "stem"]

FileFormat = Literal["csv", "excel", "parquet", "sdf", "smi"]

_PACKINGS: Final = (".gz", ".xz", ".bz2", ".zip")
_ENDINGS: Final[dict[str, FileFormat]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".smi": "smi",
    ".smiles": "smi",
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"), "excel"),
}


def from_file(
    path: str | Path,
    smiles: str | None = None,
    targets: str | Sequence[str] | None = None,
    *,
    file_format: FileFormat | None = None,
    task: Task | None = None,
    metric: Metric | None = None,
    name: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    sheet: str | int = 0,
    positive: str | None = None,
    decimal: Decimal | None = None,
    relation: str | None = None,
    duplicates: Duplicated = "mean",
    sample_weight: str | None = None,
    target_weights: Sequence[float] | Mapping[str, float] = (),
    split_column: str | None = None,
    on_error: OnError = "skip",
    standardize: StandardStep | Sequence[StandardStep] = (),
    max_mb: float | None = None,
    max_rows: int | None = None,
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    r"""A dataset from a file: CSV, TSV, Parquet, Excel, SDF or one SMILES a line; text with gzip, xz, bzip2 or zip.

    Columns that are not named are detected, and the choice is logged; doubtful cases are in the dataset's ``notes``. An
    unusable row never shifts the labels of others: it goes to ``rejects``, with the reason. Row numbers in messages are
    those of a text editor: in delimited text the header is row 1, and blank rows count; ``number`` of a reject is the
    same. ``rows`` and ``row`` of a reject count the records from 0.

    Numbers may have decimal commas, thousands separators, percent signs, units or ``±``; each column has one style,
    which is reported. ``<5`` and ``>10`` are bounds, as are labels marked by a column of relations. Two words
    (``active`` and ``inactive``) are classes.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it by its name, or by its content. In an SD file the molecules are
            in the column ``structure``, made from the mol blocks.
        targets: The label columns; ``None`` for every column of numbers or classes that does not look like anything
            else (identifiers, counters, codes, dates, conditions, descriptors); ``[]`` for none. ``p(X)`` is -log10 of
            the molar concentrations in column ``X``, and ``X=word`` whether a molecule belongs to one class of ``X``.
            Empty cells, ``NaN``, ``NA`` and ``N/A`` are missing labels; ``true`` and ``false`` are 1 and 0 in a column
            without other numbers.
        file_format: ``"csv"`` (or any other delimiter), ``"excel"``, ``"parquet"``, ``"sdf"`` or ``"smi"``; ``None`` to
            choose by the file's extension, with delimited text for unknown ones.
        task: ``"classification"`` or ``"regression"``; ``None`` for classification if all labels are 0 or 1.
            ``"multiclass"`` makes one target of each class of a column.
        metric: Metric of predictions; ``None`` for ROC-AUC for classes, RMSE for numbers, and RMSE divided by the
            standard deviation (``"scaled_rmse"``) for several columns of numbers.
        name: Name of the table; ``None`` for the name of the file.
        delimiter: Separator of the cells of text; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Encoding of text; ``None`` for UTF-8, or the encoding given by its byte-order mark.
        header: Whether the first row of text or of a sheet names the columns; ``None`` to detect it.
        sheet: Name or number (from 0) of the sheet of a spreadsheet.
        positive: The word or number that is class 1; ``None`` to infer it from the meaning of words such as "active".
        decimal: ``"."`` or ``","``; ``None`` to find it, column by column.
        relation: Column whose ``<`` and ``>`` mark labels that are bounds; ``None`` to find it. If it belongs to
            concentrations of which the labels are negative logarithms, only ``None`` exchanges ``<`` and ``>``.
        duplicates: Treatment of molecules in several rows: ``"mean"`` or ``"median"`` of their labels (for classes, the
            majority), weighted by ``sample_weight``; ``"keep"`` all rows, or ``"drop"`` such molecules.
        target_weights: Weight of each target in the loss: in their order, or by name, with 1 for targets that are not
            named; none for equal ones.
        sample_weight: Column with a weight for each row; none by default. Labels of rows of weight 0 are not used.
        split_column: Column with the role of each row, for ``split(data, "column")``; ``None`` to find it.
        on_error: Treatment of rows with an unparsable molecule or an unreadable label. ``"raise"`` refuses the table.
            ``"skip"`` leaves the row out and reports it in ``rejects``, but refuses a table if half of a column is
            unreadable, or if a column that you did not name has an unreadable label. ``"nan"`` treats such a label as
            missing, keeps the row, and reports the cell. With ``"skip"`` and ``"nan"``, an unparsable molecule is left
            out; ``rows`` of the dataset holds the row of each remaining molecule.
        standardize: Any of ``"salts"``, ``"charges"``, ``"tautomers"``; see :func:`molweight.datasets.standardize`.
        max_mb: Maximum uncompressed size of a file in MB; 512 by default.
        max_rows: Maximum number of rows; a million by default.
        cache: Whether to cache the featurised molecules on disk.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If the file, a column, a label or a molecule cannot be used.
        ConfigError: If an option has no such choice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.smi")
        ...     _ = path.write_text("CCO ethanol\nC1CC ?\nc1ccccc1 benzene\n")
        ...     data = from_file(path, cache=False)
        >>> data, data.rejects[0].reason
        (<MoleculeDataset mine: 2 molecules, 1 row without a molecule>, 'ring 1 is not closed')
    """
    if file_format is not None:
        check_choice("", "file_format", file_format, get_args(FileFormat))
    options = Options(
        name=name or stem(path), task=task, metric=metric, on_error=on_error, standardize=standardize,
        cache=cache, n_jobs=n_jobs, progress=progress, positive=positive, decimal=decimal, relation=relation,
        duplicates=duplicates, sample_weight=sample_weight, target_weights=target_weights, split_column=split_column,
    )  # fmt: skip
    how = Reading(file_format, delimiter, encoding, header, sheet, max_mb, max_rows)
    return from_table(read_any(path, how), smiles, targets, options)


@dataclass(frozen=True)
class Reading:
    """Options for reading a file as a table; documented by :func:`from_file`."""

    file_format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    sheet: str | int = 0
    max_mb: float | None = None
    max_rows: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Reading":
        """The reading options among the arguments of :func:`from_file`."""
        return cls(**{item.name: options[item.name] for item in fields(cls) if item.name in options})


def read_column(path: str | Path, column: str, delimiter: str | None = None, encoding: str | None = None) -> list[str]:
    """The text of one column of a file for :func:`from_file`: one cell per record, without surrounding blanks.

    Args:
        path: The file; it may be compressed with gzip, xz or bzip2.
        column: Name of the column.
        delimiter: Separator of the cells; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Name of the encoding; ``None`` for UTF-8, or the encoding given by the file's byte-order mark.

    Returns:
        The cells, including those of rows without a molecule.
    """
    return read_any(path, Reading(delimiter=delimiter, encoding=encoding)).cells(column)


def read_any(path: str | Path, how: Reading | None = None) -> TextTable:
    """Read a file of some format as a table of text.

    Args:
        path: The file.
        how: Reading options; ``None`` to detect everything.

    Returns:
        The table.

    Raises:
        DataError: If it cannot be read, or is too large.
    """
    how = how or Reading()
    file_format = how.file_format or format_of(path)
    if file_format == "excel" and how.file_format is None and is_text(path):
        table = read_any(path, replace(how, file_format="csv"))
        return replace(table, notes=("is a text file despite its suffix, and is read as a table of text", *table.notes))
    if file_format == "parquet":
        return read_parquet(path, max_mb=how.max_mb, max_rows=how.max_rows)
    if file_format == "excel":
        return read_excel(path, how.sheet, header=how.header, max_mb=how.max_mb, max_rows=how.max_rows)
    if file_format == "sdf":
        table = read_sdf(path, how.encoding, max_mb=how.max_mb, max_rows=how.max_rows)
    elif file_format == "smi":
        table = read_smi(path, how.encoding, max_mb=how.max_mb, max_rows=how.max_rows)
    else:
        table = read_table(
            path, how.delimiter, how.encoding, header=how.header, max_mb=how.max_mb, max_rows=how.max_rows
        )
    check_rows(str(path), len(table.frame), how.max_rows)
    return table


def format_of(path: str | Path) -> FileFormat:
    """The format given by the extension of a file.

    Example:
        >>> format_of("mine.SDF.gz"), format_of("mine.tsv")
        ('sdf', 'csv')
    """
    plain = Path(_unpacked(path))
    if not plain.suffix and Path(path).suffix.lower() == ".zip":
        plain = Path(inner_name(Path(path)))
    return _ENDINGS.get(plain.suffix.lower(), "csv")


def stem(path: str | Path) -> str:
    """The name of a file without its extension and that of its compression."""
    return escape_controls(Path(_unpacked(path)).stem)


def _unpacked(path: str | Path) -> str:
    plain = Path(path)
    return plain.stem if plain.suffix.lower() in _PACKINGS else plain.name


def from_csv(
    path: str | Path, smiles: str | None = None, targets: str | Sequence[str] | None = None, **options: Any
) -> MoleculeDataset:
    r"""A dataset from a CSV or TSV file, optionally compressed with gzip, xz or bzip2.

    Like :func:`molweight.datasets.from_file`, which documents the options, but for any file extension.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it by its name, or by its content.
        targets: The label columns; ``None`` to find them, ``[]`` for none.
        **options: See :func:`molweight.datasets.from_file`, except ``file_format`` and ``sheet``.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If the file, a column, a label or a molecule cannot be used.
        ConfigError: If an option has no such choice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.csv")
        ...     _ = path.write_text("id,smiles,y\n7,CCO,0.5\n9,C1CC,1.5\n4,c1ccccc1,\n")
        ...     data = from_csv(path, cache=False)
        >>> data
        <MoleculeDataset mine: 2 molecules, 1 targets (regression), 1 row without a molecule>
        >>> data.target_names, data.targets.ravel().tolist(), data.rejects[0].row
        (['y'], [0.5, nan], 1)
    """
    return from_file(path, smiles, targets, file_format="csv", **options)
