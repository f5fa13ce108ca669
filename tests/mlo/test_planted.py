"""A planted problem: one objective is the task itself, one is noise; the learned weights must tell them apart."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from molweight.mlo import Loop
from molweight.mlo.solvers import ConjugateGradient
from molweight.mlo.weightings import TapWeight

Params = dict[str, Tensor]
INPUTS, WIDTH, ROWS, STEPS = 20, 32, 300, 200


def _encode(p: Params, x: Tensor) -> Tensor:
    hidden = torch.relu(x @ p["encoder.0"] + p["encoder.1"])
    return torch.relu(hidden @ p["encoder.2"] + p["encoder.3"])


def _learned_weights(seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) / math.sqrt(shape[0])

    x = torch.randn(ROWS, INPUTS, generator=generator)
    truth = torch.tanh(2 * x @ draw(INPUTS, 12)) @ draw(12)
    task = truth / truth.std() + 0.3 * torch.randn(ROWS, generator=generator)
    targets = {
        "oracle": task,
        "noise": torch.randn(ROWS, generator=generator),
        "other": torch.sin(3 * x[:, 0] * x[:, 1]),
    }
    encoder = {
        "encoder.0": draw(INPUTS, WIDTH),
        "encoder.1": torch.zeros(WIDTH),
        "encoder.2": draw(WIDTH, WIDTH),
        "encoder.3": torch.zeros(WIDTH),
    }
    heads = {f"head.{name}": draw(WIDTH) for name in targets}
    levels = [encoder | heads, encoder | {"task": draw(WIDTH)}]
    theta, omega = ({name: t.clone().requires_grad_() for name, t in level.items()} for level in levels)

    def loss(head: str, target: Tensor, low: int, high: int, size: int) -> Callable[[Params], Tensor]:
        rows = torch.randint(low, high, (size,), generator=generator)
        return lambda p: ((_encode(p, x[rows]) @ p[head] - target[rows]) ** 2).mean()

    loop = Loop(
        theta,
        omega,
        TapWeight(list(targets)),
        solver=ConjugateGradient(iterations=2, damping=1.0),
        pretrain_lr=2e-3,
        finetune_lr=2e-3,
        hypergradient_interval=5,
    )
    for _ in range(STEPS):
        objectives = {name: loss(f"head.{name}", target, 0, 200, 64) for name, target in targets.items()}
        loop.step(objectives, loss("task", task, 0, 200, 64), loss("task", task, 200, ROWS, 64))
    return loop.weighting.as_dict()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_oracle_ends_well_above_the_noise(seed: int) -> None:
    weights = _learned_weights(seed)
    assert weights["oracle"] > 2 * weights["noise"]
    assert weights["oracle"] > 1 / 3
