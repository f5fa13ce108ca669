"""Readouts against PyG's, and in the floating-point type of training."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import AttentionalAggregation, Set2Set

from molweight.encoders._attention import AttentionReadout
from molweight.encoders._readout import READOUTS, build_readout
from molweight.encoders._set2set import Set2SetReadout

BATCH = torch.tensor([1, 0, 1, 1, 3])
"""Molecules in any order; the third is empty."""


def test_attention_is_pygs() -> None:
    ours, rows = AttentionReadout(6), torch.randn(5, 6)
    reference = AttentionalAggregation(nn.Linear(6, 1))
    reference.gate_nn.load_state_dict(ours.gate.state_dict())
    order = BATCH.argsort(stable=True)
    torch.testing.assert_close(ours(rows, BATCH, 4), reference(rows[order], BATCH[order], dim_size=4))


def test_attention_survives_large_scores() -> None:
    readout = AttentionReadout(1)
    with torch.no_grad():
        readout.gate.weight.fill_(1e4)
    pooled = readout(torch.tensor([[1.0], [2.0], [-3.0]]), torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(pooled, torch.tensor([[2.0], [-3.0]]))


def test_set2set_is_pygs() -> None:
    ours, reference, rows = Set2SetReadout(6), Set2Set(6, 3), torch.randn(5, 6)
    lstm = reference.lstm
    with torch.no_grad():
        for theirs, value in (
            (lstm.weight_ih_l0, ours.answer.weight),
            (lstm.bias_ih_l0, ours.answer.bias),
            (lstm.weight_hh_l0, ours.memory.weight),
            (lstm.bias_hh_l0, ours.memory.bias),
        ):
            theirs.copy_(value)
        ours.out.weight.copy_(torch.eye(12)[:6] + torch.eye(12)[6:])
        ours.out.bias.zero_()
    order = BATCH.argsort(stable=True)
    query, read = reference(rows[order], BATCH[order], dim_size=4).chunk(2, dim=1)
    torch.testing.assert_close(ours(rows, BATCH, 4), query + read)


@pytest.mark.parametrize("name", READOUTS)
def test_second_derivatives_exist_in_float32(name: str) -> None:
    # Fused kernels are chosen by type, so float64, in which derivatives are checked, does not speak for float32.
    readout, rows = build_readout(name, 4), torch.randn(5, 4, requires_grad=True)
    value = readout(rows, BATCH, 4).sin().sum()
    (slope,) = torch.autograd.grad(value, rows, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), rows)
    assert second.isfinite().all()
    assert second.abs().max() > 0


@pytest.mark.parametrize("name", ["mean", "sum", "max", "attention"])
def test_a_molecule_without_atoms_is_zero(name: str) -> None:
    assert torch.equal(build_readout(name, 4)(torch.randn(5, 4), BATCH, 4)[2], torch.zeros(4))
