"""Options of objectives that are learned: the hypergradient against solving both levels again, and the steps."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from molweight import datasets, encoders
from molweight.errors import OptionError
from molweight.mlo import Level, Params, ProximalCross, Record, minimise
from molweight.mlo.internal import LearnedOption, LearningLoop, OptionLearner
from molweight.mlo.solvers import Dense
from molweight.mlo.weightings import TapWeight
from molweight.objectives import GraphCL

WIDTH, GAMMA, DECAY = 3, 0.5, 20.0
NAME = "graphcl.temperature"
# The decay, towards the start, makes the Hessians positive definite: the levels can then be solved again.


class Contrast:
    """Views of four molecules, contrasted at a temperature, next to a second objective; then energies of 16 others."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.encoder: Any = encoders.create("gin", layers=1, width=WIDTH, norm="none").double()
        self.graphcl = GraphCL(WIDTH).double()
        del self.graphcl.temperature
        self.temperature = torch.tensor(0.4, dtype=torch.float64)
        self.graphcl.register_buffer("temperature", self.temperature, persistent=False)
        data = datasets.load("freesolv")
        self.views = self.graphcl.draw(data.graphs(range(100, 104)), torch.Generator().manual_seed(0))
        self.train, self.meta = data.graphs(range(16)), data.graphs(range(16, 32))
        layers = {name: value for name, value in self.encoder.named_parameters() if name.startswith("layers")}
        encoder = {f"encoder.{name}": value.detach().clone() for name, value in layers.items()}
        heads = {f"graphcl.{name}": value.detach().clone() for name, value in self.graphcl.named_parameters()}
        self.theta, self.omega = encoder | heads, encoder | {"task": torch.randn(WIDTH).double()}
        self.shared = list(encoder)

    def objectives(self) -> dict[str, Any]:
        return {"graphcl": self.contrast, "small": lambda own: self._decay(own, self.theta) / 10}

    def contrast(self, own: Params) -> Tensor:
        body = torch.nn.ModuleDict({"encoder": self.encoder, "graphcl": self.graphcl})

        class Call(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = body

            def forward(self, views: Any) -> Tensor:
                loss: Tensor = self.body["graphcl"](self.body["encoder"], views)
                return loss

        given = {f"body.{name}": value for name, value in own.items()}
        loss: Tensor = torch.func.functional_call(Call(), given, (self.views,))
        return loss + self._decay(own, self.theta)

    def error(self, own: Params, graphs: Any) -> Tensor:
        given = {name.removeprefix("encoder."): own[name] for name in self.shared}
        vectors = torch.func.functional_call(self.encoder, given, (graphs,)).graphs
        mean: Tensor = (vectors @ own["task"] - graphs.y[:, 0].double() / 10).square().mean()
        return mean + self._decay(own, self.omega)

    def _decay(self, own: Params, towards: Params) -> Tensor:
        return DECAY / 2 * torch.stack([(own[name] - at).square().sum() for name, at in towards.items()]).sum()

    def solve(self, temperature: float, weights: Tensor, start: list[Params] | None = None) -> list[Params]:
        """Both levels at their minima."""
        begin = start or [self.theta, self.omega]
        upper = {"graphcl.temperature": torch.tensor(temperature, dtype=torch.float64)}
        losses = self.objectives()
        first = Level(
            "pretrain",
            lambda own, up: weights[0] * losses["graphcl"]({**own, **up}) + weights[1] * losses["small"](own),
        )
        theta = minimise(first, self.theta, upper)

        def finetune(own: Params, above: Params) -> Tensor:
            tie = torch.stack([(own[name] - above[name]).square().sum() for name in self.shared]).sum()
            return self.error(own, self.train) + GAMMA * tie

        return [theta, minimise(Level("finetune", finetune, cross=ProximalCross(GAMMA)), begin[1], theta)]


class Still(TapWeight):
    """Weights that stay."""

    def update(self, signals: Any) -> None:
        """Nothing."""


def leaves(params: Params) -> Params:
    return {name: value.detach().clone().requires_grad_() for name, value in params.items()}


def test_the_slope_is_what_solving_both_levels_again_gives() -> None:
    problem, weights = Contrast(), torch.tensor([0.5, 0.5], dtype=torch.float64)
    theta, omega = problem.solve(0.4, weights)
    option = LearnedOption("graphcl", "graphcl.temperature", problem.temperature, (0.01, 1.0))
    loop = LearningLoop(
        OptionLearner({NAME: option}, lr=0.01),
        leaves(theta),
        leaves(omega),
        Still(["graphcl", "small"]),
        solver=Dense(),
        proximal_strength=GAMMA,
        pretrain_lr=1e-14,
        finetune_lr=1e-14,
    )
    record = loop.step(
        problem.objectives(), lambda p: problem.error(p, problem.train), lambda p: problem.error(p, problem.meta)
    )
    shifted = (problem.solve(0.4 + by, weights, [theta, omega])[1] for by in (1e-4, -1e-4))
    up, down = (float(problem.error(moved, problem.meta).detach()) for moved in shifted)
    numeric = (up - down) / 2e-4
    assert abs(numeric) > 1e-7
    assert float(record.learned_slopes[NAME]) == pytest.approx(numeric, rel=1e-5)
    assert float(record.learned[NAME]) == 0.4
    # Downhill: by a first step of Adam, of which the warm-up leaves a twentieth.
    step = float(record.next_learned[NAME] / record.learned[NAME])
    assert step == pytest.approx(1 - 0.01 / 20 * (1 if numeric > 0 else -1), rel=1e-4)
    assert float(problem.temperature) == float(record.next_learned[NAME])
    again = Record.of_summary(record.summary())
    assert again.summary() == record.summary()


def learner(value: float = 0.1, lr: float = 0.5) -> OptionLearner:
    option = LearnedOption("a", "a.t", torch.tensor(value), (0.05, 0.2))
    return OptionLearner({"a.t": option}, lr)


def test_options_stay_within_their_bounds_and_resume() -> None:
    one = learner()
    for _ in range(60):
        one.move({"a.t": torch.tensor(3.0)})
    assert float(one.values()["a.t"]) == pytest.approx(0.05)
    for _ in range(40):
        one.move({"a.t": torch.tensor(-3.0)})
    middle = copy.deepcopy(one.state_dict())
    one.move({"a.t": torch.tensor(-0.5)})
    two = learner()
    two.load_state_dict(middle)
    two.move({"a.t": torch.tensor(-0.5)})
    assert torch.equal(one.values()["a.t"], two.values()["a.t"])
    assert float(one.values()["a.t"]) > 0.1


def test_an_option_may_start_at_its_bound() -> None:
    """In float32 0.2 is above 0.2, and 0.01 below 0.01."""
    assert float(learner(0.2).values()["a.t"]) == pytest.approx(0.2)
    for value in GraphCL.learnable["temperature"]:
        at_bound = LearnedOption("graphcl", NAME, torch.tensor(value), GraphCL.learnable["temperature"])
        assert float(OptionLearner({NAME: at_bound}, 0.5).values()[NAME]) == pytest.approx(value)
    with pytest.raises(OptionError, match=r"starts at 0\.200001"):
        learner(0.2 + 1e-6)


def test_no_slope_and_one_that_is_not_finite_move_nothing() -> None:
    one = learner()
    one.move({})
    one.move({"a.t": torch.tensor(float("nan"))})
    assert float(one.values()["a.t"]) == pytest.approx(0.1)
    with pytest.raises(OptionError, match=r"learn='a.t' starts at 0.3, and is learned between 0.05 and 0.2"):
        learner(0.3)
    with pytest.raises(OptionError, match="learn_lr=0 must be positive"):
        learner(lr=0)
