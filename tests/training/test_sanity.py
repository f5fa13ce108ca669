"""Sanity of the method on real molecules: a planted oracle, planted noise, identical and permuted objectives."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from molweight.datasets import Splits, load, split
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives import FunctionalGroups, Objective, register
from molweight.objectives.building_blocks import Encode
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training.internal import AdaptivePretraining, adaptive_pretraining


class _Regression(Objective):
    family, paper, column = "property", "this test", ""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.head = nn.Linear(width, 1)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> tuple[GraphBatch, Tensor]:
        return batch, batch.columns[self.column]

    def loss(self, encoder: Encode, views: Any) -> Tensor:
        return nn.functional.mse_loss(self.head(encoder(views[0]).graphs), views[1])


@register("sanity_oracle")
class Oracle(_Regression):
    column = "sanity_oracle"


@register("sanity_noise")
class Noise(_Regression):
    column = "sanity_noise"


@register("sanity_half")
class Half(_Regression):
    """Half of the labels are those of other molecules: worth something, and less than the oracle."""

    column = "sanity_half"


@register("sanity_groups")
class Twin(FunctionalGroups):
    """The same objective under another name."""


@pytest.fixture(scope="module")
def esol() -> MoleculeDataset:
    return load("esol")


@pytest.fixture(scope="module")
def roles(esol: MoleculeDataset) -> Splits:
    return split(esol)


def _set_up(data: MoleculeDataset, roles: Splits, objectives: list[str], seed: int = 0) -> AdaptivePretraining:
    """The default method on the training molecules, from a random encoder."""
    train = data.subset(roles.train)
    labels = ((train.targets - train.targets.mean()) / train.targets.std()).astype(np.float32)
    shuffled = np.random.default_rng(seed).permutation(labels)
    job = Job(
        encoder_options={"layers": 2, "width": 64},
        objectives=objectives,
        init="scratch",
        batch_size=64,
        seed=seed,
        device="cpu",
    )
    half = np.where(np.arange(len(labels))[:, None] % 2, labels, shuffled)
    corpus = train.with_columns({"sanity_oracle": labels, "sanity_noise": shuffled, "sanity_half": half})
    model, prepared = generic_pretraining(job, corpus, torch.device("cpu"))
    return adaptive_pretraining(job, model, prepared, data, roles, device=torch.device("cpu"))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_oracle_comes_first_and_the_noise_falls(esol: MoleculeDataset, roles: Splits, seed: int) -> None:
    setup = _set_up(esol, roles, ["sanity_noise", "attribute_masking", "functional_groups", "sanity_oracle"], seed)
    setup.run(120)
    weights = setup.loop.weighting.as_dict()
    assert max(weights, key=lambda name: weights[name]) == "sanity_oracle"
    assert weights["sanity_oracle"] > 2 * weights["sanity_noise"]


def test_identical_objectives_keep_equal_weights(esol: MoleculeDataset, roles: Splits) -> None:
    setup = _set_up(esol, roles, ["functional_groups", "sanity_groups"])
    twin, first = (setup.model.objective(name) for name in ("sanity_groups", "functional_groups"))
    twin.load_state_dict(first.state_dict())  # the same head too
    setup.run(12)
    assert setup.loop.weighting.as_dict() == pytest.approx({"functional_groups": 0.5, "sanity_groups": 0.5}, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_noise_comes_last_where_everything_else_is_worth_something(
    esol: MoleculeDataset, roles: Splits, seed: int
) -> None:
    setup = _set_up(esol, roles, ["sanity_noise", "sanity_half", "sanity_oracle"], seed)
    setup.run(120)
    weights = setup.loop.weighting.as_dict()
    assert sorted(weights, key=lambda name: weights[name]) == ["sanity_noise", "sanity_half", "sanity_oracle"]


def test_permuting_the_objectives_permutes_the_weights(esol: MoleculeDataset, roles: Splits) -> None:
    names = ["sanity_noise", "functional_groups", "sanity_oracle"]  # none of them draws
    first, second = _set_up(esol, roles, names), _set_up(esol, roles, [names[2], names[0], names[1]])
    second.model.load_state_dict(first.model.state_dict())
    second.task.model.load_state_dict(first.task.model.state_dict())
    for setup in (first, second):
        setup.run(10)
    weights = first.loop.weighting.as_dict()
    assert max(weights.values()) - min(weights.values()) > 0.1
    assert second.loop.weighting.as_dict() == pytest.approx(weights, abs=5e-3)  # sums in another order
