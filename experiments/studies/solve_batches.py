"""Loss of accuracy from smaller solve batches: hypergradients with level 1's curvature on fewer molecules.

    python -m experiments.studies.solve_batches [--sizes 32 64 128 256] [--output ...]

GIN 3x128 on FreeSolv with the ZINC sample, four objectives, conjugate gradients with 5 iterations at both levels and
damping 10, as in ``benchmark_step.py``. At several steps of one run with equal weights the hypergradient is taken with
curvature batches of each size, three of each, with everything else equal; it is compared with the mean over three
batches of 512 molecules. Cosines are over the four objectives after centring, because only the centred part moves the
weights.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._provenance import provenance, write_result
from molweight.datasets import load, load_corpus, split
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training.internal import AdaptivePretraining, Batches, adaptive_pretraining, generator_for

POINTS: Final = (10, 50, 100)
REPEATS: Final = 3
REFERENCE: Final = 512


def set_up() -> AdaptivePretraining:
    """The run along which hypergradients are computed."""
    job = Job(
        encoder_options={"layers": 3, "width": 128},
        solver="cg",
        hypergradient_interval=10**9,  # the loop itself computes none: the weights stay equal
        init="scratch",
        device="cpu",
    )
    data, device = load("freesolv"), torch.device("cpu")
    model, corpus = generic_pretraining(job, load_corpus("zinc", size=4000), device)
    return adaptive_pretraining(job, model, corpus, data, split(data), device=device)


def hypergradients(setup: AdaptivePretraining, sizes: list[int]) -> dict[int, list[np.ndarray[Any, Any]]]:
    """Centred hypergradients at the current point, by size of the curvature batch."""
    loop, corpus, task = setup.loop, setup.corpus, setup.task
    train, meta = task.loss(task.train, dropout=True), task.loss(task.meta, dropout=False)
    step = corpus.losses(setup.model)
    found: dict[int, list[np.ndarray[Any, Any]]] = {}
    for size in sizes:
        batches = Batches(range(len(corpus.data)), size, generator_for(loop.steps, f"size {size}"))
        for _ in range(REPEATS):
            graphs = corpus.data.graphs(batches.next(), corpus.generator.device)
            losses = setup.model.draw(graphs, corpus.generator)
            slopes = loop.hypergradient(step, train, meta, solve_objectives=losses).value["weights"]
            found.setdefault(size, []).append((slopes - slopes.mean()).numpy())
    return found


def compare(found: dict[int, list[np.ndarray[Any, Any]]]) -> dict[int, list[float]]:
    """Cosine of each hypergradient with the mean of the reference size."""
    exact = np.mean(found[REFERENCE], axis=0)
    return {
        size: [float(one @ exact / (np.linalg.norm(one) * np.linalg.norm(exact))) for one in some]
        for size, some in found.items()
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 64, 128, 256])
    parser.add_argument("--output", type=Path, default=Path("experiments/results/solve_batches.json"))
    options = parser.parse_args()
    setup, points = set_up(), {}
    for step in range(max(POINTS)):
        setup.step()
        if step + 1 in POINTS:
            points[step + 1] = compare(hypergradients(setup, [*options.sizes, REFERENCE]))
    sizes = [*options.sizes, REFERENCE]
    median = {size: float(np.median([points[point][size] for point in POINTS])) for size in sizes}
    least = {size: float(np.min([points[point][size] for point in POINTS])) for size in sizes}
    result = {
        "reference": f"mean of {REPEATS} hypergradients with {REFERENCE} molecules",
        "median_cosine": median,
        "least_cosine": least,
        "points": points,
        "provenance": provenance([0]),
    }
    write_result(options.output, result)


if __name__ == "__main__":
    main()
