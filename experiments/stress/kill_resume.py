"""Kill fits with SIGKILL at random moments, resume them, and compare with uninterrupted fits, bit by bit.

A small job (all three stages, conjugate gradients with warm starts) is fitted once without disturbance. Then the same
job is started again and again in separate processes, each killed after a random time, until one finishes. All tensors,
the history and the finetuning curve must equal those of the uninterrupted fit. Further jobs with other seeds follow
until enough processes were killed. States are written after every step, the worst case.

    python -m experiments.stress.kill_resume --kills 50 [--journal FILE]

With a journal, the same command resumes at the job that it was interrupted in. Kills of the whole command, its worker
processes and its report are in ``kill_command``.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from experiments._provenance import provenance
from experiments.stress._journal import Journal
from molweight import datasets
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.storage import from_tensor, read_tensors
from molweight.training import Session, fit, variant
from molweight.training.internal import stage_names

JOB = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["attribute_masking", "graphcl"],
    solver="cg",
    pretrain_steps=6,
    steps=10,
    hypergradient_interval=2,
    batch_size=16,
    solve_batch_size=16,
    task_batch_size=16,
    meta_batch_size=16,
    epochs=6,
    patience=5,
    device="cpu",
)
PER_JOB = 8
"""Maximum number of kills per job, so that several jobs are tested even if there is no progress between kills."""
Tables = tuple[MoleculeDataset, MoleculeDataset]
"""The labelled table and the corpus."""


def main() -> None:
    """Kill, resume, compare, and write the results."""
    options = _options()
    torch.set_num_threads(1)
    chance = random.Random(options.seed)  # noqa: S311 (moments, no secrets)
    table = datasets.load("freesolv")
    tables = table.subset(range(0, len(table), 8)), datasets.load_corpus("zinc", size=48)
    journal, jobs, started = Journal(options.journal), 0, time.perf_counter()
    hit: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        while hit.total() < options.kills:
            most = min(PER_JOB, options.kills - hit.total())
            if str(jobs) not in journal:
                journal.add(str(jobs), dict(_trial(Path(name, str(jobs)), jobs, tables, chance, most)))
            hit, jobs = hit + Counter(journal.answers[str(jobs)]), jobs + 1
            print(f"{hit.total()} killed, {jobs} jobs are bit-identical to uninterrupted ones", flush=True)
    result = {"kills": hit.total(), "jobs": jobs, "stage_when_killed": dict(hit), "identical": True}
    if options.output is not None:
        about = provenance(list(range(jobs)))
        seconds = round(time.perf_counter() - started, 1)
        text = json.dumps({**about, "result": result, "seconds": seconds}, indent=2)
        options.output.write_text(f"{text}\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="processes to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--journal", type=Path, default=None, help="JSON lines of the jobs, to resume from")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the result")
    return parser.parse_args()


def _trial(folder: Path, seed: int, tables: Tables, chance: random.Random, most: int) -> Counter[str]:
    """One job, killed repeatedly, and compared with an uninterrupted run; returns the stages of the kills."""
    twin, started = folder / "twin", time.perf_counter()
    _wait(_start(twin, seed, tables))
    duration = time.perf_counter() - started
    hit: Counter[str] = Counter()
    while True:
        child = _start(folder / "killed", seed, tables)
        if hit.total() == most or _ends_within(child, chance.uniform(0, 0.7 * duration)):
            _wait(child)
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        hit[stage_reached(folder / "killed" / "state")] += 1
    _compare(twin, folder / "killed")
    shutil.rmtree(folder)
    return hit


def _start(folder: Path, seed: int, tables: Tables) -> int:
    """Fit in a separate process with a separate cache."""
    child = os.fork()
    if child == 0:
        os.environ["MOLWEIGHT_CACHE"] = str(folder / "cache")
        session = Session(folder / "state", seconds=0)
        data, corpus = tables
        fit(variant(JOB, seed=seed), data, datasets.split(data, "random"), corpus, session=session)
        os._exit(0)
    return child


def _ends_within(child: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.002)
    return False


def _wait(child: int) -> None:
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.exit(f"a fit failed with status {status}")


def stage_reached(state: Path) -> str:
    """The last stage with a state on disk.

    Args:
        state: Folder of the states.
    """
    reached = [name for name in (*stage_names(JOB), "finished") if (state / f"{name}.safetensors").exists()]
    return reached[-1] if reached else "before the first state"


def _compare(twin: Path, killed: Path) -> None:
    (tensors, state), (other, resumed) = _result(twin), _result(killed)
    different = [name for name in tensors if not torch.equal(tensors[name], other[name])]
    if tensors.keys() != other.keys() or different or state != resumed:
        sys.exit(f"a resumed fit differs from an uninterrupted one: {different[:5] or 'its history or curve differs'}")


def _result(folder: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """Tensors and history of a finished fit, without durations."""
    tensors, _ = read_tensors(folder / "state" / "finished.safetensors")
    state = from_tensor(tensors.pop("skeleton"))
    del state["about"]["seconds"]
    for record in state["records"]:
        del record["seconds"]
    return tensors, state


if __name__ == "__main__":
    main()
