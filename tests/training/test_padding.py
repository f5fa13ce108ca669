"""Padded batches as an option of a job: the same run, or a warning that says why they are not used."""

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from molweight import encoders
from molweight.datasets import Splits
from molweight.encoders import MessagePassingEncoder, Topology
from molweight.encoders._registry import _ENCODERS
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training import generic_pretraining, variant
from molweight.training._adaptive import AdaptivePretraining, adaptive_pretraining

Material = tuple[MoleculeDataset, Splits, MoleculeDataset]


@pytest.fixture
def material(data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> Material:
    return data, splits, corpus


def ready(job: Job, material: Material, **options: Any) -> AdaptivePretraining:
    data, splits, corpus = material
    job = variant(job, init="scratch", **options)
    model, prepared = generic_pretraining(job, corpus, torch.device("cpu"))
    return adaptive_pretraining(job, model, prepared, data, splits, device=torch.device("cpu"))


def test_a_run_with_padded_batches_is_the_same(job: Job, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = Topology.of

    def watched(graphs: Any) -> Topology:
        seen.append(graphs.padding)
        return plain(graphs)

    monkeypatch.setattr(Topology, "of", watched)
    records = []
    for pad in (False, True):
        seen.clear()
        setup = ready(job, material, pad_batches=pad)
        seen.clear()
        records.append([setup.step() for _ in range(2)])
        assert all(seen) if pad else not any(seen)
    for one, other in zip(*records, strict=True):
        torch.testing.assert_close(one.losses, other.losses, rtol=1e-4, atol=1e-5)


def test_generic_pretraining_pads_and_its_checkpoint_is_another(
    job: Job, corpus: MoleculeDataset, empty_cache: None, caplog: pytest.LogCaptureFixture
) -> None:
    found = [
        generic_pretraining(variant(job, pad_batches=pad), corpus, torch.device("cpu"))[0].encoder.state_dict()
        for pad in (False, True)
    ]
    table = "atoms.weight"
    torch.testing.assert_close(found[0][table], found[1][table], rtol=1e-2, atol=1e-4)
    assert not torch.equal(found[0][table], found[1][table])  # by rounding: it was computed, not read
    assert not caplog.records


class _Centred(nn.Module):
    """A layer with statistics of its own, which does not know of padding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        mapped: Tensor = self.linear(nodes)
        return mapped - mapped.mean(0)


def test_an_encoder_that_padding_would_change_is_not_padded(
    job: Job, material: Material, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_ENCODERS, "_items", dict(_ENCODERS._items))

    @encoders.register("centred")
    class Centred(MessagePassingEncoder):
        def __init__(self, **options: Any) -> None:
            super().__init__(_Centred, **{**options, "norm": "none"})

    with caplog.at_level(logging.WARNING):
        setup = ready(job, material, encoder="centred", pad_batches=True)
    assert not setup.corpus.pad
    assert not setup.task.pad
    assert (
        "batches are not padded: the encoder 'centred' returns different vectors for molecules in a padded batch."
        in caplog.text
    )


def test_several_processes_do_not_pad(
    job: Job, material: Material, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from molweight.distributed import Team

    monkeypatch.setattr("molweight.training._padding.team", lambda: Team(0, 2))
    setup = ready(job, material, pad_batches=True)
    assert not setup.corpus.pad
    assert "batches are not padded: several processes divide each batch among themselves." in caplog.text
