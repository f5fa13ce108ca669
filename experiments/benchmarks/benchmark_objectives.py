"""Cost of each objective: drawing the views, and the loss with its gradient, for 512 molecules on one core.

    python -m experiments.benchmarks.benchmark_objectives [--encoders 5x300 3x128] [--rounds 3] [--output ...]

Figures are CPU time of one thread, to which other processes do not contribute. The objectives take turns within a
round; each figure is the median over the rounds, and the cost of an objective is the median of its ratio to
``attribute_masking`` in the same round. Then two views of each molecule, as ``graphcl`` draws them, are encoded in two
calls and in one. Targets are computed before the clock starts.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from tqdm import tqdm

from experiments._provenance import provenance, write_result
from molweight import encoders, objectives
from molweight.datasets import load, load_corpus
from molweight.encoders import Encoder
from molweight.graphs import GraphBatch, MoleculeDataset, attach_targets
from molweight.objectives import GraphCL, Objective
from molweight.objectives.building_blocks import join

MOLECULES: Final = 512
REFERENCE: Final = "attribute_masking"


@dataclass(frozen=True)
class Taken:
    """Seconds of one step.

    Args:
        draw: For the views.
        loss: For the loss and its gradient.
    """

    draw: float
    loss: float

    @property
    def total(self) -> float:
        """Total seconds of sampling and of the loss."""
        return self.draw + self.loss


def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    start = time.process_time()
    value = work()
    return time.process_time() - start, value


def differentiate(loss: Tensor, encoder: Encoder, objective: Objective) -> None:
    """The gradient with respect to all parameters."""
    parameters = [*encoder.parameters(), *objective.parameters()]
    torch.autograd.grad(loss, parameters, materialize_grads=True)


def step(encoder: Encoder, objective: Objective, batch: GraphBatch, generator: torch.Generator) -> Taken:
    """One step of an objective."""
    draw, views = clocked(lambda: objective.draw(batch, generator))
    loss, _ = clocked(lambda: differentiate(objective(encoder, views), encoder, objective))
    return Taken(draw, loss)


def costs(encoder: Encoder, names: list[str], data: MoleculeDataset, rounds: int) -> dict[str, dict[str, float]]:
    """Cost of each objective, by name.

    Args:
        encoder: The encoder, whose gradient is part of the step.
        names: Objectives; :data:`REFERENCE` must be among them.
        data: The molecules, with all targets.
        rounds: Number of rounds, after a small step of each objective to warm up.
    """
    built = {name: objectives.create(name, width=encoder.width) for name in names}
    for objective in built.values():
        objective.prepare(dict(data.columns))
        objective.attach({table: load(table) for table in objective.tables})
    generator, few = torch.Generator().manual_seed(0), data.graphs(range(MOLECULES // 16))
    for objective in built.values():
        step(encoder, objective, few, generator)
    batch = data.graphs(range(MOLECULES))
    turns = [
        {
            name: step(encoder, objective, batch, generator)
            for name, objective in tqdm(built.items(), desc=f"round {turn}")
        }
        for turn in range(1, rounds + 1)
    ]
    return {name: summary([turn[name] for turn in turns], [turn[REFERENCE] for turn in turns]) for name in names}


def summary(own: list[Taken], reference: list[Taken]) -> dict[str, float]:
    """Medians over the rounds."""
    median = statistics.median
    return {
        "draw_ms": 1e3 * median(taken.draw for taken in own),
        "loss_and_gradient_ms": 1e3 * median(taken.loss for taken in own),
        "draw_share": median(taken.draw / taken.total for taken in own),
        "seconds_per_1000_molecules": median(taken.total for taken in own) * 1000 / MOLECULES,
        "cost": median(one.total / other.total for one, other in zip(own, reference, strict=True)),
    }


def two_views(encoder: Encoder, batch: GraphBatch, rounds: int) -> dict[str, float]:
    """Milliseconds for encoding two views of each molecule, with the gradient, in two calls and in one."""
    views = GraphCL(encoder.width).draw(batch, torch.Generator().manual_seed(0))
    parameters = list(encoder.parameters())

    def two() -> None:
        total = encoder(views.first).graphs.square().sum() + encoder(views.second).graphs.square().sum()
        torch.autograd.grad(total, parameters)

    def one() -> None:
        torch.autograd.grad(encoder(join(views.first, views.second)).graphs.square().sum(), parameters)

    turns = [(clocked(two)[0], clocked(one)[0]) for _ in range(rounds)]
    return {
        "two_calls_ms": 1e3 * statistics.median(turn[0] for turn in turns),
        "one_call_ms": 1e3 * statistics.median(turn[1] for turn in turns),
        "one_call_over_two": statistics.median(turn[1] / turn[0] for turn in turns),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=["5x300", "3x128"], help="layers x width of GIN")
    parser.add_argument("--objectives", nargs="+", default=objectives.available(), help="attribute_masking among them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/objectives_cost.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    specs = [spec for name in options.objectives for spec in objectives.get(name).targets]
    data = attach_targets(load_corpus("zinc", size=MOLECULES), specs)
    result: dict[str, Any] = {"molecules": f"first {MOLECULES} of the embedded ZINC sample", "rounds": options.rounds}
    for encoder in options.encoders:
        layers, width = map(int, encoder.split("x"))
        built = encoders.create("gin", layers=layers, width=width)
        result[f"gin {encoder}"] = {
            "objectives": costs(built, options.objectives, data, options.rounds),
            "two_views": two_views(built, data.graphs(range(MOLECULES)), options.rounds),
        }
    result["provenance"] = provenance([0])
    write_result(options.output, result)


if __name__ == "__main__":
    main()
