"""A batch that several objectives read is encoded once; every derivative stays that of separate passes."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from molweight import datasets, encoders, objectives
from molweight.encoders import Encoding
from molweight.graphs import GraphBatch, MoleculeDataset, attach_targets
from molweight.mlo import Loop, LossFn, Params, SharedObjectives, solvers, weightings
from molweight.mlo._gradients import ObjectiveGradients, objective_gradients
from molweight.models import Predictor, Pretrainer
from molweight.objectives import Objective
from molweight.typing import GraphLike

NAMES = [name for name in objectives.available() if objectives.get(name).__module__.startswith("molweight.")]
"""Without those that other tests register."""
GRAPHS = ["functional_groups", "descriptors", "fingerprint", "brics_motifs"]
"""These read the vectors of the molecules as they are."""
NODES = ["infomax", "edge_prediction"]
"""These read the vectors of the atoms."""
MIXED = [*GRAPHS[:2], *NODES, "masked_consistency", "attribute_masking", "graphcl"]
ENCODERS = [name for name in encoders.available() if encoders.get(name).__module__.startswith("molweight.")]
SMALL = {name: {"layers": 1, "filters": 4, "gaussians": 8} for name in NAMES if name.startswith("graphmvp")}
exactly = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)


@pytest.fixture(autouse=True)
def merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches are merged, too."""
    monkeypatch.setattr("molweight.encoders._message_passing._FEWEST_MERGED", 0)


@pytest.fixture(scope="module")
def corpus() -> MoleculeDataset:
    """Fewer molecules than the other tests of objectives need."""
    specs = [spec for name in NAMES for spec in objectives.get(name).targets]
    return attach_targets(datasets.load_corpus("zinc", size=40, n_jobs=1), specs)


def pretrainer(
    names: list[str], corpus: MoleculeDataset, encoder: str = "gin", dropout: float = 0.2, **options: Any
) -> Pretrainer:
    torch.manual_seed(0)
    body = encoders.create(encoder, **{"layers": 2, "width": 6, "dropout": dropout, **options})
    heads = {name: objectives.create(name, width=body.width, **SMALL.get(name, {})) for name in names}
    for head in heads.values():
        head.prepare(dict(corpus.columns))
        head.attach({table: datasets.load(table) for table in head.tables})
    return Pretrainer(body, heads).double().train()


def drawn(model: Pretrainer, corpus: MoleculeDataset, size: int = 12, seed: int = 0) -> SharedObjectives:
    batch = corpus.graphs(range(seed, seed + size))
    floats = {name: column.double() for name, column in batch.columns.items() if column.is_floating_point()}
    return model.draw(replace(batch, columns={**batch.columns, **floats}), torch.Generator().manual_seed(seed))


def leaves(model: Pretrainer) -> Params:
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in model.named_parameters()}


def alone(losses: SharedObjectives) -> dict[str, LossFn]:
    """The same losses, each of which encodes for itself."""
    return {name: losses[name] for name in losses}


def gradients(losses: Mapping[str, LossFn], params: Params, **options: Any) -> ObjectiveGradients:
    generator = torch.Generator().manual_seed(3)
    size = sum(tensor.numel() for tensor in params.values())
    weights = torch.rand(len(losses), generator=generator).double()
    direction = torch.randn(size, generator=generator).double()
    block = sum(tensor.numel() for name, tensor in params.items() if name.startswith("encoder."))
    return objective_gradients(losses, params, weights, direction, block=block, **options)


def assert_same(one: ObjectiveGradients, other: ObjectiveGradients, *fields: str) -> None:
    for field in fields:
        first, second = getattr(one, field), getattr(other, field)
        exactly(first, second, msg=f"{field}: {first} and {second}")


class Counted(torch.nn.Module):
    """An encoder that counts how often it is called."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.calls, self.dropout = encoder, 0, 0.0

    def forward(self, graphs: GraphBatch, seed: int | None = None) -> Encoding:
        self.calls += 1
        encoding: Encoding = self.inner(graphs, seed)
        return encoding


@pytest.mark.parametrize("options", [{}, {"norms": True}, {"keep_rows": True}], ids=["shared", "norms", "rows"])
def test_every_objective_as_in_passes_of_its_own(options: dict[str, Any], corpus: MoleculeDataset) -> None:
    model = pretrainer(NAMES, corpus)
    losses, params = drawn(model, corpus), leaves(model)
    assert set(losses.readers) >= {*GRAPHS, *NODES, "fingerprint_clusters", "masked_consistency"}
    assert not {"attribute_masking", "graphcl", "assay_labels"} & set(losses.readers)
    one, other = gradients(losses, params, **options), gradients(alone(losses), params, **options)
    assert_same(one, other, "total", "losses", "slopes", *([] if not options else ["norms"]))
    if "keep_rows" in options:
        assert_same(one, other, "rows")
    elif not options:
        assert one.norms is None
    assert ((one.reach == 0) == (other.reach == 0)).all()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("names", [MIXED, GRAPHS[:2]], ids=["forward-mode", "two readers"])
def test_every_encoder_as_in_passes_of_its_own(encoder: str, names: list[str], corpus: MoleculeDataset) -> None:
    model = pretrainer(names, corpus, encoder, width=8)
    losses, params = drawn(model, corpus, 6), leaves(model)
    assert_same(gradients(losses, params), gradients(alone(losses), params), "total", "losses", "slopes")


@pytest.mark.parametrize(
    "options",
    [{"norm": "layer"}, {"readout": "max"}, {"readout": "set2set"}, {"jk": "concat", "virtual_node": True}],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_every_part_of_an_encoder_as_in_passes_of_its_own(options: dict[str, Any], corpus: MoleculeDataset) -> None:
    model = pretrainer(MIXED, corpus, **options)
    losses, params = drawn(model, corpus, 6), leaves(model)
    assert_same(gradients(losses, params), gradients(alone(losses), params), "total", "losses", "slopes")


def looped(model: Pretrainer, weighting: str, solver: str, **options: Any) -> Loop:
    torch.manual_seed(1)
    task = Predictor(copy.deepcopy(model.encoder), "regression", torch.zeros(1), torch.ones(1)).double()
    settings = {
        "dense": {"damping": 5.0},
        "identity": {},
        "sama": {},
        "unrolled": {},
        "nystrom": {"rank": 5, "damping": 5.0},
    }
    made = solvers.create(solver, **settings.get(solver, {"iterations": 4, "damping": 5.0}))
    names = list(model.objectives)
    given = {"weights": [4, 3, 2, 1]} if weighting == "fixed" else {}
    return Loop(
        leaves(model),
        {name: tensor.detach().clone().requires_grad_() for name, tensor in task.named_parameters()},
        weightings.create(weighting, names, **given),
        solver=made,
        **options,
    )


def task_loss(losses: SharedObjectives, model: Pretrainer) -> LossFn:
    """Something of the encoder's and the task head's own that is not quadratic."""

    def loss(params: Params) -> Tensor:
        own = {name: params.get(name, tensor) for name, tensor in model.named_parameters()}
        head = torch.stack([tensor.square().sum() for name, tensor in params.items() if name not in own]).sum()
        return losses[list(losses)[-1]](own) + head

    return loss


@pytest.mark.parametrize(
    ("weighting", "solver", "options"),
    [
        *[("tapweight", solver, {"scale_losses": True}) for solver in solvers.available()],
        ("tapweight", "cg", {"recompute_graphs": True}),
        ("tapweight", "cg", {"track_encoder": False, "finetune_ema": 0.0, "warm_start": False}),
        ("bilevel", "cg", {}),
        *[(weighting, "identity", {}) for weighting in weightings.available() if weighting != "tapweight"],
    ],
)
def test_a_run_is_that_of_separate_passes(
    weighting: str, solver: str, options: dict[str, Any], corpus: MoleculeDataset
) -> None:
    """Steps of the loop: hypergradients, weights and parameters, for every solver and weighting."""
    names, layers, width, steps = [*GRAPHS[:3], "attribute_masking"], 2, 6, 3
    if solver == "dense":  # whose matrix has a row per parameter
        names, layers, width, steps = ["edge_prediction", "infomax", "masked_consistency"], 1, 1, 1
    model = pretrainer(names, corpus, layers=layers, width=width)
    loops = [looped(model, weighting, solver, **options) for _ in range(2)]
    for step in range(steps):
        losses, solve = drawn(model, corpus, seed=step), drawn(model, corpus, 6, seed=20 + step)
        task = task_loss(solve, model)
        records = [
            loops[0].step(losses, task, task, solve_objectives=solve),
            loops[1].step(alone(losses), task, task, solve_objectives=alone(solve)),
        ]
        for field in ("losses", "weights", "next_weights", "hypergradient"):
            exactly(*(getattr(record, field) for record in records))
    for name, tensor in loops[0].pretrained.items():
        torch.testing.assert_close(tensor, loops[1].pretrained[name], rtol=1e-7, atol=1e-9, msg=name)


class AtomCount(Objective):
    """Ten lines that know nothing of other objectives."""

    family, paper = "property", "this test"

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.head = torch.nn.Linear(width, 1)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> GraphBatch:
        return batch

    def loss(self, encoder: Any, views: GraphBatch) -> Tensor:
        guess = self.head(encoder(views).graphs).squeeze(1)
        loss: Tensor = (guess - views.ptr.diff().log()).square().mean()
        return loss


class DropoutPair(Objective):
    """The same molecules twice, with different dropout: what must not become the same encoding."""

    family, paper = "contrastive", "this test"

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> tuple[GraphBatch, int, int]:
        return batch, objectives.draw_seed(generator), objectives.draw_seed(generator)

    def loss(self, encoder: Any, views: tuple[GraphBatch, int, int]) -> Tensor:
        batch, *seeds = views
        first, second = (encoder(batch, seed).graphs for seed in seeds)
        loss: Tensor = (first - second).square().mean()
        return loss


def test_an_objective_of_ten_lines_shares_its_view_without_knowing_how(corpus: MoleculeDataset) -> None:
    model = pretrainer([*GRAPHS, *NODES], corpus, dropout=0.0)
    model.objectives["mine"] = AtomCount(model.encoder.width).double()
    counted = Counted(model.encoder)
    model.encoder = counted  # type: ignore[assignment]  # counts as an encoder does
    losses, params = drawn(model, corpus), leaves(model)
    one = objective_gradients(losses, params, torch.ones(7).double())
    assert counted.calls == 1
    gradients(losses, params)
    assert counted.calls == 3, "one evaluation for the values, and one for their derivatives along the direction"
    other = objective_gradients(alone(losses), params, torch.ones(7).double())
    assert counted.calls == 3 + 7
    assert_same(one, other, "total", "losses")


def test_dropout_is_drawn_once_per_view_and_not_twice_the_same_within_an_objective(corpus: MoleculeDataset) -> None:
    model = pretrainer([*GRAPHS[:2]], corpus, dropout=0.5)
    model.objectives["pair"] = DropoutPair(model.encoder.width)
    losses, params = drawn(model, corpus), leaves(model)
    keys: list[Any] = []

    def counted(params: Params, key: Any) -> tuple[Tensor, ...]:
        keys.append(key)
        return losses.trunk(params, key)

    watched = SharedObjectives(losses.heads, counted, losses.readers)
    objective_gradients(watched, params, torch.ones(3).double())
    assert len(keys) == len(set(keys)) == 2, "the first mask of all, and the pair's second"
    assert losses["pair"](params) > 0
    assert_same(gradients(losses, params), gradients(alone(losses), params), "total", "losses", "slopes")


class Rounded(torch.autograd.Function):
    """An operator without forward mode."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return rows * 2

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        return cotangent * 2


def test_an_encoder_without_forward_mode_is_pulled_back_twice(corpus: MoleculeDataset) -> None:
    model = pretrainer(GRAPHS, corpus)
    plain = model.encoder.forward

    def forward(graphs: GraphLike, seed: int | None = None) -> Encoding:
        nodes, vectors = plain(graphs, seed)
        return Encoding(nodes, Rounded.apply(vectors))  # type: ignore[no-untyped-call]  # torch's own

    model.encoder.forward = forward  # type: ignore[method-assign]  # an encoder of someone else
    losses, params = drawn(model, corpus), leaves(model)
    assert_same(gradients(losses, params), gradients(alone(losses), params), "total", "losses", "slopes")
