"""Losses that compare two views of the same molecules."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["discrimination", "nt_xent"]


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy between two views.

    With ``s`` the cosine similarity over the temperature, the mean over all ``2G`` vectors ``i`` with partner ``p(i)``
    of ``-s(i, p(i)) + log \sum_{j != i} exp s(i, j)``. For one molecule the partner is the only candidate and the loss
    is 0.

    Source: Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, ICML 2020, eq. 1.

    Args:
        first: One vector per molecule, ``G x d``.
        second: The same molecules seen otherwise, ``G x d``.
        temperature: Above 0; smaller values weigh near candidates more.

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
    r"""Binary cross-entropy that tells pairs that belong together from pairs that do not.

    The mean of ``-log \sigma(s)`` over the positive scores plus the mean of ``-log(1 - \sigma(s))`` over the negative
    ones; the mean over no scores is 0.

    Args:
        positive: Scores of pairs that belong together, any number of them.
        negative: Scores of the others, likewise.

    Returns:
        A scalar.

    Example:
        >>> round(discrimination(torch.zeros(5), torch.zeros(2)).item(), 4)
        1.3863
    """
    pairs, others = max(len(positive), 1), max(len(negative), 1)
    return functional.softplus(-positive).sum() / pairs + functional.softplus(negative).sum() / others
