"""Speed-up of the steps of one job by a second process, each with one thread.

    python -m experiments.benchmarks.benchmark_processes [--layers 3 --width 128] [--output ...]

Steps of all three levels with the default objectives, the identity and a batch of 256, alternately in one process and
in two under torchrun; wall-clock seconds are the minimum over repetitions. The machine must be idle for these.
CPU seconds, of the process that needs most, leave out what a process waits for others; on a machine with
other work they say what two idle cores would give at best. ``reductions`` counts the sums over processes per step.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from experiments._provenance import provenance, write_result
from molweight import Job, datasets, distributed, encoders, objectives
from molweight.graphs import attach_targets
from molweight.mlo import Loop, solvers, weightings
from molweight.models import Predictor, Pretrainer

NAMES = list(Job().objectives)


def seconds_per_step(layers: int, width: int, steps: int) -> dict[str, float]:
    """Seconds of a step in this process and the others of its team, and how often these wait for each other."""
    corpus = attach_targets(
        datasets.load_corpus("zinc", size=512), [spec for name in NAMES for spec in objectives.get(name).targets]
    )
    torch.manual_seed(0)
    encoder = encoders.create("gin", layers=layers, width=width)
    heads = {name: objectives.create(name, width=encoder.width) for name in NAMES}
    for head in heads.values():
        head.prepare(dict(corpus.columns))
    model = Pretrainer(encoder, heads).train()
    task = Predictor(copy.deepcopy(encoder), "regression", torch.zeros(1), torch.ones(1))
    rule = weightings.create("tapweight", NAMES)
    loop = Loop(dict(model.named_parameters()), dict(task.named_parameters()), rule, solver=solvers.create("identity"))
    table = datasets.load("esol")
    train, meta = (task.bound_loss(table.graphs(range(at, at + 64)), None) for at in (0, 64))
    generator = torch.Generator().manual_seed(0)
    taken: list[tuple[float, float]] = []
    count = _counted_reductions()
    for _ in range(steps + 2):
        taken.append((time.perf_counter(), time.process_time()))
        losses = model.draw(corpus.graphs(range(256)), generator)
        loop.step(losses, train, meta, solve_objectives=losses)
    wall, reductions = (time.perf_counter() - taken[2][0]) / steps, len(count) / (steps + 2)
    busy = torch.tensor((time.process_time() - taken[2][1]) / steps)
    if distributed.team() is not None:
        torch.distributed.all_reduce(busy, op=torch.distributed.ReduceOp.MAX)
    return {"seconds": wall, "cpu_seconds": float(busy), "reductions": reductions}


def _counted_reductions() -> list[None]:
    """A list that gets an entry at each sum over processes."""
    found: list[None] = []
    plain = torch.distributed.all_reduce

    def counted(*arguments: Any, **options: Any) -> Any:
        found.append(None)
        return plain(*arguments, **options)

    torch.distributed.all_reduce = counted
    return found


def run_in(processes: int, arguments: list[str]) -> dict[str, float]:
    """Start the processes, and read the measurement of the first one."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seconds"
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [*launcher, "-m", "experiments.benchmarks.benchmark_processes", *arguments, "--worker", str(file)]
        subprocess.run(command, check=True, env=environment)
        found: dict[str, float] = json.loads(file.read_text())
        return found


def compared(options: argparse.Namespace) -> dict[str, Any]:
    """One process and two, alternately."""
    arguments = ["--layers", str(options.layers), "--width", str(options.width), "--steps", str(options.steps)]
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(options.repetitions):
        for processes, each in found.items():
            each.append(run_in(processes, arguments))
    result: dict[str, Any] = {"layers": options.layers, "width": options.width}
    for key, title in (("seconds", "one_over_two"), ("cpu_seconds", "cpu_one_over_two")):
        seconds = {processes: [one[key] for one in each] for processes, each in found.items()}
        result |= {f"{key}_per_step": seconds, title: min(seconds[1]) / min(seconds[2])}
    return {**result, "reductions_per_step": found[2][0]["reductions"]}


def main() -> None:
    """Measure, as a worker or as the one that starts them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--worker", type=Path, help="file for the seconds of a step: set for the processes it starts")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/processes.json"))
    options = parser.parse_args()
    if options.worker is None:
        load = os.getloadavg()[0]
        write_result(options.output, {**compared(options), "load_average_before": load, **provenance([0])})
        return
    team = distributed.start("cpu")
    seconds = seconds_per_step(options.layers, options.width, options.steps)
    if team is None or team.rank == 0:
        options.worker.write_text(json.dumps(seconds))
    distributed.stop()


if __name__ == "__main__":
    main()
