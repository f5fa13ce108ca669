"""Cost of a step in which objectives share an encoding, against an earlier version that encoded for each of them.

    OMP_NUM_THREADS=1 python -m experiments.benchmarks.benchmark_views
    python -m experiments.benchmarks.benchmark_views --encoders gin:3x128 --rounds 1 --kinds "one, equal"

The earlier version is checked out with ``git worktree``. Two processes with one thread each, one per version, hold the
same jobs: batches of 256 (pretraining), 64 (finetuning), 64 (meta) and 48 (solves). They take turns, kind by kind,
so that other load affects both. Times are CPU milliseconds per step, medians over rounds; ``peak_mib`` is the peak
memory of a process that performs steps of one kind, minus its size before the first step. The sources are random
numbers for molecules of ZINC, 10 to a table; the earlier version has none.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._provenance import provenance, write_result
from molweight.datasets import load, load_corpus, split
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training._adaptive import AdaptivePretraining, adaptive_pretraining  # a location common to all versions

PERIOD: Final = 10
"""Steps between hypergradients, for kinds that do not compute them at every step."""
ROOT: Final = Path(__file__).resolve().parents[2]
ONE: Final = ["functional_groups"]
FIVE: Final = [*ONE, "descriptors", "fingerprint", "brics_motifs", "fingerprint_clusters"]
DEFAULT: Final = ["attribute_masking", "graphcl", "functional_groups", "descriptors"]
EIGHT: Final = [*DEFAULT, "fingerprint", "brics_motifs", "fingerprint_clusters", "infomax"]
EQUAL: Final[dict[str, Any]] = {"weighting": "equal"}
IDENTITY: Final[dict[str, Any]] = {"solver": "identity"}
CG: Final[dict[str, Any]] = {"solver": "cg", "solver_options": {"iterations": 5, "damping": 10.0}}
KINDS: Final[dict[str, dict[str, Any]]] = {
    "one, equal": {"objectives": ONE, **EQUAL},
    "five on one view, equal": {"objectives": FIVE, **EQUAL},
    "default four, equal": {"objectives": DEFAULT, **EQUAL},
    "eight, equal": {"objectives": EIGHT, **EQUAL},
    "eight, identity every step": {"objectives": EIGHT, **IDENTITY, "hypergradient_interval": 1},
    "eight, identity every 10": {"objectives": EIGHT, **IDENTITY, "hypergradient_interval": PERIOD},
    "eight, cg 5 + 5 every 10": {"objectives": EIGHT, **CG, "hypergradient_interval": PERIOD},
    "50 sources, equal": {"objectives": ONE, "aux_weights": "column", **EQUAL},
    "50 sources, identity every step": {
        "objectives": ONE,
        "aux_weights": "column",
        **IDENTITY,
        "hypergradient_interval": 1,
    },
    "50 sources, identity every 10": {
        "objectives": ONE,
        "aux_weights": "column",
        **IDENTITY,
        "hypergradient_interval": PERIOD,
    },
}
"""Options of each kind of step."""
COMPARED: Final = [kind for kind in KINDS if not kind.startswith("50 sources")]
"""Kinds that the earlier version has as well."""
MEMORY: Final = ["default four, equal", "eight, identity every step", "eight, cg 5 + 5 every 10"]
"""Kinds whose peak memory is measured."""
RATIOS: Final = {
    "five on one view / one": ("new", "five on one view, equal", "new", "one, equal"),
    "default four, new / old": ("new", "default four, equal", "old", "default four, equal"),
    "eight, new / old": ("new", "eight, equal", "old", "eight, equal"),
    "eight, identity every step / equal": ("new", "eight, identity every step", "new", "eight, equal"),
    "eight, identity every 10 / equal": ("new", "eight, identity every 10", "new", "eight, equal"),
    "eight, cg 5 + 5 every 10 / equal": ("new", "eight, cg 5 + 5 every 10", "new", "eight, equal"),
    **{
        f"{kind}, new / old": ("new", kind, "old", kind)
        for kind in COMPARED
        if kind.startswith("eight, ") and kind != "eight, equal"
    },
    "50 sources, identity every step / equal": ("new", "50 sources, identity every step", "new", "50 sources, equal"),
    "50 sources, identity every 10 / equal": ("new", "50 sources, identity every 10", "new", "50 sources, equal"),
}


def steps_of(kind: str, encoder: str) -> AdaptivePretraining:
    """A set-up for steps of one kind that has taken its first step, in which objectives are checked.

    Args:
        kind: A key of :data:`KINDS`.
        encoder: Name, layers and width, e.g. ``"gin:5x300"``.
    """
    setup = ready(kind, encoder)
    setup.step()
    return setup


def ready(kind: str, encoder: str) -> AdaptivePretraining:
    """A set-up for steps of one kind, with its own models.

    Args:
        kind: A key of :data:`KINDS`.
        encoder: Name, layers and width, e.g. ``"gin:5x300"``.
    """
    name, options = encoder_of(encoder)
    job = Job(encoder=name, encoder_options=options, init="scratch", device="cpu", **KINDS[kind])
    data, device = tables()[0], torch.device("cpu")
    job, held = with_fifty(job) if kind.startswith("50 sources") else (job, {})
    model, corpus = generic_pretraining(job, tables()[1], device, **held)
    return adaptive_pretraining(job, model, corpus, data, split(data), device=device)


def encoder_of(text: str) -> tuple[str, dict[str, int]]:
    """Name and options of an encoder, from ``"gin:5x300"`` or ``"5x300"``."""
    name, _, size = text.rpartition(":")
    layers, width = map(int, size.split("x"))
    return name or "gin", {"layers": layers, "width": width}


def with_fifty(job: Job) -> tuple[Job, dict[str, Any]]:
    """The job with fifty label columns as objectives, and what generic pretraining needs of them."""
    from molweight.datasets import from_smiles  # these are not in earlier versions
    from molweight.training.internal import HeldOut, with_sources

    (data, corpus), random = tables(), np.random.default_rng(0)
    smiles = corpus.smiles[:500]
    made = [
        from_smiles(smiles, random.normal(size=(len(smiles), 10)), name=f"table{number}", cache=False)
        for number in range(5)
    ]
    job, sources = with_sources(job, data, split(data), made)
    return job, {"held": HeldOut(data, split(data), sources)}


@cache
def tables() -> tuple[MoleculeDataset, MoleculeDataset]:
    """The task and the corpus."""
    return load("freesolv"), load_corpus("zinc", size=1000)


def seconds_of(setup: AdaptivePretraining) -> float:
    """CPU seconds per step, averaged over steps with and without a hypergradient in the proportions of a period.

    Args:
        setup: The set-up.
    """
    every = setup.loop.hypergradient_interval
    taken = []
    for last in (False, True):
        setup.loop.steps = PERIOD - 1 if last else PERIOD - 2
        started = time.process_time()
        setup.step()
        taken.append(time.process_time() - started)
    return statistics.mean(taken) if every == 1 else taken[0] + (taken[1] - taken[0]) / every


def work(encoder: str) -> None:
    """Perform the requested steps, one kind per line of standard input, and print their seconds."""
    made: dict[str, AdaptivePretraining] = {}
    for line in sys.stdin:
        kind = line.strip()
        if kind not in made:
            made[kind] = steps_of(kind, encoder)
        print(seconds_of(made[kind]), flush=True)


def peak(encoder: str, kind: str) -> None:
    """Print the peak memory, in MiB, of steps of one kind."""
    setup = ready(kind, encoder)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets peak RSS
    before = _resident("VmRSS")
    setup.step()
    seconds_of(setup)
    print(_resident("VmHWM") - before)


def _resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


class Version:
    """A process that performs steps with one version of molweight.

    Args:
        folder: Root of the version.
        encoder: Layers and width.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        """Start the process."""
        self._command = [sys.executable, __file__, "--encoders", encoder]
        self._environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        self._process = self._start("--work")

    def seconds(self, kind: str) -> float:
        """CPU seconds per step of a kind."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(f"{kind}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def peak(self, kind: str) -> float:
        """Peak memory in MiB of a separate process."""
        return float(self._start("--peak", kind).communicate()[0])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _start(self, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._command, *options],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A worktree of an earlier commit.

    Args:
        commit: Which one.

    Yields:
        Its root.
    """
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "old"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(folder), commit], check=True, capture_output=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def measure(encoder: str, old: Path, rounds: int, kinds: list[str]) -> dict[str, Any]:
    """Milliseconds per step of each version and kind, the ratios of interest, and peak memory.

    Args:
        encoder: Layers and width.
        old: Root of the earlier version.
        rounds: Number of turns of each kind, after one for warm-up.
        kinds: Which kinds of steps.
    """
    versions = {"new": Version(ROOT, encoder), "old": Version(old, encoder)}
    pairs = [(name, kind) for kind in kinds for name in versions if name == "new" or kind in COMPARED]
    taken: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for turn in range(rounds + 1):
        for name, kind in pairs:
            seconds = versions[name].seconds(kind)
            print(turn, kind, name, f"{1e3 * seconds:.0f} ms", file=sys.stderr, flush=True)
            if turn:
                taken[name, kind].append(seconds)
    peaks = {kind: {name: each.peak(kind) for name, each in versions.items()} for kind in kinds if kind in MEMORY}
    for version in versions.values():
        version.close()
    wanted = {title: ((one, kind), (other, base)) for title, (one, kind, other, base) in RATIOS.items()}
    return {
        "ms_per_step": {f"{kind}, {name}": 1e3 * statistics.median(taken[name, kind]) for name, kind in pairs},
        "ratios": {
            title: _ratio(taken[one], taken[other])
            for title, (one, other) in wanted.items()
            if one in taken and other in taken
        },
        "peak_mib": peaks,
    }


def _ratio(one: list[float], other: list[float]) -> dict[str, float]:
    each = [first / second for first, second in zip(one, other, strict=True)]
    return {"median": statistics.median(each), "lowest": min(each), "highest": max(each)}


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="aa4c0c4", help="the earlier version")
    parser.add_argument("--encoders", nargs="+", default=["gin:3x128", "gin:5x300", "dmpnn:3x300"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kind")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peak", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/step_views.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.work:
        return work(options.encoders[0])
    if options.peak:
        return peak(options.encoders[0], options.peak)
    result: dict[str, Any] = {
        "batches": "256 pretraining, 64 finetuning, 64 meta, 48 solves",
        "against": options.against,
    }
    with checked_out(options.against) as old:
        for encoder in options.encoders:
            name, size = encoder_of(encoder)[0], encoder.rpartition(":")[2]
            result[f"{name} {size}"] = measure(encoder, old, options.rounds, options.kinds)
            result["provenance"] = provenance([0])
            write_result(options.output, json.loads(json.dumps(result)))
    return None


if __name__ == "__main__":
    main()
