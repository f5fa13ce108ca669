"""The split given by a column of the table."""

from molweight.datasets._splits import ROLES, SPLITTERS, Request, Splits
from molweight.datasets._user_splits import split_by_roles
from molweight.errors import DataError, mention
from molweight.graphs import MoleculeDataset

__all__ = ["column_split"]


@SPLITTERS.register("column")
def column_split(data: MoleculeDataset, request: Request) -> Splits:
    """The roles given by a column of the user's table (train, valid, select, test).

    Args:
        data: The molecules, read by :func:`molweight.datasets.from_file`.
        request: The protocol.

    Returns:
        The positions by role; a role that the column does not contain is held out of train.

    Raises:
        DataError: If the table has no such column.
    """
    given = data.columns.get("given_role")
    if given is None:
        raise DataError(
            f"{data.name}: no column states a role for each row (train, valid, test). Name it with "
            f"{mention('split_column')}, "
            f"or use {mention('method', 'scaffold')}."
        )
    roles = [""] * (int(data.rows.max(initial=-1)) + 1)
    for row, place in zip(data.rows.tolist(), given.astype(int).tolist(), strict=True):
        roles[row] = ROLES[place] if place >= 0 else ""
    return split_by_roles(data, roles, request.protocol, source="the table's column")
