"""A person's own table, from delimited text."""

from collections.abc import Sequence
from pathlib import Path

from molweight.datasets._assemble import OnError, Options
from molweight.datasets._from_file import stem
from molweight.datasets._from_table import from_table
from molweight.datasets._standardize import StandardStep
from molweight.datasets._table import read_table
from molweight.datasets._table_spec import Metric, Task
from molweight.graphs import MoleculeDataset

__all__ = ["from_csv"]


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
    standardize: StandardStep | Sequence[StandardStep] = (),
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    r"""A dataset from a CSV or TSV file, packed with gzip, xz or bzip2 or not.

    As :func:`molweight.datasets.from_file`, whatever the name of the file ends in; it says more about each option.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it by its name, or by its content.
        targets: The label columns; ``None`` for every column of numbers except identifiers and row counters; ``[]`` for
            none.
        task: ``"classification"`` or ``"regression"``; ``None`` for classification if all labels are 0 or 1.
        metric: How predictions are scored; ``None`` for ROC-AUC for classes and RMSE for numbers.
        name: What to call the table; ``None`` for the name of the file.
        delimiter: What separates the cells; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Encoding of the file; ``None`` for UTF-8, or what its byte-order mark says.
        on_error: What to do with what cannot be used: ``"skip"``, ``"nan"`` or ``"raise"``.
        standardize: Steps towards a standard form; none by default.
        cache: Whether to keep the featurised molecules for the next time.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If the file, a column, a label or a molecule cannot be used as it stands.
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
    options = Options(name or stem(path), task, metric, on_error, standardize, cache, n_jobs, progress)
    return from_table(read_table(path, delimiter, encoding), smiles, targets, options)
