"""Losses that compare two views of the same molecules."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["discrimination", "ebm_nce", "info_nce", "nt_xent"]


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy between two views.

    With ``s`` the cosine similarity over the temperature, the mean over all ``2G`` vectors ``i`` with partner ``p(i)``
    of ``-s(i, p(i)) + log \sum_{j != i} exp s(i, j)``. For one molecule the partner is the only candidate and the loss
    is 0.

    Source: Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, ICML 2020, eq. 1.

    Args:
        first: One vector per molecule, ``G x d``.
        second: The other view of the same molecules, ``G x d``.
        temperature: Above 0; smaller values give near candidates more weight.

    Returns:
        A scalar.

    Example:
        >>> same = torch.eye(4)
        >>> round(nt_xent(same, same, temperature=0.5).item(), 4)
        0.5944
    """
    count = len(first)
    vectors = functional.normalize(torch.cat([first, second]), dim=1)
    similarity = vectors @ vectors.T / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=first.device)
    positive = torch.cat([similarity.diagonal(count), similarity.diagonal(-count)])
    return (similarity.masked_fill(itself, -torch.inf).logsumexp(1) - positive).mean()


def discrimination(positive: Tensor, negative: Tensor) -> Tensor:
    r"""Binary cross-entropy between scores of positive and negative pairs.

    The mean of ``-log \sigma(s)`` over the positive scores plus the mean of ``-log(1 - \sigma(s))`` over the negative
    ones; an empty mean is 0.

    Args:
        positive: Scores of positive pairs, any number of them.
        negative: Scores of negative pairs, any number of them.

    Returns:
        A scalar.

    Example:
        >>> round(discrimination(torch.zeros(5), torch.zeros(2)).item(), 4)
        1.3863
    """
    pairs, others = max(len(positive), 1), max(len(negative), 1)
    return functional.softplus(-positive).sum() / pairs + functional.softplus(negative).sum() / others


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    r"""Cross-entropy of finding each row's partner among all rows of the other view.

    With ``s(i, j)`` the dot product of row ``i`` of the first and ``j`` of the second over the temperature, the mean
    over ``i`` of ``-s(i, i) + log \sum_j exp s(i, j)``. For one molecule the partner is the only candidate and the loss
    is 0; without molecules it is 0 as well.

    Source: van den Oord et al., *Representation Learning with Contrastive Predictive Coding*, arXiv 1807.03748, eq. 4;
    Liu et al. (GraphMVP), ICLR 2022, eq. 4.

    Args:
        first: One vector per molecule, ``C x d``.
        second: Another view of the same molecules, ``C x d``.
        temperature: Above 0.

    Returns:
        A scalar.

    Example:
        >>> same = torch.eye(4)
        >>> round(info_nce(same, same, temperature=0.5).item(), 4)
        0.3408
    """
    similarity = first @ second.T / temperature
    each = similarity.logsumexp(1) - similarity.diagonal()
    return each.sum() / max(len(first), 1)


def ebm_nce(first: Tensor, second: Tensor, others: Tensor, temperature: float = 0.1) -> Tensor:
    r"""Noise-contrastive estimation of an energy-based model: distinguish each partner from another molecule's vector.

    Half the mean of ``-log \sigma(s)`` over the pairs plus half that of ``-log(1 - \sigma(s))`` over the pairs with
    others, where ``s`` is the dot product over the temperature.

    Source: Liu et al. (GraphMVP), ICLR 2022, eq. 5, with one negative.

    Args:
        first: One vector per molecule, ``C x d``.
        second: Another view of the same molecules, ``C x d``.
        others: For each molecule the vector of another one, ``C x d``; without rows if there is no other.
        temperature: Above 0.

    Returns:
        A scalar.

    Example:
        >>> first, second = torch.eye(2), torch.zeros(2, 2)
        >>> round(ebm_nce(first, second, second.flip(0)).item(), 4)
        0.6931
    """
    positive = (first * second).sum(1) / temperature
    negative = (first[: len(others)] * others).sum(1) / temperature
    return discrimination(positive, negative) / 2
