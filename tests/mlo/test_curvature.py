"""Curvature products against explicit matrices and independent packages, and with dropout and batch norm on."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from molweight.errors import ConfigError
from molweight.mlo import Composite, GaussNewton, Hessian, Level, Loop, check_deterministic, hypergradient
from molweight.mlo.solvers import ConjugateGradient, Dense, materialize
from molweight.mlo.weightings import TapWeight

Params = dict[str, Tensor]


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, Y = _randn(20, 3, seed=1), _randn(20, 2, seed=2)
POINT = {"a": _randn(3, 4, seed=3), "b": _randn(4, 2, seed=4), "unused": _randn(2, seed=5)}
SIZE = 3 * 4 + 4 * 2 + 2


def _outputs(p: Params) -> Tensor:
    return torch.tanh(X @ p["a"]) @ p["b"]


def _squared(z: Tensor) -> Tensor:
    return ((z - Y) ** 2).mean()


def _cross_entropy(z: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(z, (Y[:, 0] > 0).long())


def _flat(function: Callable[[Params], Tensor]) -> Callable[[Tensor], Tensor]:
    def flat(vector: Tensor) -> Tensor:
        parts = torch.split(vector, [12, 8, 2])
        return function({"a": parts[0].view(3, 4), "b": parts[1].view(4, 2), "unused": parts[2]})

    return flat


def _vector() -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in POINT.values()])


def test_the_hessian_is_the_matrix_of_second_derivatives() -> None:
    hessian = Hessian(lambda p: _cross_entropy(_outputs(p)), POINT)
    expected = torch.func.hessian(_flat(lambda p: _cross_entropy(_outputs(p))))(_vector())
    torch.testing.assert_close(materialize(hessian, _vector()), expected, rtol=1e-10, atol=1e-12)
    assert hessian.products == SIZE


@pytest.mark.parametrize("criterion", [_squared, _cross_entropy])
def test_gauss_newton_is_the_product_of_jacobians(criterion: Callable[[Tensor], Tensor]) -> None:
    operator = GaussNewton(Composite(_outputs, criterion), POINT)
    jacobian = torch.func.jacrev(_flat(_outputs))(_vector()).reshape(40, SIZE)
    inner = torch.func.hessian(criterion)(_outputs(POINT)).reshape(40, 40)
    matrix = materialize(operator, _vector())
    torch.testing.assert_close(matrix, jacobian.T @ inner @ jacobian, rtol=1e-10, atol=1e-12)
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-10


def test_gauss_newton_is_the_hessian_of_a_linear_model() -> None:
    loss = Composite(lambda p: X @ p["w"], lambda z: ((z - Y) ** 2).mean())
    point = {"w": _randn(3, 2, seed=6)}
    like = torch.zeros(6, dtype=torch.float64)
    torch.testing.assert_close(materialize(GaussNewton(loss, point), like), materialize(Hessian(loss, point), like))


def test_curvlinops_agrees() -> None:
    """An independent implementation of both products."""
    curvlinops = importlib.import_module("curvlinops")

    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    params: Params = dict(module.named_parameters())

    def outputs(p: Params) -> Tensor:
        result: Tensor = torch.func.functional_call(module, p, (X,))
        return result

    loss = Composite(outputs, _squared)
    vector = _randn(sum(p.numel() for p in params.values()), seed=8)
    for ours, theirs in (
        (Hessian(loss, params)(vector), curvlinops.HessianLinearOperator),
        (GaussNewton(loss, params)(vector), curvlinops.GGNLinearOperator),
    ):
        expected = torch.as_tensor(theirs(module, nn.MSELoss(), list(params.values()), [(X, Y)]) @ vector).detach()
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_a_level_can_be_solved_with_its_gauss_newton_matrix() -> None:
    """A linear model with squared error: both matrices, hence both hypergradients, are the same."""

    def outputs(own: Params, upper: Params) -> Tensor:
        rows = X @ own["w"] - Y[:, 0]
        return torch.cat([rows, upper["log"].exp().sqrt() * own["w"]])

    loss = Composite(outputs, lambda z: (z**2).sum())
    at, upper = [{"w": _randn(3, seed=7)}], {"log": torch.tensor(0.3, dtype=torch.float64)}
    results = [
        hypergradient([Level("fit", loss, curvature=kind)], at, upper, lambda own, _: (own["w"] ** 2).sum(), Dense())
        for kind in ("hessian", "gauss_newton")
    ]
    torch.testing.assert_close(results[0].value["log"], results[1].value["log"])


def _gauss_newton_loop(curvature: Any, second: Callable[[Params], Tensor]) -> Loop:
    pretrained = {"a": POINT["a"].clone().requires_grad_(), "b": POINT["b"].clone().requires_grad_()}
    finetuned = {"a": POINT["a"].clone().requires_grad_(), "h": _randn(4, 2, seed=9).requires_grad_()}
    solver = ConjugateGradient(iterations=20, damping=0.01)
    loop = Loop(pretrained, finetuned, TapWeight(["one", "two"]), solver=solver, curvature=curvature)
    task = Composite(lambda p: torch.tanh(X @ p["a"]) @ p["h"], _squared)
    loop.step({"one": Composite(_outputs, _squared), "two": second}, task, task)
    return loop


def test_the_loop_solves_with_gauss_newton_matrices() -> None:
    second = Composite(lambda p: torch.tanh((X + 1) @ p["a"]) @ p["b"], _cross_entropy)
    assert float(_gauss_newton_loop("gauss_newton", second).weighting.weights.sum()) == pytest.approx(1.0)
    with pytest.raises(ConfigError, match=r"objective 'two': Gauss-Newton curvature needs a loss in two parts"):
        _gauss_newton_loop("gauss_newton", lambda p: (p["a"] ** 2).sum())
    with pytest.raises(ConfigError, match="curvature='fisher' must be 'hessian' or 'gauss_newton'"):
        _gauss_newton_loop("fisher", second)


def test_the_probe_finds_randomness() -> None:
    module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1)).double()
    params: Params = dict(module.named_parameters())

    def loss(p: Params) -> Tensor:
        output: Tensor = torch.func.functional_call(module, p, (X,))
        return output.mean()

    with pytest.raises(ConfigError, match="level 'pretrain': two evaluations differ"):
        check_deterministic(loss, params, "level 'pretrain'")
    module.eval()
    check_deterministic(loss, params)


def test_derivatives_of_a_step_agree_with_dropout_drawn_before_and_batch_norm_on() -> None:
    """The product with the Hessian is the change of the gradient, to the accuracy of central differences."""
    module = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1)).double()
    mask = (_randn(20, 3, seed=11) > -0.5).double()
    params = {name: p.detach() for name, p in module.named_parameters()}

    def loss(p: Params) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        output: Tensor = torch.func.functional_call(module, {**p, **buffers}, (X * mask,))
        return (output**2).mean()

    hessian = Hessian(loss, params)
    vector = _randn(hessian.layout.size, seed=12)
    shift, step = hessian.layout.unravel(vector), 1e-6
    ends = [Hessian(loss, {n: p + sign * step * shift[n] for n, p in params.items()}).gradient for sign in (1, -1)]
    numeric = hessian.layout.join([(up - down) / (2 * step) for up, down in zip(*ends, strict=True)]).detach()
    torch.testing.assert_close(hessian(vector), numeric, rtol=1e-6, atol=1e-8)
    assert int(module.get_buffer("1.num_batches_tracked")) == 0
