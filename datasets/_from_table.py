"""From a table of text to a dataset."""

from collections.abc import Sequence

from molweight.datasets._assemble import Options, Rows, assemble
from molweight.datasets._columns import find_smiles, find_targets
from molweight.datasets._labels import complaint, read_labels
from molweight.datasets._table import TextTable
from molweight.graphs import MoleculeDataset

__all__ = ["from_table"]


def from_table(
    table: TextTable, smiles: str | None, targets: str | Sequence[str] | None, options: Options
) -> MoleculeDataset:
    """The dataset of a table, its columns found where they are not named.

    Args:
        table: The table.
        smiles: The SMILES column; ``None`` to find it.
        targets: The label columns; ``None`` to find them.
        options: What else is asked for.

    Returns:
        The molecules that can be used, with their labels.

    Raises:
        DataError: If a column, a label or a molecule cannot be used as it stands.
    """
    smiles = find_smiles(table) if smiles is None else smiles
    texts = table.cells(smiles)
    if targets is None:
        columns = find_targets(table, smiles, options.task, lenient=options.on_error == "nan")
    else:
        columns = [targets] if isinstance(targets, str) else list(targets)
    labels, bad = read_labels(table, columns)
    rows = Rows(
        source=table.source,
        smiles=texts,
        place=lambda record: table.place(record, smiles),
        labels=labels if columns else None,
        columns=columns,
        bad=bad,
        complaint=complaint(table, bad) if bad else "",
        reasons=table.reasons if smiles == table.smiles else {},
        hint="Name the SMILES column (smiles=...).",
    )
    return assemble(rows, options)
