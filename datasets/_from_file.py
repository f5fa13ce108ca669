"""A person's own table, from a file of any usual format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, get_args

from molweight.datasets._assemble import OnError, Options
from molweight.datasets._frames import read_parquet
from molweight.datasets._from_table import from_table
from molweight.datasets._labels import check_choice
from molweight.datasets._read_sdf import read_sdf
from molweight.datasets._read_smi import read_smi
from molweight.datasets._standardize import StandardStep
from molweight.datasets._table import TextTable, read_table
from molweight.datasets._table_spec import Metric, Task
from molweight.graphs import MoleculeDataset

__all__ = ["FileFormat", "from_file", "read_column"]

FileFormat = Literal["csv", "parquet", "sdf", "smi"]

_PACKINGS: Final = (".gz", ".xz", ".bz2")
_ENDINGS: Final[dict[str, FileFormat]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".smi": "smi",
    ".smiles": "smi",
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
    on_error: OnError = "skip",
    standardize: StandardStep | Sequence[StandardStep] = (),
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    r"""A dataset from a file: CSV, TSV, Parquet, SDF or one SMILES a line, packed with gzip, xz or bzip2 or not.

    What is not named is found, and what was found is logged. A row that cannot be used never shifts another's label: it
    goes to ``rejects``, with the reason. Rows in messages are counted as a person does who opens the file: in delimited
    text the header is row 1, and blank rows count. ``rows`` and ``rejects`` of the dataset count the records from 0.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it by its name, or by its content. In an SD file the molecules are
            in the column ``structure``, made from the mol blocks.
        targets: The label columns; ``None`` for every column of numbers except identifiers and row counters; ``[]`` for
            none. Empty cells, ``NaN``, ``NA`` and ``N/A`` are missing labels, ``true`` and ``false`` are 1 and 0.
        file_format: ``"csv"`` (or any other delimiter), ``"parquet"``, ``"sdf"`` or ``"smi"``; ``None`` for what the
            name of the file ends in, and delimited text for any other ending.
        task: ``"classification"`` or ``"regression"``; ``None`` for classification if all labels are 0 or 1.
        metric: How predictions are scored; ``None`` for ROC-AUC for classes and RMSE for numbers.
        name: What to call the table; ``None`` for the name of the file.
        delimiter: What separates the cells of text; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Encoding of text; ``None`` for UTF-8, or what its byte-order mark says.
        on_error: What to do with rows whose molecule cannot be parsed, or one of whose labels cannot be read:
            ``"raise"`` refuses the table; ``"skip"`` leaves the row out and reports it in ``rejects``, but refuses a
            table in which half of a column cannot be read, or any label of a column that was found and not named;
            ``"nan"`` takes such a label for missing, keeps the row, and reports the cell. A molecule that cannot be
            parsed is left out in either case; :func:`molweight.datasets.row_aligned` gives it NaN in what is computed
            later.
        standardize: Any of ``"salts"``, ``"charges"``, ``"tautomers"``; see :func:`molweight.datasets.standardize`.
        cache: Whether to keep the featurised molecules for the next time.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If the file, a column, a label or a molecule cannot be used as it stands.
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
        check_choice("file_format", file_format, get_args(FileFormat))
    options = Options(name or stem(path), task, metric, on_error, standardize, cache, n_jobs, progress)
    table = read_any(path, file_format or format_of(path), delimiter, encoding)
    return from_table(table, smiles, targets, options)


def read_column(path: str | Path, column: str, delimiter: str | None = None, encoding: str | None = None) -> list[str]:
    """The text of one column of a file that :func:`from_file` reads: a cell per record, blanks around it removed.

    Args:
        path: The file; it may be packed with gzip, xz or bzip2.
        column: Name of the column.
        delimiter: What separates the cells; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Name of the encoding; ``None`` for UTF-8, or what the file's byte-order mark says.

    Returns:
        The cells, those of rows without a molecule included.
    """
    return read_any(path, format_of(path), delimiter, encoding).cells(column)


def read_any(path: str | Path, file_format: FileFormat, delimiter: str | None, encoding: str | None) -> TextTable:
    """Read a file of some format as a table of text."""
    if file_format == "parquet":
        return read_parquet(path)
    if file_format == "sdf":
        return read_sdf(path, encoding)
    if file_format == "smi":
        return read_smi(path, encoding)
    return read_table(path, delimiter, encoding)


def format_of(path: str | Path) -> FileFormat:
    """The format that the name of a file ends in.

    Example:
        >>> format_of("mine.SDF.gz"), format_of("mine.tsv")
        ('sdf', 'csv')
    """
    return _ENDINGS.get(Path(_unpacked(path)).suffix.lower(), "csv")


def stem(path: str | Path) -> str:
    """The name of a file without its ending, and without that of its packing."""
    return Path(_unpacked(path)).stem


def _unpacked(path: str | Path) -> str:
    plain = Path(path)
    return plain.stem if plain.suffix.lower() in _PACKINGS else plain.name
