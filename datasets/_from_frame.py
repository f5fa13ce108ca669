"""A dataset from a data frame."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from molweight.datasets._assemble import OnError, Options
from molweight.datasets._frames import text_frame, with_molecules_of_index
from molweight.datasets._from_table import from_table
from molweight.datasets._numbers import Decimal
from molweight.datasets._replicates import Duplicated
from molweight.datasets._standardize import StandardStep
from molweight.datasets._table_spec import Metric, Task
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_frame"]


def from_frame(
    frame: "pd.DataFrame",
    smiles: str | None = None,
    targets: str | Sequence[str] | None = None,
    *,
    task: Task | None = None,
    metric: Metric | None = None,
    name: str = "frame",
    positive: str | None = None,
    decimal: Decimal | None = None,
    relation: str | None = None,
    duplicates: Duplicated = "mean",
    sample_weight: str | None = None,
    target_weights: Sequence[float] | Mapping[str, float] = (),
    split_column: str | None = None,
    on_error: OnError = "skip",
    standardize: StandardStep | Sequence[StandardStep] = (),
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """A dataset from a pandas data frame; columns are detected and rows are treated as in a file.

    Args:
        frame: One row per molecule; ``rows`` and ``rejects`` count from 0, regardless of the index. An index of SMILES
            is read as a column (``smiles``, if it has no name) unless a column has that name.
        smiles: As in :func:`molweight.datasets.from_file`, like all options below.
        targets: The label columns.
        task: Classification or regression.
        metric: Metric of predictions.
        name: Name of the table.
        positive: The word or number that is class 1.
        decimal: The decimal sign of numbers that are text.
        relation: Column that marks labels that are bounds.
        duplicates: Treatment of molecules in several rows.
        target_weights: Weight of each target in the loss: in their order, or by name, with 1 for targets that are not
            named; none for equal ones.
        sample_weight: Column with a weight for each row.
        split_column: Column with the role of each row.
        on_error: Treatment of unusable rows and labels.
        standardize: Standardisation steps; none by default.
        cache: Whether to cache the featurised molecules on disk.
        n_jobs: Processes for featurising.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If the frame, a column, a label or a molecule cannot be used.
        ConfigError: If an option has no such choice.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"smiles": ["CCO", None, "c1ccccc1"], "y": [0.5, 1.5, None]})
        >>> from_frame(frame, cache=False)
        <MoleculeDataset frame: 2 molecules, 1 targets (regression), 1 row without a molecule>
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{name}: got {type(frame).__name__}, not a pandas DataFrame. Use from_smiles for sequences.")
    options = Options(
        name=name, task=task, metric=metric, on_error=on_error, standardize=standardize,
        cache=cache, n_jobs=n_jobs, progress=progress, positive=positive, decimal=decimal, relation=relation,
        duplicates=duplicates, sample_weight=sample_weight, target_weights=target_weights, split_column=split_column,
    )  # fmt: skip
    return from_table(text_frame(with_molecules_of_index(frame), name), smiles, targets, options)
