"""Every weighting drives the same loop; the two-level ablation and cosine alignment against what they should be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from molweight.errors import ConfigError, TrainingError
from molweight.mlo import (
    Health,
    Level,
    Loop,
    LoopPoint,
    ThreeLevelGraph,
    TwoLevelGraph,
    hypergradient,
    minimise,
    resolved_hypergradient,
    solvers,
    weightings,
)
from molweight.mlo.solvers import ConjugateGradient, Dense, Identity
from molweight.mlo.weightings import Alignment, Bilevel, Equal, Signals, TapWeight, Weighting

Params = dict[str, Tensor]
Loss = Callable[[Params], Tensor]
NAMES = ("one", "two")


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _regression(head: str, seed: int) -> Loss:
    x, y = _randn(15, 4, seed=seed), _randn(15, seed=seed + 100)

    def loss(p: Params) -> Tensor:
        error = torch.tanh(x.to(p[head].device) @ p["encoder"]) @ p[head] - y.to(p[head].device)
        return (error**2).mean() + 0.01 * (p[head] ** 2).sum()

    return loss


OBJECTIVES = {"one": _regression("head.one", 1), "two": _regression("head.two", 2)}
TRAIN, META = _regression("task", 3), _regression("task", 4)


def _loop(weighting: Weighting, device: str = "cpu", **options: Any) -> Loop:
    def leaf(*shape: int, seed: int) -> Tensor:
        return (0.5 * _randn(*shape, seed=seed)).to(device).requires_grad_()

    pretrained = {"head.one": leaf(3, seed=5), "encoder": leaf(4, 3, seed=6), "head.two": leaf(3, seed=7)}
    finetuned = {"task": leaf(3, seed=8), "encoder": leaf(4, 3, seed=6)}
    options = {"pretrain_lr": 0.01, "finetune_lr": 0.01} | options
    return Loop(pretrained, finetuned, weighting, **options)


def _gradient(loss: Loss, params: Params, names: list[str]) -> Tensor:
    point = {name: tensor.detach().clone().requires_grad_() for name, tensor in params.items()}
    parts = torch.autograd.grad(loss(point), [point[name] for name in names], materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])


@pytest.mark.parametrize("name", weightings.available())
def test_every_weighting_drives_the_loop_and_resumes(name: str) -> None:
    options: dict[str, Any] = {"weights": [1, 3]} if name == "fixed" else {}
    straight, first, second = (_loop(weightings.create(name, NAMES, **options), scale_losses=True) for _ in range(3))
    record = straight.step(OBJECTIVES, TRAIN, META)
    for _ in range(4):
        straight.step(OBJECTIVES, TRAIN, META)
    assert float(record.weights.sum()) == pytest.approx(1.0)
    for _ in range(2):
        first.step(OBJECTIVES, TRAIN, META)
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        second.step(OBJECTIVES, TRAIN, META)
    assert torch.equal(second.weighting.weights, straight.weighting.weights)
    assert all(torch.equal(second.pretrained[key], straight.pretrained[key]) for key in straight.pretrained)


@pytest.mark.gpu
@pytest.mark.parametrize("name", weightings.available())
@pytest.mark.parametrize("rule", sorted(set(solvers.available()) - {"nystrom"}))  # draws other numbers on each device
def test_steps_are_those_of_the_cpu(name: str, rule: str) -> None:
    """Ten steps of every weighting with every solver end at the same point."""
    options: dict[str, Any] = {"weights": [1, 3]} if name == "fixed" else {}
    here, there = (
        _loop(weightings.create(name, NAMES, **options), solver=solvers.create(rule), device=device)
        for device in ("cpu", "cuda")
    )
    for _ in range(10):
        here.step(OBJECTIVES, TRAIN, META)
        there.step(OBJECTIVES, TRAIN, META)
    torch.testing.assert_close(there.weighting.weights.cpu(), here.weighting.weights, rtol=1e-6, atol=1e-8)
    for key, value in here.finetuned.items():
        assert there.finetuned[key].is_cuda
        torch.testing.assert_close(there.finetuned[key].cpu(), value, rtol=1e-6, atol=1e-8)


@pytest.mark.gpu
def test_a_state_that_was_read_on_the_cpu_is_gone_on_from(tmp_path: Path) -> None:
    straight, stopped, resumed = (
        _loop(TapWeight(NAMES), scale_losses=True, solver=ConjugateGradient(damping=1.0), device="cuda")
        for _ in range(3)
    )
    health, again = Health(NAMES), Health(NAMES)
    for _ in range(6):
        straight.step(OBJECTIVES, TRAIN, META)
    for _ in range(3):
        health.observe(stopped.step(OBJECTIVES, TRAIN, META))
    torch.save((stopped.state_dict(), health.state_dict()), tmp_path / "state")
    state, seen = torch.load(tmp_path / "state", map_location="cpu")
    resumed.load_state_dict(state)
    again.load_state_dict(seen)
    for _ in range(3):
        again.observe(resumed.step(OBJECTIVES, TRAIN, META))
    torch.testing.assert_close(resumed.weighting.weights, straight.weighting.weights, rtol=1e-9, atol=1e-12)
    for key, value in straight.finetuned.items():
        torch.testing.assert_close(resumed.finetuned[key], value, rtol=1e-9, atol=1e-12)
    assert again.state_dict()["steps"] == 6


def test_alignment_sees_the_cosines_of_the_encoder_gradients() -> None:
    seen: list[Tensor | None] = []

    class Watch(Alignment):
        def update(self, signals: weightings.Signals) -> None:
            seen.append(signals.alignment)

    # The point of the meta gradient is read off after the step.
    loop = _loop(Watch(NAMES), track_encoder=False, finetune_ema=0.0)
    theta = {name: tensor.detach().clone() for name, tensor in loop.pretrained.items()}
    loop.step(OBJECTIVES, TRAIN, META)
    meta = _gradient(META, loop.finetuned, ["encoder"])
    rows = [_gradient(loss, theta, ["encoder"]) for loss in OBJECTIVES.values()]
    expected = torch.stack([torch.nn.functional.cosine_similarity(row, meta, dim=0) for row in rows])
    assert seen[0] is not None
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.parametrize("solver", [Identity(), Dense(damping=5.0), ConjugateGradient(100, 5.0, 1e-11)])
def test_two_levels_take_the_joint_hypergradient(solver: Any) -> None:
    weighting = Bilevel(NAMES)
    loop = _loop(weighting, solver=solver)
    joint = {name: tensor.detach().clone() for name, tensor in (loop.finetuned | loop.pretrained).items()}
    weights = weighting.weights.clone()
    record = loop.step(OBJECTIVES, TRAIN, META)
    joint["task"] = loop.finetuned["task"].detach().clone()

    def merged(own: Params, upper: Params) -> Tensor:
        return upper["weights"] @ torch.stack([loss(own) for loss in OBJECTIVES.values()]) + TRAIN(own)

    rule = solver if isinstance(solver, Identity) else Dense(damping=5.0)
    level = Level("pretrain", merged)
    expected = hypergradient([level], [joint], {"weights": weights}, lambda own, _: META(own), rule)
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, expected.value["weights"], rtol=1e-8, atol=1e-10)


def test_two_levels_train_one_encoder() -> None:
    loop = _loop(Bilevel(NAMES))
    plain = {n: t.detach().clone().requires_grad_() for n, t in (loop.finetuned | loop.pretrained).items()}
    weights = loop.weighting.weights.clone()
    record = loop.step(OBJECTIVES, TRAIN, META)
    total = weights[0] * OBJECTIVES["one"](plain) + weights[1] * OBJECTIVES["two"](plain) + TRAIN(plain)
    total.backward()  # type: ignore[no-untyped-call]  # torch
    torch.optim.Adam(list(plain.values()), lr=0.01).step()
    for name, tensor in (loop.finetuned | loop.pretrained).items():
        torch.testing.assert_close(tensor, plain[name])
    assert torch.equal(loop.finetuned["encoder"], loop.pretrained["encoder"])
    assert record.train_loss is not None


def test_scaled_losses_do_not_depend_on_their_units() -> None:
    one, two = (_loop(TapWeight(NAMES), scale_losses=True, solver=ConjugateGradient(damping=1.0)) for _ in range(2))
    louder = OBJECTIVES | {"one": lambda p: 1e4 * OBJECTIVES["one"](p)}
    for _ in range(3):
        plain, scaled = one.step(OBJECTIVES, TRAIN, META), two.step(louder, TRAIN, META)
        assert float(scaled.losses[0]) == pytest.approx(1e4 * float(plain.losses[0]), rel=1e-6)
        assert plain.hypergradient is not None
        assert scaled.hypergradient is not None
        torch.testing.assert_close(plain.hypergradient, scaled.hypergradient, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(one.weighting.weights, two.weighting.weights, rtol=1e-6, atol=0.0)


def test_a_graph_for_each_weighting() -> None:
    assert type(_loop(Bilevel(NAMES)).graph) is TwoLevelGraph
    assert type(_loop(Equal(NAMES)).graph) is ThreeLevelGraph


class Given(Equal):
    """The weights ``first`` before the first step, and those of ``after`` from then on."""

    current: Tensor
    after: Tensor

    def __init__(self, first: list[float], after: list[float]) -> None:
        super().__init__(NAMES)
        self.register_buffer("current", torch.tensor(first))
        self.register_buffer("after", torch.tensor(after))

    @property
    def weights(self) -> Tensor:
        return self.current

    def update(self, signals: Signals) -> None:
        self.current = self.after


@pytest.mark.parametrize("wrong", [[3.0, -1.0], [0.5, 0.4], [float("nan"), 1.0]])
def test_weights_off_the_simplex_are_refused_at_once(wrong: list[float]) -> None:
    with pytest.raises(TrainingError, match=r"weighting 'Given': its weights at step 0 are \[.* with a sum of 1"):
        _loop(Given(wrong, wrong))
    loop = _loop(Given([0.5, 0.5], wrong))
    with pytest.raises(TrainingError, match="weighting 'Given': its weights at step 1 are"):
        loop.step(OBJECTIVES)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_rounded_weights_are_on_the_simplex(dtype: torch.dtype) -> None:
    names = tuple("abcdefg")
    theta = {"encoder": torch.ones(2, dtype=dtype, requires_grad=True)}
    loop = Loop(theta, {}, Equal(names))
    record = loop.step({name: lambda p: (p["encoder"] ** 2).sum() for name in names})
    assert record.weights.dtype == dtype


SOLVERS = [Identity(), ConjugateGradient(iterations=3, damping=1.0), (Dense(damping=5.0), Identity(0.5))]


@pytest.mark.parametrize("rule", [TapWeight, Bilevel])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [False, True])
def test_the_hypergradient_outside_a_step_is_the_one_inside(rule: Any, solver: Any, scale: bool) -> None:
    """To the last bit, at the averaged iterate, with scaled losses and several meta losses."""

    class Compare(rule):  # type: ignore[misc]  # a base known at run time
        outside: Tensor

        def update(self, signals: weightings.Signals) -> None:
            # Level 2 has moved, level 1 has not: the point that the step takes its hypergradient at.
            result = loop.hypergradient(OBJECTIVES, TRAIN, [META, TRAIN])
            self.outside = result.value["weights"]
            super().update(signals)

    weighting = Compare(NAMES)
    loop = _loop(weighting, solver=solver, scale_losses=scale, warm_start=False)
    for _ in range(3):
        record = loop.step(OBJECTIVES, TRAIN, [META, TRAIN])
        assert record.hypergradient is not None
        assert torch.equal(weighting.outside, record.hypergradient)


def test_a_point_is_the_averaged_one_and_does_not_move() -> None:
    loop = _loop(TapWeight(NAMES), finetune_ema=0.5)
    for _ in range(2):
        loop.step(OBJECTIVES, TRAIN, META)
    point = loop.point()
    average = loop.graph.average.point(loop.pretrained)
    assert not torch.equal(point.variables[1]["task"], loop.finetuned["task"])
    assert all(torch.equal(point.variables[1][name], average[name]) for name in average)
    before = {name: tensor.detach().clone() for name, tensor in (point.variables[0] | point.upper).items()}
    exact = loop.hypergradient(OBJECTIVES, TRAIN, META, solver=Dense(damping=5.0)).value["weights"]
    loop.step(OBJECTIVES, TRAIN, META)
    assert all(torch.equal(before[name], tensor) for name, tensor in (point.variables[0] | point.upper).items())
    again = loop.hypergradient(OBJECTIVES, TRAIN, META, at=point, solver=Dense(damping=5.0)).value["weights"]
    assert torch.equal(exact, again)


def test_a_point_goes_to_another_floating_point_type() -> None:
    loop = _loop(TapWeight(NAMES), scale_losses=True)
    loop.step(OBJECTIVES, TRAIN, META)
    coarse = loop.point().to(torch.float32)
    assert {tensor.dtype for tensor in (coarse.variables[1] | coarse.upper).values()} == {torch.float32}
    assert coarse.scales.dtype == torch.float32
    fine = coarse.to(torch.float64).upper["weights"]
    torch.testing.assert_close(fine, loop.point().upper["weights"], rtol=1e-6, atol=0)


def test_the_reference_rules_take_the_levels_of_the_loop() -> None:
    """Central differences over the weights of the very chain that trains, with both levels minimised again."""
    loop = _loop(TapWeight(NAMES), solver=Dense())
    convex = {name: _convex(loss) for name, loss in OBJECTIVES.items()}
    train = _convex(TRAIN)
    levels, point = loop.levels(convex, train), loop.point()

    def solve(upper: Params) -> list[Params]:
        theta = minimise(levels[0], point.variables[0], upper)
        return [theta, minimise(levels[1], point.variables[1], theta)]

    numeric = resolved_hypergradient(lambda upper: solve(upper)[1], point.upper, lambda own, _: META(own))
    solved = LoopPoint(tuple(_leaves(level) for level in solve(point.upper)), point.upper, point.scales)
    exact = loop.hypergradient(convex, train, META, at=solved).value["weights"]
    torch.testing.assert_close(exact, numeric["weights"], rtol=1e-5, atol=1e-9)


def _leaves(params: Params) -> Params:
    return {name: tensor.detach().requires_grad_() for name, tensor in params.items()}


def _convex(loss: Loss) -> Loss:
    """With a decay towards one that makes the Hessian positive definite, so that the level has a single minimum."""
    return lambda p: loss(p) + 5.0 * torch.stack([((tensor - 1) ** 2).sum() for tensor in p.values()]).sum()


@pytest.mark.parametrize("finetuned", [True, False])
def test_norms_are_over_the_encoder_with_and_without_a_task(finetuned: bool) -> None:
    loop = _loop(Equal(NAMES))
    if not finetuned:
        loop = Loop(dict(loop.pretrained), {}, Equal(NAMES), encoder=["encoder"])
    objectives = {**OBJECTIVES, "two": lambda p: p["head.two"].square().sum() + 0 * p["encoder"].sum()}
    expected = [_gradient(loss, loop.pretrained, ["encoder"]).norm() for loss in objectives.values()]
    record = loop.step(objectives)
    assert record.norms is not None
    torch.testing.assert_close(record.norms, torch.stack(expected))
    assert record.zero_gradient == ("two",)


def test_an_encoder_of_unknown_variables_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no variable of level 'pretrain': 'encodr'"):
        Loop(dict(_loop(Equal(NAMES)).pretrained), {}, Equal(NAMES), encoder=["encodr"])


@pytest.mark.parametrize("name", ["mgda", "pcgrad", "upgrad"])
def test_heads_do_not_change_the_weights_of_conflicting_gradients(name: str) -> None:
    """The gradients of the encoder are orthogonal and of equal length; those of the heads differ by a factor of 100."""
    pretrained = {key: torch.zeros(2, requires_grad=True) for key in ("encoder", "head.one", "head.two")}
    objectives = {
        "one": lambda p: p["encoder"][0] + 10 * p["head.one"].sum(),
        "two": lambda p: p["encoder"][1] + 0.1 * p["head.two"].sum(),
    }
    loop = Loop(pretrained, {}, weightings.create(name, NAMES), encoder=["encoder"])
    record = loop.step(objectives)
    torch.testing.assert_close(record.weights, torch.tensor([0.5, 0.5]))
    assert all(bool((tensor != 0).any()) for tensor in pretrained.values())
