"""A step of real encoders and objectives never waits for the device, which on ``meta`` would be an error."""

import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from molweight import datasets, encoders, objectives
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.mlo import Loop, Params, Record, weightings
from molweight.models import Predictor, Pretrainer
from molweight.models._pretrainer import _Draw, _Seeds

NAMES = [name for name in objectives.available() if objectives.get(name).__module__.startswith("molweight.")]
WAITING = {"chemprop": "looks for rings", "gps": "looks for the largest molecule"}
ENCODERS = [name for name in encoders.available() if encoders.get(name).__module__.startswith("molweight.")]
SMALL = {name: {"layers": 1, "filters": 4, "gaussians": 8} for name in NAMES if name.startswith("graphmvp")}
SHARED = ["functional_groups", "descriptors", "infomax"]


def moved(value: Any, made: dict[int, Any]) -> Any:
    """Views on the ``meta`` device; what several objectives read stays one object."""
    if id(value) not in made:
        made[id(value)] = _moved(value, made)
    return made[id(value)]


def _moved(value: Any, made: dict[int, Any]) -> Any:
    if isinstance(value, Tensor | GraphBatch):
        return value.to("meta")
    if is_dataclass(value):
        parts = {field.name: moved(getattr(value, field.name), made) for field in fields(value)}
        return replace(cast("Any", value), **parts)
    return tuple(moved(part, made) for part in value) if isinstance(value, tuple) else value


def leaves(model: torch.nn.Module) -> Params:
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in model.named_parameters()}


def step(names: list[str], corpus: MoleculeDataset, encoder: str = "gin", *, pad: bool = True) -> Record:
    body = encoders.create(encoder, layers=2, width=8)
    heads = {name: objectives.create(name, width=8, **SMALL.get(name, {})) for name in names}
    for head in heads.values():
        head.prepare(dict(corpus.columns))
        head.attach({table: datasets.load(table) for table in head.tables})
    model, generator = Pretrainer(body, heads).train(), torch.Generator().manual_seed(0)
    batch, made = corpus.graphs(range(9)), dict[int, Any]()
    views = {name: heads[name].draw(batch, generator) for name in names}  # kept: `made` goes by identity
    there = {name: moved(view, made) for name, view in views.items()}
    model = model.to("meta")
    losses = _Draw(model, there, _Seeds(generator), pad=pad).objectives()
    task = Predictor(copy.deepcopy(model.encoder), "regression", torch.zeros(1), torch.ones(1)).to("meta")
    loss = task.bound_loss(datasets.load("freesolv").graphs(range(8)).to("meta"), None, pad=pad)
    weighting = weightings.create("tapweight", names)
    return Loop(leaves(model), leaves(task), weighting, optimizer=torch.optim.SGD).step(losses, loss, loss)


@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name not in WAITING])
def test_no_encoder_reads_a_value(encoder: str, corpus: MoleculeDataset) -> None:
    for pad in (False, True):
        assert step(SHARED, corpus, encoder, pad=pad).losses.device.type == "meta"


def test_no_loss_reads_a_value(corpus: MoleculeDataset) -> None:
    assert step(NAMES, corpus).hypergradient is not None


def test_descriptors_draw_without_reading_a_value(corpus: MoleculeDataset) -> None:
    objective = objectives.create("descriptors", width=8)
    objective.prepare(dict(corpus.columns))
    views = objective.to("meta").draw(corpus.graphs(range(9)).to("meta"), torch.Generator())
    assert views.values.device.type == "meta"


@pytest.mark.parametrize("encoder", list(WAITING))
def test_reading_a_value_would_be_noticed(encoder: str, corpus: MoleculeDataset) -> None:
    with pytest.raises(Exception, match="item"):
        step(SHARED[:1], corpus, encoder)


@pytest.mark.gpu
def test_seeds_are_drawn_without_waiting_for_a_gpu() -> None:
    def seeds(generator: torch.Generator) -> list[int]:
        return [objectives.draw_seed(generator) for _ in range(3)]

    torch.cuda.set_sync_debug_mode("error")
    try:
        generator = torch.Generator("cuda").manual_seed(5)
        first = seeds(generator)
        state, second = generator.get_state(), seeds(generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len({*first, *second}) == 6
    assert seeds(generator.manual_seed(5)) == first
    generator.set_state(state)
    assert seeds(generator) == second
