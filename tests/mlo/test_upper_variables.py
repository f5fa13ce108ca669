"""Upper variables that are not weights of objectives, on real molecules: a masking rate, and a weight per molecule."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from molweight import datasets, encoders
from molweight.encoders import Topology
from molweight.graphs import GraphBatch
from molweight.mlo import Level, Params, ProximalCross, hypergradient, minimise, resolved_hypergradient
from molweight.mlo.solvers import ConjugateGradient, Dense
from molweight.objectives._augment import mask_tokens

WIDTH, GAMMA, DECAY, TEMPERATURE = 3, 0.5, 20.0, 0.3
# The decay, towards the start, makes the Hessians of this net positive definite: the levels can then be solved again.


class Masking:
    """Masked elements of 16 molecules, weighted per molecule; then solvation energies of 32 others.

    Each atom is masked softly, by ``sigmoid((logit(rate) - noise) / temperature)`` with logistic noise drawn once: the
    share by which the mask token replaces its vector, and by which its element counts in the loss (the concrete
    relaxation of Maddison et al., ICLR 2017).
    """

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.encoder: Any = encoders.create("gin", layers=1, width=WIDTH, norm="none").double().train()
        data = datasets.load("freesolv")
        self.corpus = data.graphs(range(100, 116))
        self.train, self.meta = data.graphs(range(32)), data.graphs(range(32, 64))
        self.noise = torch.logit(torch.rand(len(self.corpus.x), dtype=torch.float64))
        self.elements = self.corpus.x[:, 0].clamp(5, 7) - 5
        self.start = {n: p.detach().clone() for n, p in self.encoder.named_parameters() if n.startswith("layers")}
        self.heads = {"type": torch.randn(WIDTH, 3).double(), "task": torch.randn(WIDTH).double()}
        self.upper = {"rate": torch.tensor(-0.8).double(), "molecules": torch.randn(16).double()}

    def nodes(self, own: Params, graphs: GraphBatch, soft: Tensor | None = None) -> Tensor:
        body, shared = self.encoder, {name: own[name] for name in self.start}

        def run(module: Any) -> Tensor:
            topology = Topology.of(graphs)
            x = module.embed(graphs, topology)
            if soft is not None:
                masked = torch.ones(len(graphs.x), dtype=torch.bool)
                without = _with_atoms(graphs, mask_tokens(graphs.x, masked))
                token = module.embed(without, Topology.of(without))
                x = soft[:, None] * token + (1 - soft)[:, None] * x
            states: list[Tensor] = module.states(x, topology, None)
            return states[-1]

        result: Tensor = torch.func.functional_call(_Call(body, run), {f"body.{n}": p for n, p in shared.items()}, ())
        return result

    def pretrain(self, own: Params, upper: Params) -> Tensor:
        soft = ((upper["rate"] - self.noise) / TEMPERATURE).sigmoid()
        logits = self.nodes(own, self.corpus, soft) @ own["type"]
        each = soft * torch.nn.functional.cross_entropy(logits, self.elements, reduction="none")
        weights = upper["molecules"].sigmoid()[self.corpus.batch]
        return (weights * each).sum() / soft.sum() + self._decay(own)

    def finetune(self, own: Params, upper: Params) -> Tensor:
        tie = sum((own[name] - upper[name]).square().sum() for name in self.start)
        return self._error(own, self.train) + GAMMA * tie + self._decay(own)

    def outer(self, own: Params, _: Params) -> Tensor:
        return self._error(own, self.meta)

    def _error(self, own: Params, graphs: GraphBatch) -> Tensor:
        assert graphs.y is not None
        pooled = torch.zeros(graphs.num_graphs, WIDTH).double().index_add(0, graphs.batch, self.nodes(own, graphs))
        pooled = pooled / graphs.ptr.diff()[:, None]
        return (pooled @ own["task"] - graphs.y[:, 0].double() / 10).square().mean()

    def _decay(self, own: Params) -> Tensor:
        towards = self.start | self.heads
        return DECAY / 2 * torch.stack([(t - towards[name]).square().sum() for name, t in own.items()]).sum()

    @property
    def levels(self) -> list[Level]:
        return [Level("pretrain", self.pretrain), Level("finetune", self.finetune, cross=ProximalCross(GAMMA))]

    def solve(self, upper: Params) -> list[Params]:
        """Both levels at their minima."""
        theta = minimise(self.levels[0], self.start | {"type": self.heads["type"]}, upper)
        return [theta, minimise(self.levels[1], self.start | {"task": self.heads["task"]}, theta)]


class _Call(torch.nn.Module):
    """A function of a module as a module, for ``functional_call``."""

    def __init__(self, body: torch.nn.Module, run: Any) -> None:
        super().__init__()
        self.body, self.run = body, run

    def forward(self) -> Tensor:
        result: Tensor = self.run(self.body)
        return result


def _with_atoms(graphs: GraphBatch, x: Tensor) -> GraphBatch:
    return dataclasses.replace(graphs, x=x)


@pytest.fixture(scope="module")
def problem() -> Masking:
    return Masking()


@pytest.fixture(scope="module")
def solved(problem: Masking) -> list[Params]:
    return problem.solve(problem.upper)


def test_a_masking_rate_and_weights_of_molecules_against_solving_anew(problem: Masking, solved: list[Params]) -> None:
    exact = hypergradient(problem.levels, solved, problem.upper, problem.outer, Dense()).value
    assert float(exact["rate"].abs()) > 0
    assert int((exact["molecules"] != 0).sum()) == 16
    generator = torch.Generator().manual_seed(1)
    shift = torch.randn(16, dtype=torch.float64, generator=generator)
    zero = torch.zeros_like(shift)
    for rate, molecules in ((1.0, zero), (0.0, shift)):

        def along(u: Params, rate: float = rate, molecules: Tensor = molecules) -> Params:
            moved = {
                "rate": problem.upper["rate"] + rate * u["t"],
                "molecules": problem.upper["molecules"] + molecules * u["t"],
            }
            return problem.solve(moved)[-1]

        numeric = resolved_hypergradient(along, {"t": torch.zeros((), dtype=torch.float64)}, problem.outer, step=1e-5)
        expected = rate * exact["rate"] + molecules @ exact["molecules"]
        torch.testing.assert_close(numeric["t"], expected, rtol=1e-5, atol=1e-12)


def test_conjugate_gradients_agree_with_the_dense_solve(problem: Masking, solved: list[Params]) -> None:
    solvers = Dense(), ConjugateGradient(iterations=200, tolerance=1e-10)
    dense, cg = (hypergradient(problem.levels, solved, problem.upper, problem.outer, s).value for s in solvers)
    for name, value in dense.items():
        assert float((cg[name] - value).norm() / value.norm()) <= 1e-6


def test_a_masking_rate_of_nearly_nothing_masks_nothing(problem: Masking) -> None:
    own = problem.start
    plain = problem.nodes(own, problem.corpus)
    torch.testing.assert_close(problem.nodes(own, problem.corpus, torch.zeros(len(problem.corpus.x)).double()), plain)
    assert not torch.allclose(problem.nodes(own, problem.corpus, torch.ones(len(problem.corpus.x)).double()), plain)
