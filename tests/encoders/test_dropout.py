"""Dropout from seeds."""

import pytest
import torch

from molweight.encoders._base import dropout, dropout_generator


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rate_and_scale(rate: float) -> None:
    out = dropout(torch.ones(1000, 201), rate, torch.Generator().manual_seed(0))
    kept = out[out != 0]
    assert abs((out == 0).double().mean().item() - rate) < 0.005
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-3, atol=0)


@pytest.mark.parametrize("rate", [0.999995, 0.9999999])
def test_a_rate_close_to_one_is_finite(rate: float) -> None:
    out = dropout(torch.ones(1000, 200), rate, torch.Generator().manual_seed(0))
    assert out.isfinite().all()
    assert (out == 0).double().mean() > 0.999


def test_entries_are_independent() -> None:
    out = dropout(torch.ones(2000, 64), 0.5, torch.Generator().manual_seed(0))
    correlation = torch.corrcoef(out.T) - torch.eye(64)
    assert correlation.abs().max() < 6 / 2000**0.5


def test_off() -> None:
    rows = torch.randn(3, 3)
    assert dropout_generator(None, rows.device) is None
    assert dropout(rows, 0.5, None) is rows
    assert dropout(rows, 0.0, torch.Generator()) is rows
