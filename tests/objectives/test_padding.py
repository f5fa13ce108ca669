"""Padding a batch changes neither losses nor gradients nor hypergradients."""

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from molweight import datasets, encoders, objectives
from molweight.graphs import MoleculeDataset, attach_targets
from molweight.graphs.internal import pad_batch
from molweight.mlo import Loop, Params, SharedObjectives, solvers, weightings
from molweight.mlo._gradients import objective_gradients
from molweight.models import Predictor, Pretrainer

NAMES = [name for name in objectives.available() if objectives.get(name).__module__.startswith("molweight.")]
ENCODERS = [name for name in encoders.available() if encoders.get(name).__module__.startswith("molweight.")]
SMALL = {name: {"layers": 1, "filters": 4, "gaussians": 8} for name in NAMES if name.startswith("graphmvp")}
FOUR = ["attribute_masking", "graphcl", "functional_groups", "infomax"]
exactly = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)


@pytest.fixture(scope="module")
def corpus() -> MoleculeDataset:
    specs = [spec for name in NAMES for spec in objectives.get(name).targets]
    return attach_targets(datasets.load_corpus("zinc", size=40, n_jobs=1), specs)


def pretrainer(names: list[str], corpus: MoleculeDataset, encoder: str = "gin", **options: Any) -> Pretrainer:
    torch.manual_seed(0)
    body = encoders.create(encoder, **{"layers": 2, "width": 8, **options})
    heads = {name: objectives.create(name, width=body.width, **SMALL.get(name, {})) for name in names}
    for head in heads.values():
        head.prepare(dict(corpus.columns))
        head.attach({table: datasets.load(table) for table in head.tables})
    return Pretrainer(body, heads).double().train()


def drawn(model: Pretrainer, corpus: MoleculeDataset, seed: int = 0, *, pad: bool) -> SharedObjectives:
    batch = corpus.graphs(range(seed, seed + 9))
    floats = {name: column.double() for name, column in batch.columns.items() if column.is_floating_point()}
    batch = replace(batch, columns={**batch.columns, **floats})
    return model.draw(batch, torch.Generator().manual_seed(seed), pad=pad)


def leaves(model: torch.nn.Module) -> Params:
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in model.named_parameters()}


def assert_padding_changes_nothing(model: Pretrainer, corpus: MoleculeDataset, *, norms: bool = False) -> None:
    params, generator = leaves(model), torch.Generator().manual_seed(3)
    direction = torch.randn(sum(map(torch.Tensor.numel, params.values())), generator=generator).double()
    weights = torch.rand(len(model.objectives), generator=generator).double()
    found = [
        objective_gradients(drawn(model, corpus, pad=pad), params, weights, direction, norms=norms)
        for pad in (False, True)
    ]
    for field in ("total", "losses", "slopes", "reach"):
        exactly(*(getattr(each, field) for each in found), msg=field)


@pytest.mark.parametrize("norms", [False, True], ids=["shared", "one by one"])
def test_every_objective(norms: bool, corpus: MoleculeDataset) -> None:
    assert_padding_changes_nothing(pretrainer(NAMES, corpus), corpus, norms=norms)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    "options", [{}, {"norm": "batch", "readout": "set2set", "jk": "concat", "virtual_node": True}], ids=["", "virtual"]
)
def test_every_encoder(encoder: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    assert_padding_changes_nothing(pretrainer(FOUR, corpus, encoder, **options), corpus)


@pytest.mark.parametrize("readout", ["sum", "max", "attention"])
def test_every_readout(readout: str, corpus: MoleculeDataset) -> None:
    assert_padding_changes_nothing(pretrainer(FOUR, corpus, readout=readout, norm="layer"), corpus)


def test_statistics_of_a_batch_are_those_of_its_molecules(corpus: MoleculeDataset) -> None:
    """What the tests above would not notice if padding were left out of everything."""
    model = pretrainer(["functional_groups"], corpus)
    batch = corpus.graphs(range(9))
    counted = replace(pad_batch(batch), padding=0)
    assert not torch.allclose(model.encoder(counted).graphs[:9], model.encoder(batch).graphs, rtol=1e-3)


@pytest.mark.parametrize(("solver", "options"), [("identity", {}), ("cg", {"iterations": 4, "damping": 5.0})])
def test_a_run(solver: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    """Losses, hypergradients, weights and parameters after steps of all three levels."""
    model = pretrainer(FOUR, corpus)
    task = Predictor(copy.deepcopy(model.encoder), "regression", torch.zeros(1), torch.ones(1)).double()
    labelled = datasets.load("freesolv")

    def run(*, pad: bool) -> tuple[list[Any], Loop]:
        weighting = weightings.create("tapweight", FOUR)
        # Adam divides what is zero up to rounding, as the gradient of a bias before batch normalisation, by itself.
        made = solvers.create(solver, **options)
        loop = Loop(leaves(model), leaves(task), weighting, solver=made, optimizer=torch.optim.SGD)
        records = []
        for step in range(3):
            losses, solve = (drawn(model, corpus, seed, pad=pad) for seed in (step, step + 20))
            train, meta = (
                task.bound_loss(labelled.graphs(range(at + step, at + step + 7)), None, pad=pad) for at in (0, 30)
            )
            records.append(loop.step(losses, train, meta, solve_objectives=solve))
        return records, loop

    (one, first), (other, second) = run(pad=False), run(pad=True)
    for field in ("losses", "train_loss", "meta_loss", "hypergradient", "next_weights"):
        exactly(*(torch.stack([getattr(record, field) for record in records]) for records in (one, other)))
    for name, tensor in first.pretrained.items():
        torch.testing.assert_close(tensor, second.pretrained[name], rtol=1e-7, atol=1e-9, msg=name)
