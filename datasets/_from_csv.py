"""A person's own table, from delimited text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molweight.datasets._from_file import from_file
from molweight.graphs import MoleculeDataset

__all__ = ["from_csv"]


def from_csv(
    path: str | Path, smiles: str | None = None, targets: str | Sequence[str] | None = None, **options: Any
) -> MoleculeDataset:
    r"""A dataset from a CSV or TSV file, packed with gzip, xz or bzip2 or not.

    As :func:`molweight.datasets.from_file`, whatever the name of the file ends in; it says more about each option.

    Args:
        path: The file.
        smiles: The SMILES column; ``None`` to find it by its name, or by its content.
        targets: The label columns; ``None`` to find them, ``[]`` for none.
        **options: As of :func:`molweight.datasets.from_file`, except ``file_format`` and ``sheet``.

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
    return from_file(path, smiles, targets, file_format="csv", **options)
