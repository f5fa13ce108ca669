"""The loop step: exact answers through all three levels, resume, invariances, refusals."""

import copy
import io
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from molweight import mlo
from molweight.errors import ConfigError
from molweight.mlo import Level, Loop, Record, TwoLevelGraph, hypergradient, three_levels
from molweight.mlo.solvers import ConjugateGradient, Dense, Identity, Neumann, Nystrom, Solver
from molweight.mlo.weightings import Alignment, Bilevel, Equal, Fixed, TapWeight, Weighting

Params = dict[str, Tensor]
Loss = Callable[[Params], Tensor]
NAMES = ("regress", "contrast", "copy")
GAMMA = 0.6
DAMPING = 20.0


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _encode(p: Params, x: Tensor) -> Tensor:
    return torch.tanh(x @ p["encoder.0"] + p["encoder.1"]) @ p["encoder.2"]


def _objectives(seed: int = 0) -> dict[str, Loss]:
    x, y = _randn(16, 4, seed=seed), _randn(16, 2, seed=seed + 1)
    return {
        "regress": lambda p: ((_encode(p, x) @ p["head.regress"] - y) ** 2).mean(),
        "contrast": lambda p: -torch.log_softmax(_encode(p, x) @ _encode(p, x + 0.1).T, 1).diagonal().mean(),
        "copy": lambda p: ((_encode(p, x) @ p["head.copy"] - x) ** 2).mean(),
    }


def _task(seed: int) -> Loss:
    x, y = _randn(12, 4, seed=seed), _randn(12, 1, seed=seed + 1)
    return lambda p: ((_encode(p, x) @ p["head.task"] - y) ** 2).mean() + 1e-3 * (p["head.task"] ** 2).sum()


def _encoder() -> Params:
    shapes = {"encoder.0": (4, 5), "encoder.1": (5,), "encoder.2": (5, 3)}
    return {name: 0.5 * _randn(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}


def _leaves(params: Params) -> Params:
    return {name: tensor.clone().requires_grad_() for name, tensor in params.items()}


def _loop(weighting: Weighting, **options: Any) -> Loop:
    pretrained = _encoder() | {"head.regress": _randn(3, 2, seed=7), "head.copy": _randn(3, 4, seed=8)}
    finetuned = _encoder() | {"head.task": _randn(3, 1, seed=9)}
    # The tests read the point of the meta gradient off the loop after the step: it must still be there.
    options = {
        "proximal_strength": GAMMA,
        "pretrain_lr": 0.01,
        "finetune_lr": 0.01,
        "track_encoder": False,
        "finetune_ema": 0.0,
    } | options
    return Loop(_leaves(pretrained), _leaves(finetuned), weighting, **options)


def _copy(params: Params) -> Params:
    return {name: tensor.detach().clone() for name, tensor in params.items()}


def _gradient(loss: Loss, at: Params) -> Params:
    point = _leaves(at)
    parts = torch.autograd.grad(loss(point), list(point.values()), materialize_grads=True)
    return dict(zip(point, parts, strict=True))


def test_identity_is_the_closed_form() -> None:
    """dF/dalpha_k = -2 gamma w_k (a_k - sum_j w_j a_j) with a_k = <grad_theta loss_k, grad_omega meta>."""
    weighting = TapWeight(NAMES)
    loop = _loop(weighting, solver=Identity())
    loop.step(_objectives(), _task(20), _task(30))
    theta, weights = _copy(loop.pretrained), weighting.weights.clone()
    record = loop.step(_objectives(3), _task(21), _task(31))
    meta = _gradient(_task(31), loop.finetuned)
    slopes = [_gradient(loss, theta) for loss in _objectives(3).values()]
    a = torch.stack([sum((g[n] * meta[n]).sum() for n in loop.shared) for g in slopes])  # type: ignore[misc]  # sum of tensors
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, -2 * GAMMA * a, rtol=1e-13, atol=1e-15)
    alpha = (torch.diag(weights) - torch.outer(weights, weights)) @ record.hypergradient
    torch.testing.assert_close(alpha, -2 * GAMMA * weights * (a - weights @ a), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(
    "solver",
    [
        Identity(),
        Dense(damping=DAMPING),
        ConjugateGradient(iterations=5, damping=1.0),
        Neumann(iterations=5, damping=1.0),
        Nystrom(rank=4),
        (Dense(damping=DAMPING), Identity()),
    ],
)
def test_a_step_takes_the_hypergradient_of_its_chain(solver: Any) -> None:
    """To the last bit: training and checks run the same code."""
    weighting = TapWeight(NAMES)
    loop = _loop(weighting, solver=solver)
    theta, weights = _copy(loop.pretrained), weighting.weights.clone()
    objectives, train, meta = _objectives(), _task(20), _task(30)
    record = loop.step(objectives, train, meta)
    chain = three_levels(objectives, train, GAMMA)
    per_level = solver[::-1] if isinstance(solver, tuple) else solver
    variables = [theta, _copy(loop.finetuned)]
    expected = hypergradient(chain, variables, {"weights": weights}, lambda own, _: meta(own), per_level)
    assert record.hypergradient is not None
    assert torch.equal(record.hypergradient, expected.value["weights"])


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [
        (Dense(damping=DAMPING), 1e-9),
        (ConjugateGradient(iterations=300, damping=DAMPING, tolerance=1e-11), 1e-7),
        (Neumann(iterations=3000, damping=DAMPING, tolerance=1e-11), 1e-7),
    ],
)
def test_the_closed_forms_of_the_chain_are_those_of_autograd(solver: Solver, tolerance: float) -> None:
    loop = _loop(TapWeight(NAMES))
    objectives, train, meta = _objectives(), _task(20), _task(30)

    def first(own: Params, upper: Params) -> Tensor:
        return upper["weights"] @ torch.stack([loss(own) for loss in objectives.values()])

    def second(own: Params, upper: Params) -> Tensor:
        return train(own) + GAMMA * torch.stack([((own[n] - upper[n]) ** 2).sum() for n in loop.shared]).sum()

    variables, upper = [_copy(loop.pretrained), _copy(loop.finetuned)], {"weights": loop.weighting.weights}
    plain = [Level("pretrain", first), Level("finetune", second)]
    expected = hypergradient(plain, variables, upper, lambda own, _: meta(own), Dense(damping=DAMPING))
    result = hypergradient(loop.levels(objectives, train), variables, upper, lambda own, _: meta(own), solver)
    torch.testing.assert_close(result.value["weights"], expected.value["weights"], rtol=tolerance, atol=tolerance)


def _flat_derivatives(loss: Loss, at: Params) -> tuple[Tensor, Tensor]:
    """Gradient and Hessian of a loss, dense."""
    sizes, shapes = [t.numel() for t in at.values()], [t.shape for t in at.values()]

    def flat_loss(flat: Tensor) -> Tensor:
        parts = zip(torch.split(flat, sizes), shapes, strict=True)
        return loss(dict(zip(at, (part.view(shape) for part, shape in parts), strict=True)))

    flat = torch.cat([t.flatten() for t in at.values()])
    return torch.func.grad(flat_loss)(flat), torch.func.hessian(flat_loss)(flat)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("some", [NAMES, NAMES[1:2]])
def test_gradients_on_other_molecules_enter_the_last_product_alone(some: tuple[str, ...], share: float) -> None:
    """Against dense solves: both Hessians and the step of level 1 are those of the losses on the corpus."""
    loop = _loop(TapWeight(NAMES), solver=Dense(damping=DAMPING), mixed_share=share, scale_losses=True)
    plain = _loop(TapWeight(NAMES), solver=Dense(damping=DAMPING), scale_losses=True)
    objectives, train, meta = _objectives(), _task(20), _task(30)
    other = {name: _objectives(3)[name] for name in some}
    theta = _copy(loop.pretrained)
    record = loop.step(objectives, train, meta, mixed_objectives=other)
    plain.step(objectives, train, meta)
    scales = torch.stack([loss(theta) for loss in objectives.values()])
    block = sum(theta[name].numel() for name in loop.shared)
    v, _ = _flat_derivatives(meta, _copy(loop.finetuned))
    _, h2 = _flat_derivatives(train, _copy(loop.finetuned))
    tie = torch.zeros(len(v), dtype=torch.float64)
    tie[:block] = 2 * GAMMA
    q2 = torch.linalg.solve(h2 + torch.diag(tie) + DAMPING * torch.eye(len(v), dtype=torch.float64), v)
    _, h1 = _flat_derivatives(
        lambda p: torch.stack([loss(p) for loss in objectives.values()]) @ (1 / scales / 3), theta
    )
    u = torch.zeros(len(h1), dtype=torch.float64)
    u[:block] = 2 * GAMMA * q2[:block]
    q1 = torch.linalg.solve(h1 + DAMPING * torch.eye(len(h1), dtype=torch.float64), u)
    here = torch.stack([_flat_derivatives(loss, theta)[0] for loss in objectives.values()])
    there = torch.stack([_flat_derivatives({**objectives, **other}[name], theta)[0] for name in NAMES])
    expected = -torch.lerp(here, there, share) @ q1 / scales
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, expected, rtol=1e-10, atol=1e-14)
    for name, tensor in plain.pretrained.items():
        assert torch.equal(loop.pretrained[name], tensor)


def test_the_hypergradient_outside_a_step_has_the_other_molecules_too() -> None:
    loop = _loop(TapWeight(NAMES), mixed_share=0.5)
    losses = _objectives(), _task(20), _task(30)
    loop.step(*losses)
    outside = loop.hypergradient(*losses, mixed_objectives=_objectives(3)).value["weights"]
    each = [loop.hypergradient(own, *losses[1:], solve_objectives=losses[0]) for own in (losses[0], _objectives(3))]
    mean = torch.stack([found.value["weights"] for found in each]).mean(dim=0)
    torch.testing.assert_close(outside, mean, rtol=1e-12, atol=1e-15)


def test_cosines_are_with_the_gradients_on_other_molecules() -> None:
    class Kept(Alignment):
        def update(self, signals: Any) -> None:
            self.seen = signals.alignment

    weighting = Kept(NAMES)
    loop, other = _loop(weighting), {"copy": _objectives(3)["copy"]}
    theta = _copy(loop.pretrained)
    loop.step(_objectives(), _task(20), _task(30), mixed_objectives=other)
    meta = torch.cat([_gradient(_task(30), loop.finetuned)[name].flatten() for name in loop.shared])
    for place, name in enumerate(NAMES):
        gradient = _gradient({**_objectives(), **other}[name], theta)
        own = torch.cat([gradient[key].flatten() for key in loop.shared])
        torch.testing.assert_close(weighting.seen[place], torch.cosine_similarity(own, meta, dim=0))


A, B, C, D = (_randn(9, 3, seed=s) for s in (41, 42, 43, 44))
YA, YB, YC, YD = (_randn(9, seed=s) for s in (51, 52, 53, 54))


def _logistic(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return torch.log1p(torch.exp(-torch.sign(y) * (x @ w))).mean() + 0.05 * (w**2).sum()


def _convex_objectives() -> dict[str, Loss]:
    return {
        "a": lambda p: _logistic(A, YA, p["w"] + 0.1 * p["va"]) + 0.5 * (p["va"] ** 2).sum(),
        "b": lambda p: _logistic(B, YB, p["w"]),
    }


def _convex_task(x: Tensor, y: Tensor) -> Loss:
    return lambda p: _logistic(x, y, p["w"]) + ((x @ p["w"] * p["h"] - y) ** 2).mean() + 0.1 * (p["h"] - 1).pow(2).sum()


def _pretrain_loss(weights: Tensor) -> Loss:
    return lambda p: weights @ torch.stack([loss(p) for loss in _convex_objectives().values()])


def _newton(loss: Loss, names: tuple[str, ...], size: int = 3) -> Params:
    sizes = [1 if name == "h" else size for name in names]

    def unpack(flat: Tensor) -> Params:
        return dict(zip(names, torch.split(flat, sizes), strict=True))

    def flat_loss(flat: Tensor) -> Tensor:
        return loss(unpack(flat))

    x = torch.full((sum(sizes),), 0.3, dtype=torch.float64)
    for _ in range(40):
        step = torch.linalg.solve(torch.func.hessian(flat_loss)(x), torch.func.grad(flat_loss)(x))
        x = x - step
        if step.norm() < 1e-14 * x.norm():  # as near as float64 comes
            break
    return unpack(x)


def _solved(weights: Tensor) -> tuple[Params, Params]:
    theta = _newton(_pretrain_loss(weights), ("w", "va"))
    train = _convex_task(C, YC)
    omega = _newton(lambda p: train(p) + GAMMA * ((p["w"] - theta["w"]) ** 2).sum(), ("w", "h"))
    return theta, omega


def test_the_hypergradient_is_what_re_solving_both_levels_gives() -> None:
    """Central differences over the weights, with both levels minimised again: no theory shared with the code."""
    weights, meta, step = torch.tensor([0.7, 0.3], dtype=torch.float64), _convex_task(D, YD), 1e-4
    theta, omega = _solved(weights)
    loop = Loop(
        _leaves(theta),
        _leaves(omega),
        _Frozen(["a", "b"], weights),
        solver=Dense(),
        proximal_strength=GAMMA,
        finetune_lr=1e-14,
        pretrain_lr=1e-14,
    )
    record = loop.step(_convex_objectives(), _convex_task(C, YC), meta)
    numeric = []
    for k in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[k] = step
        up, down = (float(meta(_solved(weights + sign * shift)[1])) for sign in (1, -1))
        numeric.append((up - down) / (2 * step))
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, torch.tensor(numeric, dtype=torch.float64), rtol=1e-6, atol=1e-9)


class _Frozen(TapWeight):
    """Measures the hypergradient at given weights and never moves them."""

    def __init__(self, names: list[str], weights: Tensor) -> None:
        super().__init__(names)
        self.alpha.copy_(weights.log())
        self._given = weights

    @property
    def weights(self) -> Tensor:
        return self._given

    def update(self, signals: Any) -> None:
        """Stay."""


@pytest.mark.parametrize("weighting", [Equal(NAMES), Fixed(NAMES, [1, 2, 3])])
def test_without_hypergradient_levels_two_and_three_are_not_touched(weighting: Weighting) -> None:
    loop = _loop(weighting)
    assert not (loop.wants_train)
    assert not (loop.wants_meta)
    before = _copy(loop.finetuned)
    plain = _leaves(_copy(loop.pretrained))
    optimizer = torch.optim.Adam(list(plain.values()), lr=0.01)
    record = loop.step(_objectives(0))
    assert record.train_loss is record.meta_loss is record.hypergradient is None
    for seed in range(3):
        if seed:
            loop.step(_objectives(seed))
        optimizer.zero_grad()
        total = sum(w * loss(plain) for w, loss in zip(weighting.weights, _objectives(seed).values(), strict=True))
        assert isinstance(total, Tensor)
        total.backward()  # type: ignore[no-untyped-call]  # torch
        optimizer.step()
    for name, tensor in plain.items():
        torch.testing.assert_close(loop.pretrained[name], tensor)
    assert all(torch.equal(before[name], loop.finetuned[name]) for name in before)


def test_level_two_descends_the_proximal_loss() -> None:
    loop = _loop(TapWeight(NAMES))
    omega, theta, train = _leaves(_copy(loop.finetuned)), _copy(loop.pretrained), _task(20)
    optimizer = torch.optim.Adam(list(omega.values()), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        proximal = torch.stack([((omega[n] - theta[n]) ** 2).sum() for n in sorted(loop.shared)]).sum()
        (train(omega) + GAMMA * proximal).backward()  # type: ignore[no-untyped-call]  # torch
        optimizer.step()
    loop.step(_objectives(), [train, train], _task(30))
    for name, tensor in omega.items():
        torch.testing.assert_close(loop.finetuned[name], tensor)


def test_hypergradients_every_few_steps() -> None:
    loop = _loop(TapWeight(NAMES), hypergradient_interval=3)
    taken = []
    for step in range(6):
        assert loop.wants_train
        record = loop.step(_objectives(step), _task(20), _task(30) if loop.wants_meta else None)
        taken.append(record.hypergradient is not None)
        assert record.step == step
    assert taken == [False, False, True, False, False, True]


def test_smaller_batches_for_the_solves_change_only_the_solves() -> None:
    solver = ConjugateGradient(iterations=3, damping=1.0)
    one, two = _loop(TapWeight(NAMES), solver=solver), _loop(TapWeight(NAMES), solver=solver)
    first = one.step(_objectives(), _task(20), _task(30))
    second = two.step(_objectives(), _task(20), _task(30), solve_objectives=_objectives(9), solve_train=_task(25))
    assert torch.equal(first.losses, second.losses)
    assert first.hypergradient is not None
    assert second.hypergradient is not None
    assert not torch.allclose(first.hypergradient, second.hypergradient)
    for name, tensor in one.pretrained.items():
        torch.testing.assert_close(two.pretrained[name], tensor)


def test_several_meta_losses_are_averaged() -> None:
    one, two, both = (_loop(TapWeight(NAMES)) for _ in range(3))
    records = [
        loop.step(_objectives(), _task(20), meta)
        for loop, meta in ((one, _task(30)), (two, _task(31)), (both, [_task(30), _task(31)]))
    ]
    first, second, mean = (record.hypergradient for record in records)
    assert first is not None
    assert second is not None
    assert mean is not None
    torch.testing.assert_close(mean, (first + second) / 2)


def test_recomputing_graphs_changes_only_cost() -> None:
    solver = ConjugateGradient(iterations=4, damping=1.0)
    kept, rebuilt = (
        _loop(TapWeight(NAMES), solver=solver),
        _loop(TapWeight(NAMES), solver=solver, recompute_graphs=True),
    )
    one, two = (loop.step(_objectives(), _task(20), _task(30)) for loop in (kept, rebuilt))
    assert one.hypergradient is not None
    assert two.hypergradient is not None
    torch.testing.assert_close(one.hypergradient, two.hypergradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", [Identity(), ConjugateGradient(damping=0.5)])
def test_permuting_objectives_permutes_the_weights(solver: Solver) -> None:
    order = (2, 0, 1)
    shuffled = [NAMES[i] for i in order]
    one, two = _loop(TapWeight(NAMES), solver=solver), _loop(TapWeight(shuffled), solver=solver)
    for step in range(4):
        given = _objectives(step)
        one.step(given, _task(20), _task(30))
        two.step({name: given[name] for name in reversed(shuffled)}, _task(20), _task(30))
    for name, weight in one.weighting.as_dict().items():
        assert abs(two.weighting.as_dict()[name] - weight) < 1e-9


def test_identical_objectives_keep_equal_weights() -> None:
    loop = _loop(TapWeight(["one", "two"]), solver=ConjugateGradient(damping=0.5))
    for step in range(5):
        loss = _objectives(step)["regress"]
        loop.step({"one": loss, "two": loss}, _task(20), _task(30))
    assert loop.weighting.as_dict() == {"one": 0.5, "two": 0.5}


def test_an_objective_without_gradient_is_reported_by_name() -> None:
    loop = _loop(TapWeight(NAMES))
    given = _objectives() | {"contrast": lambda p: 0.0 * p["encoder.0"].sum()}
    record = loop.step(given, _task(20), _task(30))
    assert record.zero_gradient == ("contrast",)
    assert record.summary()["zero_gradient"] == ["contrast"]
    assert loop.step(_objectives(), _task(20), _task(30)).zero_gradient == ()


def test_the_summary_is_plain_numbers() -> None:
    loop = _loop(TapWeight(NAMES), solver=ConjugateGradient(damping=1.0))
    summary = loop.step(_objectives(), _task(20), _task(30)).summary()
    assert list(summary["weights"]) == list(NAMES)
    assert sum(summary["weights"].values()) == pytest.approx(1.0)
    assert set(summary["solves"]) == {"finetune", "pretrain"}
    assert summary["solves"]["pretrain"]["iterations"] == 5
    assert all(isinstance(value, float) for value in summary["hypergradient"].values())


@pytest.mark.parametrize("solver", [Identity(), ConjugateGradient(damping=0.5)])
def test_resume_is_exact(solver: Solver) -> None:
    straight = _loop(TapWeight(NAMES), solver=solver, hypergradient_interval=2)
    for step in range(6):
        straight.step(_objectives(step), _task(step), _task(30))
    first = _loop(TapWeight(NAMES), solver=solver, hypergradient_interval=2)
    for step in range(3):
        first.step(_objectives(step), _task(step), _task(30))
    stored = io.BytesIO()
    torch.save(first.state_dict(), stored)
    stored.seek(0)
    second = _loop(TapWeight(NAMES), solver=solver, hypergradient_interval=2)
    second.load_state_dict(torch.load(stored, weights_only=True))
    for step in range(3, 6):
        second.step(_objectives(step), _task(step), _task(30))
    assert second.steps == straight.steps
    assert torch.equal(second.weighting.weights, straight.weighting.weights)
    for mine, theirs in ((second.pretrained, straight.pretrained), (second.finetuned, straight.finetuned)):
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_state_of_other_variables_is_refused() -> None:
    loop = _loop(TapWeight(NAMES))
    state = copy.deepcopy(loop.state_dict())
    state["pretrained"]["encoder.0"] = torch.zeros(2, 2)
    with pytest.raises(ConfigError, match=r"other variables of level 'pretrained'.*encoder\.0"):
        loop.load_state_dict(state)


def test_modules_are_left_alone() -> None:
    """With dropout fixed and batch norm in train mode, no derivative pass moves a buffer of the module."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 1)).double()
    x, y = _randn(10, 4, seed=1), _randn(10, 1, seed=2)
    before = copy.deepcopy(dict(module.named_buffers()))

    def loss(p: Params) -> Tensor:
        copies = {name: buffer.clone() for name, buffer in module.named_buffers()}
        output: Tensor = torch.func.functional_call(module, {**p, **copies}, (x,))
        return ((output - y) ** 2).mean()

    params = {name: p.detach().clone().requires_grad_() for name, p in module.named_parameters()}
    other = {name: p.detach().clone().requires_grad_() for name, p in module.named_parameters()}
    loop = Loop(params, other, TapWeight(["one"]), solver=ConjugateGradient(damping=1.0))
    loop.step({"one": loss}, loss, loss)
    assert all(torch.equal(before[name], buffer) for name, buffer in module.named_buffers())
    assert all(p.grad is None for p in module.parameters())


def test_a_meta_loss_that_is_not_finite_leaves_the_weights() -> None:
    loop = _loop(TapWeight(NAMES), solver=ConjugateGradient(damping=1.0))
    loop.step(_objectives(), _task(20), _task(30))
    before = loop.weighting.weights.clone()
    broken = _task(30)
    loop.step(_objectives(), _task(20), lambda p: broken(p) * float("nan"))
    assert torch.equal(loop.weighting.weights, before)
    record: Record = loop.step(_objectives(), _task(20), _task(30))
    assert record.hypergradient is not None
    assert bool(record.hypergradient.isfinite().all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.0": torch.zeros(4, 5, dtype=torch.float64)}, r"level 'pretrain'.*'encoder\.0' is frozen"),
        ({"encoder.0": torch.zeros(4, 5, dtype=torch.int64)}, r"level 'pretrain'.*torch\.int64"),
        ({"encoder.0": torch.zeros(4, 5, requires_grad=True)}, r"level 'pretrain'.*torch\.float32"),
        ({"encoder.0": torch.zeros(4, 5, dtype=torch.float64, requires_grad=True) * 2}, "result of a computation"),
        (
            {"encoder.0": torch.zeros(4, 6, dtype=torch.float64, requires_grad=True)},
            r"shape \(4, 6\) at level 'pretrain'",
        ),
        ({"encoder.0": torch.zeros(4, 5, dtype=torch.float64, device="meta", requires_grad=True)}, "on meta|on cpu"),
    ],
)
def test_variables_that_cannot_be_used_are_refused(change: Params, message: str) -> None:
    finetuned = _leaves(_encoder())
    with pytest.raises(ConfigError, match=message):
        Loop(_leaves(_encoder()) | change, finetuned, TapWeight(NAMES))


def test_levels_that_are_not_tied_are_refused() -> None:
    leaves = _leaves(_encoder())
    with pytest.raises(ConfigError, match="share no variable name"):
        Loop(leaves, {"other": leaves["encoder.0"]}, TapWeight(NAMES))
    with pytest.raises(ConfigError, match="same tensor at both levels"):
        Loop(leaves, dict(leaves), TapWeight(NAMES))
    with pytest.raises(ConfigError, match="level 'finetune' has no variables"):
        Loop(leaves, {}, TapWeight(NAMES))
    assert Loop(leaves, {}, Equal(NAMES)).wants_train is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proximal_strength": 0.0}, r"proximal_strength=0\.0 must be positive"),
        ({"proximal_strength": -1.0}, "must not be negative|must be positive"),
        ({"hypergradient_interval": 0}, "hypergradient_interval"),
        ({"finetune_ema": 1.0}, "finetune_ema"),
        ({"solver": [Identity()]}, "pair"),
        ({"graph": TwoLevelGraph, "curvature": "gauss_newton"}, "two-level graph solves with the Hessian"),
        ({"graph": TwoLevelGraph, "recompute_graphs": True}, "two-level graph solves with the Hessian"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _loop(TapWeight(NAMES), **options)


def test_losses_that_cannot_be_used_are_refused() -> None:
    loop = _loop(TapWeight(NAMES))
    good, task = _objectives(), _task(20)
    with pytest.raises(ConfigError, match="'regres', which the weighting does not know; did you mean 'regress'"):
        loop.step({**good, "regres": good["copy"]}, task, task)
    with pytest.raises(ConfigError, match="no loss is given for objective copy"):
        loop.step({name: good[name] for name in NAMES[:2]}, task, task)
    with pytest.raises(ConfigError, match="train loss"):
        loop.step(good, None, task)
    with pytest.raises(ConfigError, match="meta loss"):
        loop.step(good, task)
    with pytest.raises(ConfigError, match=r"objective 'copy'.*scalar tensor, got a tensor of shape \(2,\)"):
        loop.step({**good, "copy": lambda p: p["encoder.1"][:2]}, task, task)
    with pytest.raises(ConfigError, match=r"objective 'copy'.*does not depend"):
        loop.step({**good, "copy": lambda _: torch.tensor(1.0)}, task, task)
    with pytest.raises(ConfigError, match=r"level 'meta'.*scalar tensor, got float"):
        loop.step(good, task, lambda _: 1.0)  # type: ignore[arg-type]  # on purpose


def test_the_finetuned_encoder_follows_the_pretrained_one() -> None:
    following, staying = (_loop(TapWeight(NAMES), track_encoder=follow) for follow in (True, False))
    before = _copy(following.pretrained)
    for loop in (following, staying):
        loop.step(_objectives(), _task(20), _task(30))
    for name, tensor in following.finetuned.items():
        expected = staying.finetuned[name].detach()
        if name in following.shared:
            expected = expected + following.pretrained[name].detach() - before[name]
        torch.testing.assert_close(tensor.detach(), expected)


def test_following_changes_no_minimum() -> None:
    """Level 2 alone, with theta moved in between: both ways end where the proximal loss is least."""
    ends = []
    for follow in (True, False):
        loop = _loop(
            TapWeight(NAMES), track_encoder=follow, hypergradient_interval=10_000, finetune_lr=0.05, pretrain_lr=1e-9
        )
        for _ in range(240):
            loop.step(_objectives(), _task(20))
        ends.append(_copy(loop.finetuned))
    for name, tensor in ends[0].items():
        torch.testing.assert_close(tensor, ends[1][name], rtol=1e-3, atol=1e-3)


def test_the_learned_weights_are_those_after_the_last_record() -> None:
    loop = _loop(TapWeight(NAMES), hypergradient_interval=2)
    records = [loop.step(_objectives(step), _task(20), _task(30)) for step in range(4)]
    for before, after in itertools.pairwise(records):
        assert before.next_weights is not None
        assert torch.equal(before.next_weights, after.weights)
    assert records[-1].next_weights is not None
    assert not torch.equal(records[-1].next_weights, records[-1].weights)
    assert records[-1].summary()["next_weights"] == loop.weighting.as_dict()
    assert Record.of_summary(records[-1].summary()).next_weights is not None


def test_the_two_level_graph_takes_any_rule_that_learns_from_a_hypergradient() -> None:
    one, two = _loop(TapWeight(NAMES), graph=TwoLevelGraph), _loop(Bilevel(NAMES))
    for step in range(3):
        records = [loop.step(_objectives(step), _task(20), _task(30)) for loop in (one, two)]
        assert torch.equal(records[0].weights, records[1].weights)
    assert torch.equal(one.finetuned["encoder.0"], one.pretrained["encoder.0"])


def test_an_encoder_that_starts_elsewhere_is_replaced_by_the_one_encoder() -> None:
    pretrained, other = _leaves(_encoder()), _leaves({name: tensor + 1 for name, tensor in _encoder().items()})
    loop = Loop(pretrained, other | _leaves({"head.task": _randn(3, 1, seed=9)}), Bilevel(["contrast"]))
    loop.step({"contrast": _objectives()["contrast"]}, _task(20), _task(30))
    assert all(torch.equal(loop.finetuned[name], loop.pretrained[name]) for name in loop.shared)


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("gamma", "proximal_strength", 0.5),
        ("every", "hypergradient_interval", 3),
        ("follow", "track_encoder", False),
        ("average", "finetune_ema", 0.5),
        ("recompute", "recompute_graphs", True),
    ],
)
def test_old_names_of_options_still_work_and_warn(old: str, new: str, value: Any) -> None:
    given: dict[str, Any] = {old: value}
    with pytest.warns(DeprecationWarning, match=f"Loop: option '{old}' is now '{new}'"):
        loop = Loop(_leaves(_encoder()), {}, Equal(NAMES), **given)
    assert getattr(loop, new, None) == value or getattr(loop.graph.options, new) == value
    with pytest.raises(ConfigError, match=f"'{old}' is the old name of '{new}'"):
        Loop(_leaves(_encoder()), {}, Equal(NAMES), **given, **{new: value})


def test_old_names_of_classes_still_work_and_warn() -> None:
    leaves = _leaves(_encoder())
    with pytest.warns(DeprecationWarning, match=r"molweight\.mlo\.ThreeLevel is deprecated; use Loop"):
        three = mlo.ThreeLevel(leaves, {}, Equal(NAMES))
    with pytest.warns(DeprecationWarning, match="TwoLevelGraph"):
        two = mlo.TwoLevel(leaves, {}, Equal(NAMES))
    with pytest.warns(DeprecationWarning, match="takes the graph of its weighting"):
        assert mlo.loop_for(Equal(NAMES)) is Loop
    assert [type(loop.graph).__name__ for loop in (three, two)] == ["ThreeLevelGraph", "TwoLevelGraph"]
    with pytest.raises(AttributeError, match="has no attribute 'FourLevel'"):
        _ = mlo.FourLevel
