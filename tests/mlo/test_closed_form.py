"""A linear head that is solved at level 2: exact heads, exact derivatives through them, and the loop on top."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo import (
    ClosedFormGraph,
    HeadLabels,
    HeadLoss,
    Health,
    Loop,
    Record,
    SharedObjectives,
    ThreeLevelGraph,
)
from molweight.mlo._solved_head import SolvedHead, solve_head
from molweight.mlo.solvers import ConjugateGradient, Dense, Identity, Neumann, Outcome, Solver
from molweight.mlo.weightings import Alignment, Equal, TapWeight, Weighting

Params = dict[str, Tensor]
Loss = Callable[[Params], Tensor]
NAMES = ("regress", "copy", "size")
DECAY = 0.05
NAN = float("nan")


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _labels(kind: str, rows: int, seed: int) -> HeadLabels:
    """Two targets: numbers, classes, or one of each; weighted, missing and bounded labels where the kind says so."""
    values = _randn(rows, 2, seed=seed)
    classes = torch.tensor([kind not in {"numbers", "bounds"}, kind == "classes"])
    values = torch.where(classes, (values > 0).double(), values)
    weights = bounds = None
    if kind == "mixed":
        values[0, 0] = values[3, 1] = NAN
        weights = _randn(rows, 2, seed=seed + 1).abs()
    if kind == "bounds":
        bounds = torch.zeros(rows, 2, dtype=torch.int64)
        bounds[::3, 0], bounds[1::4, 1] = 1, -1
    return HeadLabels.of(values, classes, bounds=bounds, weights=weights)


KINDS = ("numbers", "classes", "mixed", "bounds")


def _fit_loss(head: Tensor, vectors: Tensor, labels: HeadLabels) -> Tensor:
    """What a head minimises, written down a second time: mean loss and ridge, target by target."""
    outputs = vectors @ head[:, :-1].T + head[:, -1]
    ridge = (labels.shares.sum(dim=0) * head[:, :-1].square().sum(dim=1)).sum()
    return labels.loss(outputs) + DECAY * ridge


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_the_minimum(kind: str) -> None:
    vectors, labels = _randn(14, 5, seed=1), _labels(kind, 14, seed=2)
    solved = solve_head(vectors, labels, DECAY)
    head = solved.head.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_fit_loss(head, vectors, labels), head)
    assert solved.stats.converged
    assert gradient.abs().max() < 1e-10


def test_numbers_are_ridge_regression() -> None:
    vectors, labels = _randn(14, 5, seed=1), _labels("numbers", 14, seed=2)
    centred = vectors - vectors.mean(dim=0)
    matrix = centred.T @ centred / 14 + DECAY * torch.eye(5, dtype=torch.float64)
    expected = torch.linalg.solve(matrix, centred.T @ labels.labels / 14).T
    torch.testing.assert_close(solve_head(vectors, labels, DECAY).head[:, :-1], expected, rtol=1e-10, atol=1e-12)


def test_separable_classes_have_a_head_with_a_weak_ridge() -> None:
    vectors = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]], dtype=torch.float64) * 100
    labels = HeadLabels.of((vectors > 0).double(), torch.tensor([True]))
    solved = solve_head(vectors, labels, 1e-6)
    assert solved.stats.converged
    assert solved.loss < 1e-3


@pytest.mark.parametrize("kind", ["numbers", "classes"])
@pytest.mark.parametrize("value", [NAN, float("inf"), 1e200])
@pytest.mark.parametrize("decay", [DECAY, None])
def test_vectors_of_a_diverged_encoder_give_a_head_of_nan(kind: str, value: float, decay: float | None) -> None:
    vectors, labels = _randn(14, 5, seed=1), _labels(kind, 14, seed=2)
    vectors[3, 2] = value
    solved = solve_head(vectors, labels, decay)
    assert solved.stats.outcome is Outcome.NON_FINITE
    assert solved.head.isnan().any()
    loss, fitted, direct = solved.outer(vectors, labels)
    assert loss.isnan()
    assert fitted.isnan().any()
    assert direct.isnan().any()


def test_a_solve_that_does_not_converge_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molweight.mlo._solved_head._NEWTON", 1)
    loop = _loop(TapWeight(NAMES))
    health = Health(NAMES)
    record = loop.step(_objectives(), _task("classes", 20), _task("classes", 30, 11))
    health.observe(record)
    assert record.solves["finetune"].outcome is Outcome.BUDGET_SPENT
    assert "budget spent: finetune" in [finding.key for finding in health.findings()]
    assert Record.of_summary(record.summary()).solves["finetune"].outcome is Outcome.BUDGET_SPENT


def test_a_target_without_labels_has_a_head_of_zeros() -> None:
    values = _randn(8, 2, seed=1)
    values[:, 1] = NAN
    solved = solve_head(_randn(8, 3, seed=2), HeadLabels.of(values, torch.tensor([False, False])), DECAY)
    assert solved.head[1].abs().max() == 0


@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_the_ridge_is_chosen_by_leaving_each_row_out(kind: str) -> None:
    vectors, labels = _randn(16, 4, seed=3), _labels(kind, 16, seed=4).column(0)
    labels = HeadLabels(labels.labels, labels.shares / labels.shares.sum(), labels.classes)
    chosen = solve_head(vectors, labels)
    scale = float((vectors - vectors.mean(dim=0)).square().mean(dim=0).sum())
    scores = {factor: _left_out(vectors, labels, factor * scale) for factor in (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)}
    best = min(scores, key=lambda factor: scores[factor])
    assert float(chosen.decay[0]) == pytest.approx(best * scale)


def _left_out(vectors: Tensor, labels: HeadLabels, decay: float) -> float:
    """Leave-one-out by fitting as often as there are rows; the ridge keeps its absolute size, as the labels' shares."""
    total = 0.0
    for row in range(len(vectors)):
        shares = labels.shares.clone()
        shares[row] = 0.0
        fit = HeadLabels(labels.labels, shares, labels.classes)
        # One label less changes the sum of the shares, to which the ridge is relative.
        head = solve_head(vectors, fit, decay / float(shares.sum())).head
        output = vectors[row : row + 1] @ head[:, :-1].T + head[:, -1]
        one = HeadLabels(labels.labels[row : row + 1], labels.shares[row : row + 1], labels.classes)
        total += float(one.loss(output))
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_through_the_head_is_that_of_re_solving(kind: str) -> None:
    vectors, others = _randn(14, 4, seed=5), _randn(9, 4, seed=6)
    labels, meta = _labels(kind, 14, seed=7), _labels(kind, 9, seed=8)

    def outer(fitted: Tensor, judged: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return solve_head(fitted, labels, DECAY).outer(judged, meta)

    value, through, direct = outer(vectors, others)
    step = 1e-5
    for rows, found, seed in ((vectors, through, 9), (others, direct, 10)):
        along = _randn(*rows.shape, seed=seed)
        up, down = (
            outer(vectors + s * along if rows is vectors else vectors, others + s * along if rows is others else others)
            for s in (step, -step)
        )
        assert value > 0
        torch.testing.assert_close((found * along).sum(), (up[0] - down[0]) / (2 * step), rtol=1e-6, atol=1e-9)


def _encoder() -> Params:
    shapes = {"encoder.0": (4, 5), "encoder.1": (5,), "encoder.2": (5, 3)}
    return {name: 0.5 * _randn(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}


def _encode(p: Params, x: Tensor) -> Tensor:
    return torch.tanh(x @ p["encoder.0"] + p["encoder.1"]) @ p["encoder.2"]


def _objectives(seed: int = 0) -> dict[str, Loss]:
    x, y = _randn(16, 4, seed=seed), _randn(16, 2, seed=seed + 1)
    return {
        "regress": lambda p: ((_encode(p, x) @ p["head.regress"] - y) ** 2).mean(),
        "copy": lambda p: ((_encode(p, x) @ p["head.copy"] - x) ** 2).mean(),
        "size": lambda p: (_encode(p, x) ** 2).mean(),
    }


def _shared(seed: int = 0) -> SharedObjectives:
    x, y = _randn(16, 4, seed=seed), _randn(16, 2, seed=seed + 1)
    heads = {
        "regress": lambda p, read: ((read("x")[0] @ p["head.regress"] - y) ** 2).mean(),
        "copy": lambda p, read: ((read("x")[0] @ p["head.copy"] - x) ** 2).mean(),
        "size": lambda p, read: (read("x")[0] ** 2).mean(),
    }
    return SharedObjectives(heads, lambda p, key: (_encode(p, x),), NAMES)


def _task(kind: str, seed: int, rows: int = 14) -> HeadLoss:
    x = _randn(rows, 4, seed=seed)
    parts = [lambda p: _encode(p, x[:6]), lambda p: _encode(p, x[6:])]
    return HeadLoss(parts, _labels(kind, rows, seed + 1), decay=DECAY)


def _leaves(params: Params) -> Params:
    return {name: tensor.clone().requires_grad_() for name, tensor in params.items()}


def _loop(weighting: Weighting, **options: Any) -> Loop:
    pretrained = _encoder() | {"head.regress": _randn(3, 2, seed=7), "head.copy": _randn(3, 4, seed=8)}
    finetuned = _encoder() | {"head.weight": _randn(2, 3, seed=9), "head.bias": _randn(2, seed=10)}
    return Loop(_leaves(pretrained), _leaves(finetuned), weighting, **{"graph": ClosedFormGraph} | options)


def _dense_answer(loop: Loop, train: HeadLoss, meta: HeadLoss, damping: float) -> Tensor:
    """The implicit function theorem on all variables at once: encoder, objectives' heads and the task's head.

    Stationarity is ``G = (grad of the weighted sum in (theta, phi), grad of the fit in h) = 0``, and the answer is
    ``-v^T (dG/d(theta, phi, h))^-1 dG/dw``, with nothing taken apart.
    """
    fixed = {name: tensor.detach() for name, tensor in loop.pretrained.items()}
    solved = solve_head(train.encode(fixed), train.labels, DECAY)
    sizes = [tensor.numel() for tensor in fixed.values()]
    weights = loop.weighting.weights
    objectives = list(_objectives().values())

    def unpack(flat: Tensor) -> tuple[Params, Tensor]:
        parts = torch.split(flat[: sum(sizes)], sizes)
        named = {name: part.view_as(fixed[name]) for name, part in zip(fixed, parts, strict=True)}
        return named, flat[sum(sizes) :].view_as(solved.head)

    def gradients(flat: Tensor, w: Tensor) -> Tensor:
        flat = flat if flat.requires_grad else flat.clone().requires_grad_()
        named, head = unpack(flat)
        upper = sum(wk * loss(named) for wk, loss in zip(w, objectives, strict=True))
        vectors = torch.cat([part(named) for part in train.vectors])
        lower = _fit_loss(head, vectors, train.labels)
        (one,) = torch.autograd.grad(upper, flat, create_graph=True, materialize_grads=True)
        (two,) = torch.autograd.grad(lower, flat, create_graph=True)
        return torch.cat([one[: sum(sizes)], two[sum(sizes) :]])

    at = torch.cat([*(tensor.flatten() for tensor in fixed.values()), solved.head.flatten()]).requires_grad_()
    named, head = unpack(at)
    outputs = torch.cat([part(named) for part in meta.vectors]) @ head[:, :-1].T + head[:, -1]
    (v,) = torch.autograd.grad(meta.labels.loss(outputs), at, materialize_grads=True)
    jacobian = torch.autograd.functional.jacobian(lambda flat: gradients(flat, weights), at.detach())  # type: ignore[no-untyped-call]  # torch's own
    jacobian[: sum(sizes), : sum(sizes)] += damping * torch.eye(sum(sizes), dtype=torch.float64)
    mixed = torch.autograd.functional.jacobian(lambda w: gradients(at, w), weights)  # type: ignore[no-untyped-call]  # torch's own
    answer: Tensor = -v @ torch.linalg.solve(jacobian, mixed)
    return answer


DAMPING = 20.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objectives", [_objectives, _shared])
def test_it_is_the_dense_answer_of_all_levels(kind: str, objectives: Callable[[], Any]) -> None:
    loop = _loop(TapWeight(NAMES), solver=Dense(damping=DAMPING))
    train, meta = _task(kind, 20), _task(kind, 30, 11)
    expected = _dense_answer(loop, train, meta, DAMPING)
    found = loop.hypergradient(objectives(), train, meta).value["weights"]
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    "solver",
    [
        ConjugateGradient(iterations=300, damping=DAMPING, tolerance=1e-12),
        Neumann(iterations=3000, damping=DAMPING, tolerance=1e-12),
    ],
)
def test_every_solver_that_converges_gives_it(solver: Solver) -> None:
    loop = _loop(TapWeight(NAMES), solver=solver)
    train, meta = _task("mixed", 20), _task("mixed", 30, 11)
    record = loop.step(_shared(), train, meta)
    fresh = _loop(TapWeight(NAMES))
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, _dense_answer(fresh, train, meta, DAMPING), rtol=1e-6, atol=1e-10)


def test_it_is_the_limit_of_a_tight_proximal_term() -> None:
    """With a copy that cannot move away from level 1, finetuning trains the head alone."""
    train, meta = _task("numbers", 20), _task("numbers", 30, 11)
    closed = _loop(TapWeight(NAMES), solver=(Identity(), Dense(damping=DAMPING)))
    expected = closed.hypergradient(_objectives(), train, meta).value["weights"]
    closed.step(_objectives(), train, meta)  # puts the solved head among the finetuned variables
    strength = 1e7
    tied = _loop(
        TapWeight(NAMES),
        graph=ThreeLevelGraph,
        proximal_strength=strength,
        solver=(Dense(), Dense(damping=DAMPING)),
        track_encoder=False,
        finetune_ema=0.0,
    )
    with torch.no_grad():
        for name in ("head.weight", "head.bias"):
            tied.finetuned[name].copy_(closed.finetuned[name])

    def fit(p: Params) -> Tensor:
        return train(p) + DECAY * 0.5 * p["head.weight"].square().sum()  # half of the labels belong to each target

    found = tied.hypergradient(_objectives(), fit, meta).value["weights"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-9)


def test_the_identity_is_the_alignment_with_the_gradient_through_the_head() -> None:
    train, meta = _task("numbers", 20), _task("numbers", 30, 11)
    loop = _loop(TapWeight(NAMES))
    point = _leaves({name: loop.pretrained[name].detach() for name in loop.shared})
    fitted, judged = (torch.cat([part(point) for part in loss.vectors]) for loss in (train, meta))
    centred = fitted - fitted.mean(dim=0)
    matrix = centred.T @ centred / len(fitted) + DECAY * torch.eye(3, dtype=torch.float64)
    weight = torch.linalg.solve(matrix, centred.T @ train.labels.labels / len(fitted))
    bias = train.labels.labels.mean(dim=0) - fitted.mean(dim=0) @ weight
    outer = (judged @ weight + bias - meta.labels.labels).square().mean()
    direction = torch.autograd.grad(outer, list(point.values()))
    expected = []
    for loss in _objectives().values():
        variables = _leaves({name: tensor.detach() for name, tensor in loop.pretrained.items()})
        shared = [variables[name] for name in loop.shared]
        slopes = torch.autograd.grad(loss(variables), shared)
        expected.append(-sum((a * b).sum() for a, b in zip(slopes, direction, strict=True)))
    record = loop.step(_objectives(), train, meta)
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, torch.stack(expected), rtol=1e-9, atol=1e-13)  # type: ignore[arg-type]  # tensors
    assert record.meta_loss is not None
    torch.testing.assert_close(record.meta_loss, outer.detach())


@pytest.mark.parametrize("rule", [TapWeight, Alignment])
def test_the_hypergradient_outside_a_step_is_the_one_inside(rule: Any) -> None:
    train, meta = _task("classes", 20), [_task("classes", 30, 11), _task("classes", 40, 12)]
    loop = _loop(rule(NAMES), scale_losses=True)
    loop.step(_objectives(), train, meta)
    if rule is TapWeight:
        expected = loop.hypergradient(_objectives(3), train, meta).value["weights"]
        record = loop.step(_objectives(3), train, meta)
        assert record.hypergradient is not None
        torch.testing.assert_close(record.hypergradient, expected, rtol=1e-12, atol=1e-15)
    assert loop.weighting.weights.isfinite().all()


def test_the_task_is_asked_for_only_where_a_hypergradient_is_taken() -> None:
    loop = _loop(TapWeight(NAMES), hypergradient_interval=3)
    wanted = []
    for _ in range(6):
        wanted.append((loop.wants_train, loop.wants_meta))
        loop.step(_objectives(), *((_task("numbers", 20), _task("numbers", 30)) if loop.wants_train else ()))
    assert wanted == [(False, False), (False, False), (True, True)] * 2


def test_the_finetuned_variables_are_the_encoder_and_the_solved_head() -> None:
    loop = _loop(TapWeight(NAMES))
    train = _task("numbers", 20)
    before = {name: tensor.detach().clone() for name, tensor in loop.pretrained.items()}
    record = loop.step(_objectives(), train, _task("numbers", 30))
    solved = solve_head(train.encode(before), train.labels, DECAY)
    assert torch.equal(loop.finetuned["head.weight"], solved.head[:, :-1])
    assert record.train_loss is not None
    torch.testing.assert_close(record.train_loss, solved.loss)
    for name in loop.shared:
        assert torch.equal(loop.finetuned[name], loop.pretrained[name])
        assert not torch.equal(before[name], loop.pretrained[name])


def test_resume_is_exact() -> None:
    def run(loop: Loop, steps: int) -> Loop:
        for _ in range(steps):
            loop.step(_objectives(loop.steps), _task("mixed", 20), _task("mixed", 30))
        return loop

    whole = run(_loop(TapWeight(NAMES), solver=ConjugateGradient(iterations=3, damping=1.0)), 5)
    first = run(_loop(TapWeight(NAMES), solver=ConjugateGradient(iterations=3, damping=1.0)), 2)
    second = _loop(TapWeight(NAMES), solver=ConjugateGradient(iterations=3, damping=1.0))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(second, 3)
    assert torch.equal(whole.weighting.weights, second.weighting.weights)
    assert all(torch.equal(whole.pretrained[name], second.pretrained[name]) for name in whole.pretrained)


def test_without_a_task_it_is_never_solved() -> None:
    loop = _loop(Equal(NAMES))
    head = loop.finetuned["head.weight"].detach().clone()
    loop.step(_objectives())
    assert torch.equal(loop.finetuned["head.weight"], head)


def test_other_losses_are_refused() -> None:
    loop = _loop(TapWeight(NAMES))
    with pytest.raises(ConfigError, match="the train loss is a function"):
        loop.step(_objectives(), lambda p: p["head.bias"].sum(), _task("numbers", 30))
    with pytest.raises(ConfigError, match=r"decay=0\.0 must be positive"):
        HeadLoss([lambda p: p["x"]], _labels("numbers", 4, 0), decay=0.0)
    with pytest.raises(ConfigError, match="at least one batch"):
        HeadLoss([], _labels("numbers", 4, 0))
    assert isinstance(solve_head(_randn(4, 2, seed=0), _labels("numbers", 4, 0), DECAY), SolvedHead)
