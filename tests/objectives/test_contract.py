"""What holds for every registered objective: a new one is tested by being registered."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp

from molweight import datasets, encoders, objectives
from molweight.encoders import Conformers, Encoder, SchNet
from molweight.errors import ConfigError, UnknownNameError
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives import Objective
from molweight.objectives.internal import FAMILIES

Make = Callable[[Sequence[str]], GraphBatch]
Params = dict[str, Tensor]

NAMES = [name for name in objectives.available() if objectives.get(name).__module__.startswith("molweight.")]
"""Without those that other tests register."""
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in NAMES],
    ("attribute_masking", {"mask_bonds": True}),
    ("graphcl", {"augmentations": ["subgraph", "edge_perturb"], "strength": 0.5}),
    ("graph_mae", {"power": 2.0}),
    ("context_prediction", {"hops": 2, "inner": 1, "outer": 4}),
    ("molclr", {"augmentation": "either"}),
    ("fingerprint", {"kind": "path"}),
    ("brics_motifs", {"vocabulary": 40}),
    ("graphmvp_contrastive", {"contrast": "ebm_nce"}),
]
SMALL: dict[str, dict[str, Any]] = {
    name: {"layers": 1, "filters": 8, "gaussians": 16} for name in ("graphmvp_contrastive", "graphmvp_generative")
}
"""What makes the encoder of an objective's own small."""
TRUE_LOSS: dict[str, dict[str, Any]] = {"graphmvp_generative": {"detach": False}}
"""Options without which a loss holds something constant on purpose, so that its gradient is not that of the loss."""

every_objective = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=[f"{name}-{'-'.join(options) or 'default'}" for name, options in VARIANTS]
)
every_name = pytest.mark.parametrize("name", NAMES)


class Joint(nn.Module):
    """Encoder and objective as one module, so that one functional call replaces the parameters of both."""

    def __init__(self, encoder: Encoder, objective: Objective) -> None:
        super().__init__()
        self.encoder, self.objective = encoder, objective

    def forward(self, views: object) -> Tensor:
        loss: Tensor = self.objective(self.encoder, views)
        return loss


def build(name: str, corpus: MoleculeDataset, *, width: int = 6, dropout: float = 0.2, **options: Any) -> Joint:
    torch.manual_seed(1)
    encoder = encoders.create("gin", layers=2, width=width, dropout=dropout)
    objective = objectives.create(name, width=encoder.width, **{**SMALL.get(name, {}), **options})
    objective.prepare(dict(corpus.columns))
    objective.attach({table: datasets.load(table) for table in objective.tables})
    return Joint(encoder, objective)


def double(joint: Joint) -> Joint:
    """In float64, away from the kinks of ReLU."""
    joint = joint.double()
    with torch.no_grad():
        for parameter in joint.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return joint


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(joint: Joint) -> Params:
    return {name: value.detach().clone() for name, value in joint.named_parameters()}


def flattened(joint: Joint, views: object) -> tuple[Tensor, Callable[[Tensor, Params], Tensor]]:
    """All parameters in one vector, and the loss as a function of it and of buffers.

    The random direction of gradcheck's fast mode has a share in each parameter, for the cost of one.
    """
    params = parameters(joint)
    sizes = [value.numel() for value in params.values()]

    def of(flat: Tensor, buffers: Params) -> Tensor:
        parts = zip(params.items(), torch.split(flat, sizes), strict=True)
        given = {key: part.view_as(value) for (key, value), part in parts}
        loss: Tensor = functional_call(joint, {**given, **buffers}, (views,))
        return loss

    return torch.cat([value.flatten() for value in params.values()]).requires_grad_(), of


@every_objective
def test_loss_is_a_finite_scalar(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, **options)
    loss = joint(joint.objective.draw(corpus.graphs(range(32)), seeded()))
    assert loss.shape == ()
    assert loss.isfinite()
    assert loss.item() > 0


@every_objective
def test_derivatives_are_right_to_second_order(
    name: str, options: dict[str, Any], corpus: MoleculeDataset, awkward: GraphBatch
) -> None:
    joint = double(build(name, corpus, **options, **TRUE_LOSS.get(name, {})))
    flat, of = flattened(joint, joint.objective.draw(awkward, seeded()))
    assert torch.autograd.gradcheck(lambda flat: of(flat, {}), flat, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda flat: of(flat, {}), flat, fast_mode=True)


@every_objective
def test_forward_over_reverse_works(
    name: str, options: dict[str, Any], corpus: MoleculeDataset, awkward: GraphBatch
) -> None:
    joint = double(build(name, corpus, **options))
    views = joint.objective.draw(awkward, seeded())
    params = parameters(joint)
    direction = {key: torch.randn_like(value) for key, value in params.items()}

    def loss(values: Params) -> Tensor:
        out: Tensor = functional_call(joint, values, (views,))
        return out

    product = jvp(grad(loss), (params,), (direction,))[1]
    leaves = {key: value.requires_grad_() for key, value in params.items()}
    gradient = torch.autograd.grad(loss(leaves), list(leaves.values()), create_graph=True)
    along = torch.stack([(g * v).sum() for g, v in zip(gradient, direction.values(), strict=True)]).sum()
    expected = torch.autograd.grad(along, list(leaves.values()), materialize_grads=True)
    for key, value in zip(params, expected, strict=True):
        torch.testing.assert_close(product[key], value, msg=key)


@pytest.mark.parametrize(("name", "options"), [item for item in VARIANTS if objectives.get(item[0]).learnable])
def test_options_that_can_be_learned_are_read_as_tensors(
    name: str, options: dict[str, Any], corpus: MoleculeDataset
) -> None:
    """The loss, and its gradient in a direction, are differentiable functions of each."""
    joint = double(build(name, corpus, **options))
    views = joint.objective.draw(corpus.graphs(range(8)), seeded())
    flat, loss_of = flattened(joint, views)
    for option, (low, high) in joint.objective.learnable.items():
        start = getattr(joint.objective, option)
        assert low <= start <= high
        value = torch.tensor(max(float(start), 1.2 * low), dtype=torch.float64, requires_grad=True)
        delattr(joint.objective, option)
        joint.objective.register_buffer(option, value.detach().clone(), persistent=False)

        def of(value: Tensor, flat: Tensor, option: str = option) -> Tensor:
            return loss_of(flat, {f"objective.{option}": value})

        assert torch.autograd.gradcheck(of, (value, flat), fast_mode=True)
        assert torch.autograd.gradgradcheck(of, (value, flat), fast_mode=True)
        assert float(torch.autograd.grad(of(value, flat), value)[0].abs()) > 0


@every_objective
def test_every_parameter_is_used(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, **options)
    loss = joint(joint.objective.draw(corpus.graphs(range(32)), seeded()))
    own = list(joint.objective.parameters())  # none where there is no head
    gradient = torch.autograd.grad(loss, [*joint.encoder.parameters(), *own])
    assert all(g.abs().max() > 0 for g in gradient[len(gradient) - len(own) :])
    assert any(g.abs().max() > 0 for g in gradient[: len(gradient) - len(own)])


@every_objective
def test_the_generator_decides_everything(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, **options)
    batch = corpus.graphs(range(16))
    losses = []
    for seed, noise in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(noise)
        views = joint.objective.draw(batch, seeded(seed))
        losses.append(joint(views).item())
        assert joint(views).item() == losses[-1]
    assert losses[0] == losses[1] != losses[2]


def on_gpu(views: Any) -> Any:
    """Views on the first CUDA device."""
    if isinstance(views, Tensor | GraphBatch):
        return views.to("cuda")
    if is_dataclass(views) and not isinstance(views, type):
        return replace(views, **{field.name: on_gpu(getattr(views, field.name)) for field in fields(views)})
    if isinstance(views, dict):
        return {key: on_gpu(value) for key, value in views.items()}
    return tuple(map(on_gpu, views)) if isinstance(views, tuple) else views


@pytest.mark.gpu
@every_objective
def test_loss_and_curvature_are_those_of_the_cpu(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = double(build(name, corpus, dropout=0.0, **options))  # masks of dropout differ by device
    views = joint.objective.draw(corpus.graphs(range(32)), seeded())
    here = curvature(joint, views)
    there = curvature(joint.to("cuda"), on_gpu(views))
    assert all(value.is_cuda for value in there)
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(other.cpu(), one, rtol=1e-8, atol=1e-9)


def curvature(joint: Joint, views: Any) -> list[Tensor]:
    """Loss, gradient, and the Hessian's product with a vector of ones."""
    leaves = list(joint.parameters())
    loss = joint(views)
    gradient = torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True)
    product = torch.autograd.grad(torch.stack([g.sum() for g in gradient]).sum(), leaves, materialize_grads=True)
    return [value.detach() for value in (loss, *gradient, *product)]


@pytest.mark.gpu
@every_objective
def test_views_are_drawn_where_the_batch_is(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, **options).to("cuda")
    for molecules in (range(32), range(1)):
        batch = corpus.graphs(molecules, "cuda")
        losses = []
        for seed in (3, 3, 4):
            loss = joint(joint.objective.draw(batch, torch.Generator("cuda").manual_seed(seed)))
            losses.append(loss.item())
            assert loss.is_cuda
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)  # sums are taken in any order
        assert len(molecules) == 1 or losses[0] != pytest.approx(losses[2], rel=1e-4)


@every_objective
def test_drawing_leaves_the_data_alone(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, **options)
    batch = corpus.graphs(range(16))
    kept = {key: value.clone() for key, value in tensors(batch).items()}
    views = joint.objective.draw(batch, seeded())
    joint(views)
    for now in (batch, corpus.graphs(range(16))):  # neither the batch nor what it was made from
        for key, value in tensors(now).items():
            assert torch.equal(kept[key].nan_to_num(), value.nan_to_num()), key


def tensors(batch: GraphBatch) -> dict[str, Tensor]:
    plain = {key: getattr(batch, key) for key in ("x", "edge_index", "edge_attr", "batch", "ptr")}
    return {**plain, **batch.columns, **batch.atom_columns}


def with_atoms_shuffled(batch: GraphBatch, generator: torch.Generator) -> GraphBatch:
    """The same molecules with the atoms of each in another order."""
    atoms = torch.argsort(batch.batch + torch.rand(batch.num_nodes, generator=generator, dtype=torch.float64))
    position = torch.argsort(atoms)
    columns = {key: column[atoms] for key, column in batch.atom_columns.items()}
    return replace(batch, x=batch.x[atoms], edge_index=position[batch.edge_index], atom_columns=columns)


@every_name
def test_order_does_not_matter_in_expectation(name: str, corpus: MoleculeDataset) -> None:
    """Over 100 draws, the mean losses of two orders differ by no more than four standard errors."""
    joint = build(name, corpus).double()
    order = list(range(12))
    batches = [corpus.graphs(order), with_atoms_shuffled(corpus.graphs(order[::-1]), seeded())]
    with torch.no_grad():
        losses = [
            torch.stack([joint(joint.objective.draw(batch, seeded(seed))) for seed in range(100)]) for batch in batches
        ]
    error = torch.stack([values.var() / len(values) for values in losses]).sum().sqrt()
    assert (losses[0].mean() - losses[1].mean()).abs() < 4 * error + 1e-9


GUESS = 2 * math.log(2)
"""What an objective with two kinds of pairs loses that cannot tell them apart: the cross-entropy of each kind."""

LEARNED: dict[str, Callable[[float], float]] = {
    # Half of the first loss would not beat the best constant guess, here the elements' or groups' frequencies.
    "attribute_masking": lambda first: 0.15 * first,
    "functional_groups": lambda first: 0.25 * first,
    "graph_mae": lambda first: 0.2 * first,
    # The first loss depends on the scale of the vectors alone. In 50 steps the losses fall well below that of guessing
    # but not by half: with 600 steps and a smaller rate that of infomax falls to a fifth of the first.
    "context_prediction": lambda _: 0.85 * GUESS,
    "edge_prediction": lambda _: 0.9 * GUESS,
    "infomax": lambda _: 0.95 * GUESS,
    # 3.63 nats is the mean entropy of the order, given a molecule's number of fragments: below it the order itself is
    # read. The median molecule has six fragments and a hundred orders, of which 50 steps teach only a part.
    "fragment_jigsaw": lambda _: 3.6,
    # Guessing among 256 molecules loses log 256 = 5.5; 50 steps of two encoders leave about 40 candidates.
    "graphmvp_contrastive": lambda _: 0.7 * math.log(256),
}
"""The loss after 50 steps at most, by the first loss, where it is not half of that."""

EASIER: dict[str, dict[str, Any]] = {
    "context_prediction": {"hops": 2, "inner": 1, "outer": 4},  # the encoder of two layers does not reach five bonds
}


@every_name
def test_it_learns(name: str, corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, width=32, dropout=0.0, **EASIER.get(name, {}))
    batch, random = corpus.graphs(range(256)), seeded()
    optimiser = torch.optim.Adam(joint.parameters(), lr=1e-2)
    losses: list[float] = []
    while len(losses) < 50 and not _below_bar(name, losses):
        loss = joint(joint.objective.draw(batch, random))
        gradient = torch.autograd.grad(loss, list(joint.parameters()), materialize_grads=True)
        for parameter, value in zip(joint.parameters(), gradient, strict=True):
            parameter.grad = value
        optimiser.step()
        losses.append(loss.item())
    assert _below_bar(name, losses), losses


def _below_bar(name: str, losses: list[float]) -> bool:
    """Whether the mean of the last five losses is."""
    if len(losses) < 5:
        return False
    bar = LEARNED[name](losses[0]) if name in LEARNED else losses[0] / 2
    return sum(losses[-5:]) / 5 < bar


@every_objective
@pytest.mark.parametrize(
    "smiles",
    [["C"], ["[Na+].[Cl-]"], ["CC"], ["C", "[Fe]"], ["CC(=O)Oc1ccccc1C(=O)O"]],
    ids=["atom", "salt", "pair", "atoms", "one molecule"],
)
def test_least_batches(
    name: str, options: dict[str, Any], smiles: list[str], corpus: MoleculeDataset, make: Make
) -> None:
    joint = build(name, corpus, **options)
    for seed in range(5):
        loss = joint(joint.objective.draw(make(smiles), seeded(seed)))
        gradient = torch.autograd.grad(loss, list(joint.parameters()), materialize_grads=True)
        assert loss.isfinite()
        assert all(g.isfinite().all() for g in gradient)


@every_objective
def test_state_round_trips(name: str, options: dict[str, Any], corpus: MoleculeDataset) -> None:
    joint = build(name, corpus, **options)
    fresh = build(name, corpus, **options).objective
    for tensor in fresh.state_dict().values():
        tensor.zero_()
    fresh.load_state_dict(joint.objective.state_dict())
    batch = corpus.graphs(range(16))
    first, second = (item(joint.encoder, item.draw(batch, seeded())) for item in (joint.objective, fresh))
    assert torch.equal(first, second)


@every_name
def test_the_stated_cost_is_measured(name: str, corpus: MoleculeDataset) -> None:
    """Atoms that pass through the encoder and through encoders of the objective's own, per atom of the batch."""
    joint = build(name, corpus)
    batch = corpus.graphs(range(128))
    encoded: list[int] = []

    def count(_encoder: nn.Module, inputs: tuple[GraphBatch | Conformers, ...]) -> None:
        encoded.append(inputs[0].num_nodes)

    for module in joint.modules():
        if isinstance(module, Encoder | SchNet):
            module.register_forward_pre_hook(count)
    joint(joint.objective.draw(batch, seeded()))
    assert sum(encoded) / batch.num_nodes == pytest.approx(joint.objective.cost, rel=0.15)


@every_name
def test_catalogue_entries_are_complete(name: str) -> None:
    objective = objectives.get(name)
    assert objective.family in FAMILIES
    assert objective.paper
    assert objective.__doc__ is not None
    assert "Source:" in objective.__doc__


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'graphcl'"):
        objectives.create("graph_cl", width=8)
    with pytest.raises(ConfigError, match="no option 'strenght'; did you mean 'strength'"):
        objectives.create("graphcl", width=8, strenght=0.1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("attribute_masking", {"rate": 1.0}, "rate=1.0"),
        ("graphcl", {"strength": -0.1}, "strength=-0.1"),
        ("graphcl", {"temperature": 0}, "temperature"),
        ("graphcl", {"augmentations": []}, "must name at least one"),
        ("graphcl", {"augmentations": ["node_dorp"]}, "did you mean 'node_drop'"),
        ("descriptors", {"left_out": 2}, "left_out=2"),
        ("functional_groups", {"width": 0}, "width=0"),
        ("graph_mae", {"rate": 1.5}, "rate=1.5"),
        ("graph_mae", {"power": 0.5}, "power=0.5"),
        ("context_prediction", {"hops": 4}, "0 <= inner < hops <= outer"),
        ("molclr", {"augmentation": "masks"}, "did you mean 'mask'"),
        ("molclr", {"rate": -1}, "rate=-1"),
        ("molclr", {"temperature": 0.0}, "temperature=0.0"),
        ("masked_consistency", {"rate": 1}, "rate=1"),
        ("assay_labels", {"labels": 0}, "labels=0"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        objectives.create(name, **{"width": 8, **options})


def test_registration_needs_family_and_paper() -> None:
    with pytest.raises(ConfigError, match="family"):

        @objectives.register("nameless")
        class Nameless(Objective): ...

    assert "nameless" not in objectives.available()
