"""Cost of learning the weights: one step of the three-level loop against one equal-weight pretraining step.

    python -m experiments.benchmarks.benchmark_step [--encoders 5x300 3x128] [--rounds 5] [--output ...]
    python -m experiments.benchmarks.benchmark_step --rounds 0 --output experiments/results/step_memory.json

GIN, four objectives, batches 256 (pretraining) / 64 (finetuning) / 64 (meta). Both kinds of step use the same batches,
and views of the same size. The competitors take turns within a round and the ratio is computed per round, so that other
load affects both; the figure is the median over rounds. CPU seconds (``cpu_``) are reported in addition to wall-clock
seconds: with one thread (``OMP_NUM_THREADS=1``) other load hardly affects them. Peak memory is that of a process that
performs only one kind of step, minus its size before the first step.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from experiments._provenance import provenance, write_result
from molweight.datasets import load, load_corpus, split
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training.internal import adaptive_pretraining

CG: Final = {"solver": "cg", "solver_options": {"iterations": 5, "damping": 10.0}, "hypergradient_interval": 10}
KINDS: Final[dict[str, dict[str, Any]]] = {
    "equal": {"weighting": "equal"},
    "identity": {"solver": "identity", "solver_options": {}, "hypergradient_interval": 1},
    "identity, every 10": {"solver": "identity", "solver_options": {}, "hypergradient_interval": 10},
    "closed form, every 10": {"task_level": "closed_form", "solver": "identity", "hypergradient_interval": 10},
    "cg 5 + 5, damping 10, every 10, solves on 48": {**CG, "solve_batch_size": 48},
    "cg 5 + 5, damping 10, every 10, solves on 64": {**CG, "solve_batch_size": 64},
    "cg 5 + 5, damping 10, every 10, solves on 64, recompute": {**CG, "solve_batch_size": 64, "recompute_graphs": True},
    "cg 5 + 5, damping 10, every 10, solves on 256": {**CG, "solve_batch_size": 256},
}
"""Options of each kind of step; batch sizes are the job's defaults, 256 / 64 / 64."""

BLOCK: Final = 10
"""Steps per turn: one whole period of ``hypergradient_interval=10``."""


def steps_of(kind: str, encoder: str, device: torch.device) -> Callable[[int], None]:
    """A function that performs ``n`` steps of one kind, with its own models.

    Args:
        kind: A key of :data:`KINDS`.
        encoder: Layers and width, e.g. ``"5x300"``.
        device: Where to compute.
    """
    layers, width = map(int, encoder.split("x"))
    job = Job(encoder_options={"layers": layers, "width": width}, init="scratch", device=str(device), **KINDS[kind])
    data = load("freesolv")
    model, corpus = generic_pretraining(job, load_corpus("zinc", size=2000), device)
    setup = adaptive_pretraining(job, model, corpus, data, split(data), device=device)

    def take(count: int) -> None:
        for _ in range(count):
            setup.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return take


def durations(encoder: str, rounds: int, kinds: list[str], device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds per step of each kind, and its ratio to the equal-weight step, as medians over rounds."""
    competitors = {kind: steps_of(kind, encoder, device) for kind in kinds}
    wall: dict[str, list[float]] = {kind: [] for kind in kinds}
    cpu: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(rounds + 1):
        for kind, take in competitors.items():
            start, busy = time.perf_counter(), time.process_time()
            take(BLOCK)
            if turn:
                wall[kind].append((time.perf_counter() - start) / BLOCK)
                cpu[kind].append((time.process_time() - busy) / BLOCK)
    return {kind: {**_summary(wall, kind, ""), **_summary(cpu, kind, "cpu_")} for kind in kinds}


def _summary(taken: dict[str, list[float]], kind: str, prefix: str) -> dict[str, float]:
    ratios = [own / base for own, base in zip(taken[kind], taken["equal"], strict=True)]
    return {
        f"{prefix}ms_per_step": 1e3 * statistics.median(taken[kind]),
        f"{prefix}ratio": statistics.median(ratios),
        f"{prefix}ratio_lowest": min(ratios),
        f"{prefix}ratio_highest": max(ratios),
    }


def peak_memory(kind: str, encoder: str, device: torch.device) -> float:
    """Peak memory in MiB of one period of steps of one kind, in this process; to be called once per process."""
    take = steps_of(kind, encoder, device)
    if device.type == "cuda":
        allocated = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        take(BLOCK)
        return (torch.cuda.max_memory_allocated() - allocated) / 2**20
    before = _resident("VmRSS")
    take(BLOCK)
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    """MiB of this process now (``VmRSS``) or at most so far (``VmHWM``; ``getrusage`` would include the parent's)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def memory_table(encoder: str, kinds: list[str], device: torch.device) -> dict[str, float]:
    """Peak memory of each kind in MiB, each in a separate process."""
    script = [sys.executable, "-m", __spec__.name, "--device", str(device), "--encoders", encoder, "--memory-of"]
    return {kind: float(subprocess.run([*script, kind], capture_output=True, check=True).stdout) for kind in kinds}


def measure(encoder: str, rounds: int, kinds: list[str], device: torch.device) -> dict[str, dict[str, float]]:
    """Duration of each kind of step over its rounds, or its peak memory where ``rounds`` is 0."""
    if rounds:
        return durations(encoder, rounds, kinds, device)
    memory = memory_table(encoder, kinds, device)
    return {kind: {"peak_mib": memory[kind], "peak_ratio": memory[kind] / memory["equal"]} for kind in kinds}


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=["5x300", "3x128"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS), help="equal must be among them")
    parser.add_argument("--rounds", type=int, default=5, help="0 measures peak memory instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-of", default=None, help="print the peak memory of one kind of step and stop")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/step.json"))
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.memory_of:
        print(peak_memory(options.memory_of, options.encoders[0], device))
        return
    result: dict[str, Any] = {
        "batches": "256 pretraining, 64 finetuning, 64 meta",
        "corpus": "ZINC",
        "task": "freesolv",
    }
    for encoder in options.encoders:
        result[f"gin {encoder}"] = measure(encoder, options.rounds, options.kinds, device)
    result["provenance"] = provenance([0])
    write_result(options.output, result)


if __name__ == "__main__":
    main()
