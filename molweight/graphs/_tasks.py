"""What the labels of a table are used for, target by target."""

from typing import Literal

__all__ = ["OneTask", "Task", "is_mixed", "join_tasks", "tasks_of"]

OneTask = Literal["classification", "regression"]
Task = str
"""``"classification"``, ``"regression"``, or one of these for each target, separated by commas; or ``"multiclass"``:
the targets are the classes of one column, of which a molecule has exactly one."""


def is_mixed(task: str | None) -> bool:
    """Whether some targets are classes and others numbers.

    Example:
        >>> is_mixed("classification,regression"), is_mixed("regression"), is_mixed(None)
        (True, False, False)
    """
    return task is not None and "," in task


def tasks_of(task: str | None, targets: int) -> list[str]:
    """The task of each target.

    Args:
        task: Of the table.
        targets: How many targets there are.

    Example:
        >>> tasks_of("classification", 2), tasks_of("classification,regression", 2), tasks_of("multiclass", 1)
        (['classification', 'classification'], ['classification', 'regression'], ['classification'])
    """
    if task == "multiclass":
        return ["classification"] * targets
    return (task or "regression").split(",") if is_mixed(task) else [task or "regression"] * targets


def join_tasks(tasks: list[str]) -> str:
    """The task of a table, from those of its targets.

    Example:
        >>> join_tasks(["regression", "regression"]), join_tasks(["classification", "regression"])
        ('regression', 'classification,regression')
    """
    return tasks[0] if len(set(tasks)) == 1 else ",".join(tasks)
