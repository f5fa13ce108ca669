"""A person's own table, from a file."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, get_args

from molweight.datasets._columns import find_smiles, find_targets
from molweight.datasets._kinds import Metric, Task
from molweight.datasets._labels import check_choice, parse_labels, settle
from molweight.datasets._table import TextTable, read_table
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset, build_dataset

__all__ = ["OnError", "from_csv"]

OnError = Literal["skip", "raise"]

_LOG: Final = logging.getLogger(__name__)


def from_csv(
    path: str | Path,
    smiles: str | None = None,
    targets: str | Sequence[str] | None = None,
    *,
    task: Task | None = None,
    metric: Metric | None = None,
    name: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "skip",
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    r"""A dataset from a CSV or TSV file, packed with gzip, xz or bzip2 or not.

    What is not named is found, and what was found is logged. A molecule that cannot be parsed never shifts a label: its
    row goes to ``rejects``, with the reason. Rows in messages are counted as a person does who opens the file: the
    header is row 1, blank rows count. ``rows`` and ``rejects`` of the dataset count the records from 0.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it by its name, or by its content.
        targets: The label columns; ``None`` for every column of numbers except identifiers and row counters; ``[]`` for
            none. Empty cells, ``NaN``, ``NA`` and ``N/A`` are missing labels.
        task: ``"classification"`` or ``"regression"``; ``None`` for classification if all labels are 0 or 1.
        metric: How predictions are scored; ``None`` for ROC-AUC for classes and RMSE for numbers.
        name: What to call the table; ``None`` for the name of the file.
        delimiter: What separates the cells; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Encoding of the file; ``None`` for UTF-8, or what its byte-order mark says.
        on_error: What to do with rows whose molecule cannot be parsed: ``"skip"`` puts them into ``rejects``,
            ``"raise"`` refuses the table.
        cache: Whether to keep the featurised molecules for the next time.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If the file, a column, a label or (with ``on_error="raise"``) a molecule cannot be used as it stands.
        ConfigError: If an option has no such choice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.csv")
        ...     _ = path.write_text("id,smiles,y\n7,CCO,0.5\n9,C1CC,1.5\n4,c1ccccc1,\n")
        ...     data = from_csv(path, cache=False)
        >>> data
        <MoleculeDataset mine: 2 molecules, 1 targets (regression), 1 rows rejected>
        >>> data.target_names, data.targets.ravel().tolist(), data.rejects[0].row
        (['y'], [0.5, nan], 1)
    """
    check_choice("on_error", on_error, get_args(OnError))
    table = read_table(path, delimiter, encoding)
    smiles = find_smiles(table) if smiles is None else smiles
    columns = find_targets(table, smiles, task) if targets is None else _names(targets)
    labels = parse_labels(table, columns) if columns else None
    task, metric = settle(labels, columns, task, metric, table.source)
    try:
        data = build_dataset(
            table.cells(smiles),
            labels,
            name=name or _stem(path),
            task=task,
            metric=metric,
            target_names=columns,
            cache=cache,
            n_jobs=n_jobs,
            progress=progress,
        )
    except DataError as error:
        raise DataError(_no_molecule(table, smiles)) from error
    _report_rejects(table, smiles, data, on_error)
    return data


def _names(targets: str | Sequence[str]) -> list[str]:
    return [targets] if isinstance(targets, str) else list(targets)


def _no_molecule(table: TextTable, smiles: str) -> str:
    cells = table.cells(smiles)
    return (
        f"{table.source}, column {smiles!r}: none of the {len(cells)} rows from row {table.row(0)} on holds a molecule "
        f"that can be parsed; the first is {cells[0][:60]!r}. Name the SMILES column (smiles=...)."
    )


def _report_rejects(table: TextTable, smiles: str, data: MoleculeDataset, on_error: OnError) -> None:
    """Log, or refuse, the rows that cannot be used, with their rows in the file."""
    if not data.rejects:
        return
    shown = "; ".join(
        f"row {table.row(item.row)}, column {smiles!r}: {item.smiles[:60]!r} {item.reason}" for item in data.rejects[:3]
    )
    found = f"{table.source}: {len(data.rejects)} of {len(table.frame)} molecules cannot be used: {shown}"
    if on_error == "raise":
        raise DataError(f"{found}. Correct them, or leave them out with on_error='skip'.")
    _LOG.warning("%s%s", found, "; ..." if len(data.rejects) > 3 else "")  # noqa: PLR2004 - as many as are shown


def _stem(path: str | Path) -> str:
    """The name of a file without its ending, and without that of its packing."""
    plain = Path(path)
    return Path(plain.stem).stem if plain.suffix in (".gz", ".xz", ".bz2") else plain.stem
