"""Compositions of readouts: exact values, and derivatives to second order with and without torch-scatter."""

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import MultiAggregation

from molweight.encoders.building_blocks import ComposedReadout, readout_parts
from molweight.errors import ConfigError

BATCH = torch.tensor([1, 0, 1, 1, 3])
"""Molecules in any order; the third is empty."""
COMPOSITIONS = ["mean", "scaled_sum", "mean+scaled_sum", "mean+sum+max"]


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_derivatives_are_right_to_second_order(composition: str) -> None:
    pooled = ComposedReadout(composition, atoms=2.5).double()
    torch.manual_seed(0)
    rows = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)

    def sine(nodes: Tensor) -> Tensor:
        value: Tensor = pooled(nodes, BATCH, 4).sin()
        return value

    assert torch.autograd.gradcheck(sine, rows)
    assert torch.autograd.gradgradcheck(sine, rows)


def test_is_pygs_multi_aggregation() -> None:
    rows, order = torch.randn(5, 3), BATCH.argsort(stable=True)
    reference = MultiAggregation(["mean", "sum", "max"])(rows[order], BATCH[order], dim_size=4)
    torch.testing.assert_close(ComposedReadout("mean+sum+max")(rows, BATCH, 4), reference)


def test_the_scaled_sum_is_the_sum_over_the_atoms_of_a_typical_molecule() -> None:
    rows = torch.randn(5, 3)
    total = ComposedReadout("sum")(rows, BATCH, 4)
    torch.testing.assert_close(ComposedReadout("scaled_sum", atoms=4.0)(rows, BATCH, 4), total / 4)


def test_the_number_of_atoms_is_part_of_the_state() -> None:
    fitted, fresh = ComposedReadout("scaled_sum", atoms=7.0), ComposedReadout("scaled_sum")
    fresh.load_state_dict(fitted.state_dict())
    assert fresh.atoms.item() == 7.0


def test_a_molecule_without_atoms_is_zero() -> None:
    assert torch.equal(ComposedReadout("mean+sum+max")(torch.randn(5, 4), BATCH, 4)[2], torch.zeros(12))


@pytest.mark.parametrize("composition", ["mean+mean", "mean+", "median", "attention", ""])
def test_refused(composition: str) -> None:
    with pytest.raises(ConfigError, match="readout="):
        readout_parts(composition)


def test_a_scale_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive number of atoms"):
        ComposedReadout("scaled_sum", atoms=0.0)
