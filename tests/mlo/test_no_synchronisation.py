"""A step never waits for the device: on the ``meta`` device, which has no values, reading one is an error."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from molweight.mlo import Health, Loop, weightings
from molweight.mlo.solvers import ConjugateGradient, Identity, Neumann, Solver

Params = dict[str, Tensor]
NAMES = ("one", "two")
SOLVERS = [Identity(), ConjugateGradient(iterations=3, damping=1.0), Neumann(iterations=3, damping=1.0)]
LEARNED = [name for name in weightings.available() if name not in {"mgda", "pcgrad", "upgrad"}]


def _loss(head: str, device: str) -> Callable[[Params], Tensor]:
    x, y = torch.ones(8, 4, device=device), torch.ones(8, device=device)
    return lambda p: ((torch.tanh(x @ p["encoder"]) @ p[head] - y) ** 2).mean()


def _loop(name: str, solver: Solver, device: str, **options: Any) -> Loop:
    def leaf(*shape: int) -> Tensor:
        return torch.full(shape, 0.1, device=device, requires_grad=True)

    given: dict[str, Any] = {"weights": [1, 2]} if name == "fixed" else {}
    weighting = weightings.create(name, NAMES, **given)
    pretrained = {"encoder": leaf(4, 3), "head.one": leaf(3), "head.two": leaf(3)}
    return Loop(pretrained, {"encoder": leaf(4, 3), "task": leaf(3)}, weighting, solver=solver, **options)


def _run(name: str, solver: Solver, device: str) -> None:
    loop = _loop(name, solver, device, scale_losses=True, optimizer=lambda tensors, lr: torch.optim.SGD(tensors, lr=lr))
    health = Health(NAMES)
    objectives = {"one": _loss("head.one", device), "two": _loss("head.two", device)}
    for _ in range(3):
        health.observe(loop.step(objectives, _loss("task", device), _loss("task", device)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_solver_reads_a_value(solver: Solver) -> None:
    _run("tapweight", solver, "meta")


@pytest.mark.parametrize("name", LEARNED)
def test_no_weighting_reads_a_value(name: str) -> None:
    _run(name, ConjugateGradient(iterations=2, damping=1.0), "meta")


def test_a_state_goes_to_the_device_of_the_loop_that_reads_it() -> None:
    """States are read on the CPU; what stayed there could not be added to what is on another device."""
    options: dict[str, Any] = {
        "scale_losses": True,
        "optimizer": lambda tensors, lr: torch.optim.SGD(tensors, lr=lr),
    }
    solver, seen = ConjugateGradient(iterations=2, damping=1.0), Health(NAMES)
    loops = {device: _loop("tapweight", solver, device, **options) for device in ("cpu", "meta")}
    for device, loop in loops.items():
        objectives = {"one": _loss("head.one", device), "two": _loss("head.two", device)}
        health = Health(NAMES)
        if device == "meta":
            own = {"weighting": loop.weighting.state_dict()}  # torch's own business, and it warns of copying to meta
            loop.load_state_dict({**loops["cpu"].state_dict(), **own})
            health.load_state_dict(seen.state_dict())
        for _ in range(2):
            health.observe(loop.step(objectives, _loss("task", device), _loss("task", device)))
        assert loop.weighting.weights.device.type == device
        seen = health
    assert loops["meta"].steps == seen.state_dict()["steps"] == 4


def test_reading_a_value_would_be_noticed() -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(torch.ones((), device="meta") > 0)


@pytest.mark.gpu
@pytest.mark.parametrize("solver", SOLVERS)
def test_no_synchronisation_on_an_accelerator(solver: Solver) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    _run("tapweight", solver, "cuda")
    loop = _loop("tapweight", solver, "cuda")
    objectives = {"one": _loss("head.one", "cuda"), "two": _loss("head.two", "cuda")}
    task = _loss("task", "cuda")
    loop.step(objectives, task, task)
    torch.cuda.set_sync_debug_mode("error")
    try:
        loop.step(objectives, task, task)
    finally:
        torch.cuda.set_sync_debug_mode("default")
