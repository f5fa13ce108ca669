"""Labels of a training table, as they are stored with a model to read the labels of other tables."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from molweight.graphs import Task

__all__ = ["Codes", "TrainLabels", "format_classes"]

Codes = Mapping[str, Mapping[str, int]]
"""By target, the class of each text of its column; see :class:`molweight.graphs.MoleculeDataset`."""

_SHOWN: Final = 6
"""Maximum number of targets whose classes are listed."""


class TrainLabels(NamedTuple):
    """The labels of a training table, without its molecules; a dataset has the same attributes.

    Args:
        name: Name of the table.
        task: Its task.
        metric: Metric of predictions.
        target_names: Name of each label.
        codes: By target, the class of each text of its column.
        decimals: By column that serves as a feature, its decimal sign.
        units: By target, the unit of its numbers; ``None`` if units were not stored.
    """

    name: str
    task: Task
    metric: str
    target_names: list[str]
    codes: Codes
    decimals: Mapping[str, str]
    units: Mapping[str, str] | None = None


def format_classes(card: Mapping[str, Any]) -> str:
    """The text that is class 1 of each target; empty for targets that are numbers, 0 and 1, or name their class.

    Args:
        card: Description of a table, with ``codes``.

    Example:
        >>> format_classes({"codes": {"kind": {"lean": 0, "fat": 1}}})
        "class 1 is 'fat' (kind)"
        >>> format_classes({"codes": {"kind=fat": {"lean": 0, "fat": 1}}}), format_classes({})
        ('', '')
    """
    first = {
        name: next((text for text, code in own.items() if code == 1), None)
        for name, own in card.get("codes", {}).items()
    }
    listed = [f"{text!r} ({name})" for name, text in first.items() if text and not name.endswith(f"={text}")]
    more = ", ..." if len(listed) > _SHOWN else ""
    return f"class 1 is {', '.join(listed[:_SHOWN])}{more}" if listed else ""
