"""The loss of a task: cross-entropy of classes, squared error of numbers, one-sided where a label is only a bound."""

from torch import Tensor, nn

__all__ = ["bounded_square", "class_loss", "label_loss"]


def bounded_square(outputs: Tensor, labels: Tensor, bounds: Tensor | None = None) -> Tensor:
    """Squared error; zero where a label is a bound that the output keeps.

    A label that the true value is above (bound 1) counts only where the output is below it, and the other way round, as
    chemprop's ``BoundedMSE`` and the limit of a Tobit likelihood for small noise.

    Args:
        outputs: ``G x T``.
        labels: ``G x T`` in the same units, without NaN.
        bounds: ``G x T``: -1 where the true value is below the label, 1 where it is above, 0 where it is the label;
            ``None`` for exact labels.

    Returns:
        ``G x T``.

    Example:
        >>> import torch
        >>> above = torch.tensor([1, 1, -1, 0])
        >>> bounded_square(torch.tensor([2.0, 7.0, 7.0, 7.0]), torch.full((4,), 5.0), above).tolist()
        [9.0, 0.0, 4.0, 4.0]
    """
    error = outputs - labels
    if bounds is not None:
        error = error.masked_fill((bounds > 0) & (error > 0) | (bounds < 0) & (error < 0), 0.0)
    return error.square()


def _cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")


def label_loss(
    outputs: Tensor,
    labels: Tensor,
    *,
    classes: bool | Tensor,
    bounds: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean over all known labels of the cross-entropy or of the squared error.

    Args:
        outputs: ``G x T``: logits, or values in the units of ``labels``.
        labels: ``G x T``, NaN where missing; 0 and 1 for classes.
        classes: Whether the labels are classes; for a table with classes and numbers, ``T`` booleans.
        bounds: ``G x T``, as for :func:`bounded_square`; not for classes.
        weights: Weight of each label, ``G x T``, from 0 on; ``None`` for equal ones.

    Returns:
        0-dim: the weighted sum over known labels, divided by the sum of their weights (by 1 where none is known).

    Example:
        >>> import torch
        >>> labels = torch.tensor([[1.0], [3.0], [float("nan")]])
        >>> label_loss(torch.zeros(3, 1), labels, classes=False).item()
        5.0
        >>> label_loss(torch.zeros(3, 1), labels, classes=False, weights=torch.tensor([[3.0], [1.0], [1.0]])).item()
        3.0
    """
    known = ~labels.isnan()
    filled = labels.nan_to_num()
    if isinstance(classes, Tensor):
        each = bounded_square(outputs, filled, bounds).where(~classes, _cross_entropy(outputs, filled))
    else:
        each = _cross_entropy(outputs, filled) if classes else bounded_square(outputs, filled, bounds)
    if weights is None:
        return (each * known).sum() / known.sum().clamp_min(1)
    share = weights * known
    total = share.sum()
    return (each * share).sum() / total.where(total > 0, total.new_ones(()))


def class_loss(outputs: Tensor, labels: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Mean over all labelled molecules of the cross-entropy of one of several classes.

    Args:
        outputs: Logits ``G x T`` of the ``T`` classes.
        labels: ``G x T``: 1 for the class of a molecule and 0 for the others; NaN where it is not known.
        weights: Weight of each molecule, from 0 on, ``G x T`` with equal columns; ``None`` for equal ones.

    Returns:
        0-dim: the weighted sum, divided by the sum of the weights (by 1 where no label is known).

    Example:
        >>> import torch
        >>> class_loss(torch.zeros(2, 4), torch.eye(4)[:2]).exp().item()  # nothing is known of four classes
        4.0
    """
    known = ~labels.isnan().any(dim=1)
    each = -(outputs.log_softmax(dim=1) * labels.nan_to_num()).sum(dim=1)
    share = known.to(each.dtype) if weights is None else weights[:, 0] * known
    total = share.sum()
    return (each * share).sum() / total.where(total > 0, total.new_ones(()))
