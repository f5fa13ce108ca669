"""Predictions of targets that have too few labels to fit a model."""

from molweight.arrays import AnyArray

__all__ = ["constant", "enough"]


def enough(labels: AnyArray, least: int, *, classes: bool) -> bool:
    """Whether a model can be fitted to labels: of each class so many, or so many numbers that are not all equal.

    Args:
        labels: Known labels.
        least: Minimum number of labels.
        classes: Whether they are classes, 0 and 1.

    Example:
        >>> import numpy as np
        >>> enough(np.array([0.0, 1.0, 1.0]), 1, classes=True), enough(np.array([2.0, 2.0]), 1, classes=False)
        (True, False)
    """
    if classes:
        return bool(min((labels == 1).sum(), (labels == 0).sum()) >= least)
    return len(labels) >= least and bool((labels != labels[0]).any())


def constant(labels: AnyArray, *, classes: bool) -> float:
    """The mean label; for classes after adding one label of each class, so that no probability is 0 or 1.

    Args:
        labels: Known labels.
        classes: Whether they are classes, 0 and 1.

    Example:
        >>> import numpy as np
        >>> constant(np.array([1.0, 1.0]), classes=True), constant(np.array([]), classes=False)
        (0.75, 0.0)
    """
    if classes:
        return float((labels.sum() + 1) / (len(labels) + 2))
    return float(labels.mean()) if len(labels) else 0.0
