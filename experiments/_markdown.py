"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

__all__ = ["markdown"]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Args:
        header: Names of the columns.
        rows: Cells.

    Example:
        >>> print(markdown(["rule", "right"], [["identity", "5 of 5"]]))
        | rule | right |
        |---|---|
        | identity | 5 of 5 |
    """
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
