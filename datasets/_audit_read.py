"""An audit read back from JSON values."""

from collections.abc import Mapping
from typing import Any

from molweight.datasets._audit import Audit, Duplicates, Labels, Leak, Overlap
from molweight.errors import DataError

__all__ = ["read_audit"]


def read_audit(values: Mapping[str, Any], source: str = "the audit") -> Audit:
    """The audit from the values of :meth:`Audit.to_dict`.

    Args:
        values: The return value of :meth:`Audit.to_dict`.
        source: Origin of the values, for the message.

    Raises:
        DataError: If something is missing or unknown.

    Example:
        >>> from molweight.datasets import audit, from_smiles
        >>> found = audit(from_smiles(["CCO", "OCC"], [0.0, 1.0], name="two", cache=False))
        >>> read_audit(found.to_dict()) == found
        True
    """
    try:
        overlap = values["overlap"]
        parts = {
            "duplicates": Duplicates(**values["duplicates"]),
            "duplicate_compounds": Duplicates(**values["duplicate_compounds"]),
            "labels": [Labels(**item) for item in values["labels"]],
            "leaks": [Leak(**item) for item in values["leaks"]],
            "overlap": None if overlap is None else Overlap(**overlap),
        }
        return Audit(**{**values, **parts})
    except (LookupError, TypeError) as error:
        raise DataError(
            f"{source} is not an audit written by molweight: {error}. Restore it, or run the audit again."
        ) from error
