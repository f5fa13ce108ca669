"""Where the time of a step goes: matrix products, index sums, normalisation, activations, copies, and Python.

    OMP_NUM_THREADS=1 python -m experiments.benchmarks.profile_step [--encoder 3x128] [--kinds "eight, equal"]

Shares are of the CPU time of one thread, from torch's profiler. ``rest`` is the time outside operators: Python,
autograd's bookkeeping and memory allocation. ``sgemm`` is the throughput of matrix products in GIN's forward and
backward pass, divided by that of the largest of them alone. ``performed`` counts the products actually performed,
``fraction`` those needed to compute every atom separately, as the encoder did before.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile

from experiments._provenance import provenance, write_result
from experiments.benchmarks.benchmark_views import KINDS, steps_of, tables
from molweight import encoders

GROUPS: Final = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm", "dot"),
    "index sums": (
        *("index_add", "index_add_", "scatter_add_", "scatter_reduce", "_embedding_bag_forward_only"),
        *("index_select", "gather", "index"),
    ),
    "normalisation": ("native_batch_norm", "native_batch_norm_backward", "native_layer_norm"),
    "activations": ("threshold_backward", "clamp_min", "clamp_min_", "relu", "relu_"),
    "copies and fills": ("copy_", "fill_", "cat", "zero_"),
    "sums and products": ("add", "add_", "mul", "mul_", "sum", "sub", "div", "div_"),
}
"""Operators of each group."""


def shares(kind: str, encoder: str, steps: int) -> dict[str, float]:
    """Share of the CPU time per group.

    Args:
        kind: A key of ``benchmark_views.KINDS``.
        encoder: Layers and width.
        steps: How many steps to profile.
    """
    setup = steps_of(kind, encoder)
    started = time.process_time()
    for _ in range(steps):
        setup.step()
    plain = time.process_time() - started
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for _ in range(steps):
            setup.step()
    own = {event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e6 for event in watched.key_averages()}
    operators = {name: seconds for name, seconds in own.items() if f"aten::{name}" in _names(watched)}
    found = {group: sum(operators.pop(name, 0.0) for name in names) for group, names in GROUPS.items()}
    found["other operators"] = sum(operators.values())
    total = max(plain, sum(found.values()))
    return {**{group: seconds / total for group, seconds in found.items()}, "rest": 1 - sum(found.values()) / total}


def _names(watched: profile) -> set[str]:
    return {event.key for event in watched.key_averages()}


def sgemm(encoder: str, repeats: int = 5) -> dict[str, float]:
    """GFLOP/s of the matrix products in an encoder's forward and backward pass, and of the largest alone.

    Args:
        encoder: Layers and width.
        repeats: Repetitions, of which the fastest counts.
    """
    layers, width = map(int, encoder.rpartition(":")[2].split("x"))
    body, batch = encoders.create("gin", layers=layers, width=width), tables()[1].graphs(range(256))
    flops = 3 * 2 * 2 * width * 2 * width  # per atom and layer: forward, and twice that backward
    counts = [each.counts for each in encoders.Topology.of(batch).rounds(layers)]
    rows = sum(batch.num_nodes if count is None else len(count) for count in counts)
    left, right = torch.randn(batch.num_nodes, width), torch.randn(width, 2 * width)
    alone = _fastest(lambda: left @ right, repeats)
    whole = _fastest(lambda: torch.autograd.grad(body(batch).graphs.sum(), list(body.parameters())), repeats)
    rate = 2 * batch.num_nodes * width * 2 * width / alone / 1e9
    every, performed = (flops * count / whole / 1e9 for count in (layers * batch.num_nodes, rows))
    rates = {"encoder": every, "encoder_performed": performed, "alone": rate}
    return {**rates, "fraction": every / rate, "performed": performed / rate, "rows": rows / layers / batch.num_nodes}


def _fastest(work: Any, repeats: int) -> float:
    taken = []
    for _ in range(repeats + 1):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def main() -> None:
    """Profile, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="3x128")
    parser.add_argument("--kinds", nargs="+", default=["one, equal", "eight, equal"], choices=list(KINDS))
    parser.add_argument("--sgemm", nargs="+", default=["3x128", "5x300"], help="layers and width of GIN")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/step_profile.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {kind: shares(kind, options.encoder, options.steps) for kind in options.kinds}
    result["sgemm"] = {size: sgemm(size) for size in options.sgemm}
    write_result(options.output, {"encoder": options.encoder, **result, "provenance": provenance([0])})


if __name__ == "__main__":
    main()
