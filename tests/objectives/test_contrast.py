"""NT-Xent and the binary cross-entropy of pairs against plain formulas."""

import math

import pytest
import torch

from molweight.objectives.building_blocks import discrimination, nt_xent


def plain(first: torch.Tensor, second: torch.Tensor, temperature: float) -> float:
    """Equation 1 of Chen et al., one pair at a time."""
    rows = [*first, *second]
    half = len(first)
    total = 0.0
    for i, row in enumerate(rows):
        similar = [math.exp(torch.cosine_similarity(row, other, dim=0).item() / temperature) for other in rows]
        partner = (i + half) % (2 * half)
        total -= math.log(similar[partner] / (sum(similar) - similar[i]))
    return total / len(rows)


@pytest.mark.parametrize("count", [1, 2, 3, 17])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_plain_formula(count: int, temperature: float) -> None:
    random = torch.Generator().manual_seed(count)
    first, second = (torch.randn(count, 5, dtype=torch.float64, generator=random) for _ in range(2))
    assert nt_xent(first, second, temperature).item() == pytest.approx(plain(first, second, temperature), abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_derivatives(count: int) -> None:
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(count, 3, dtype=torch.float64, generator=random) for _ in range(2))
    leaves = (first.requires_grad_(), second.requires_grad_())
    assert torch.autograd.gradcheck(nt_xent, leaves)
    assert torch.autograd.gradgradcheck(nt_xent, leaves)
    values = (first.detach(), second.detach())
    slope = torch.func.jvp(nt_xent, values, (torch.ones_like(first), torch.ones_like(second)))[1]
    gradient = torch.autograd.grad(nt_xent(*leaves), leaves)
    torch.testing.assert_close(slope, torch.cat(gradient).sum())


def test_symmetric_and_scale_free() -> None:
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(6, 4, dtype=torch.float64, generator=random) for _ in range(2))
    torch.testing.assert_close(nt_xent(first, second), nt_xent(second, first))
    torch.testing.assert_close(nt_xent(first, second), nt_xent(3 * first, second / 7))


def test_zero_vectors_are_no_trouble() -> None:
    zero = torch.zeros(3, 4, requires_grad=True)
    loss = nt_xent(zero, zero)
    assert loss.item() == pytest.approx(math.log(5))
    assert torch.autograd.grad(loss, zero)[0].isfinite().all()


def test_discrimination_is_the_plain_formula() -> None:
    random = torch.Generator().manual_seed(0)
    positive, negative = (3 * torch.randn(size, dtype=torch.float64, generator=random) for size in (7, 4))
    own = sum(-math.log(1 / (1 + math.exp(-score))) for score in positive.tolist()) / 7
    others = sum(-math.log(1 - 1 / (1 + math.exp(-score))) for score in negative.tolist()) / 4
    assert discrimination(positive, negative).item() == pytest.approx(own + others)
    assert discrimination(positive, negative[:0]).item() == pytest.approx(own)
    assert discrimination(positive[:0], negative).item() == pytest.approx(others)


def test_discrimination_has_derivatives_and_is_finite_far_out() -> None:
    random = torch.Generator().manual_seed(0)
    leaves = tuple(torch.randn(3, dtype=torch.float64, generator=random).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(discrimination, leaves)
    assert torch.autograd.gradgradcheck(discrimination, leaves)
    assert discrimination(torch.tensor([-1e4]), torch.tensor([1e4])).item() == 2e4
