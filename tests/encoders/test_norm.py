"""Batch normalisation without hidden state, and its calibration."""

import pytest
import torch
from torch import Tensor, nn

from molweight.encoders import GIN, BatchNorm
from molweight.encoders.internal import calibrate
from molweight.errors import DataError
from molweight.graphs import GraphBatch


def test_training_mode_equals_torch() -> None:
    rows = torch.randn(20, 5) * 3 + 2
    norm = BatchNorm(5)
    torch.testing.assert_close(norm(rows), nn.BatchNorm1d(5)(rows))
    assert torch.equal(norm.running_mean, torch.zeros(5))


def test_one_row_comes_out_as_bias() -> None:
    norm = BatchNorm(3)
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    row = torch.tensor([[7.0, -1.0, 0.0]], requires_grad=True)
    out = norm(row)
    torch.testing.assert_close(out, norm.bias[None], rtol=0, atol=1e-4)
    assert torch.autograd.grad(out.sum(), row)[0].isfinite().all()


def test_one_batch_makes_the_modes_agree(molecules: GraphBatch) -> None:
    encoder = GIN(layers=3, width=8, dropout=0.5).double()
    calibrate(encoder, [molecules])
    train, test = encoder(molecules), encoder.eval()(molecules)
    torch.testing.assert_close(train.nodes, test.nodes)


@pytest.mark.parametrize("fewest", [0, 700], ids=["equal atoms computed once", "every atom computed"])
def test_statistics_are_exact_over_batches(fewest: int, molecules: GraphBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molweight.encoders._message_passing._FEWEST_MERGED", fewest)
    encoder = GIN(layers=1, width=4).double().eval()
    other = GraphBatch.of(molecules.x[:1], torch.empty(2, 0).long(), torch.empty(0, 3).long())
    norm = encoder.norms[0]
    assert isinstance(norm, BatchNorm)
    inputs, merged = [], []

    def keep(_norm: nn.Module, seen: tuple[Tensor | None, ...]) -> None:
        rows, *counts = (item for item in seen if item is not None)
        merged.append(bool(counts))
        inputs.append(rows.repeat_interleave(counts[0], dim=0) if counts else rows)

    handle = norm.register_forward_pre_hook(keep)
    for graphs in (molecules, other, molecules):
        encoder(graphs)
    handle.remove()
    calibrate(encoder, iter([molecules, other, molecules]))
    assert any(merged) == (fewest == 0)
    rows = torch.cat(inputs)
    torch.testing.assert_close(norm.running_mean, rows.mean(0))
    torch.testing.assert_close(norm.running_var, rows.var(0, correction=0))
    assert not encoder.training


def test_no_batches_is_an_error_and_no_norm_is_none() -> None:
    with pytest.raises(DataError, match="no batches"):
        calibrate(GIN(layers=1, width=4), [])
    calibrate(GIN(layers=1, width=4, norm="layer"), [])
