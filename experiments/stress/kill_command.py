"""Kill ``molweight fit`` and its worker processes at chosen moments, resume, and compare with an uninterrupted command.

    python -m experiments.stress.kill_command [--kills 60] [--journal FILE] [--output FILE]

The default ensemble is fitted to FreeSolv with a tiny encoder, whose members are trained in worker processes. A kill
comes while the pool of workers runs (``worker``: one of them gets SIGKILL; ``parent``: the command gets a signal),
while files and report are written (``writing``), or at any moment (``random``). The signal is SIGKILL, SIGTERM,
SIGHUP or SIGINT. After some seconds, no process of its session may remain. The same command must then finish with
tensors and history that are bit-identical to those of an uninterrupted one, and without partial files.
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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch

import molweight.cli._fit  # noqa: F401 - forked commands need not import it again
from experiments._provenance import provenance, write_result
from experiments.stress._journal import Journal
from molweight import datasets
from molweight.cli import main as molweight_main
from molweight.storage import from_tensor, read_tensors

FIT: Final = (
    *("fit", "table.csv", "--name=x", "--members=2", "--epochs=25", "--steps=3", "--pretrain_steps=3", "--quiet"),
    *("--objectives=attribute_masking", "--corpus_size=48", "--batch_size=16", "--baselines=mean", "--device=cpu"),
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--split=random"),
)
WHERE: Final = ("worker", "parent", "writing", "random")
SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_WRITTEN: Final = (
    "pretraining.safetensors",
    "model.safetensors",
    "README.md",
    "config.yaml",
    "audit.json",
    "report.html",
)
_PATIENCE: Final = 300.0
"""Seconds after which a command counts as hung."""


def start(place: Path, seed: int) -> int:
    """The command in a separate process and session; its output is appended to a file."""
    if not (place / "table.csv").exists():
        data = datasets.load("freesolv")
        rows = zip(data.smiles, data.targets[:, 0].tolist(), strict=True)
        text = "\n".join(["smiles,y", *(f"{smiles},{label}" for smiles, label in rows)])
        (place / "table.csv").write_text(text, encoding="utf-8")
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(place)
        said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ["MOLWEIGHT_CACHE"] = str(place / "cache")
        for number in SIGNALS[1:3]:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = molweight_main([*FIT, f"--seed={seed}"])
        sys.stdout.flush()
        os._exit(status)
    return child


def session(leader: int) -> list[int]:
    """Running processes of a session, except its leader."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, *numbers = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(numbers[2]) == leader and state != "Z" and int(path.parent.name) != leader:
                found.append(int(path.parent.name))
    return found


def workers(leader: int) -> list[int]:
    """Worker processes of the session, without trackers and processes that are starting."""
    found = []
    for process in session(leader):
        with suppress(OSError):
            if b"popen_loky_posix" in Path(f"/proc/{process}/cmdline").read_bytes():
                found.append(process)
    return found


def wait_until(child: int, condition: Callable[[], object]) -> bool:
    """Wait for a condition; returns whether the process is still running."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        if condition():
            return True
        time.sleep(0.001)
    os.killpg(child, signal.SIGKILL)
    sys.exit(f"a command took more than {_PATIENCE} s")


def moment(where: str, place: Path, child: int, chance: random.Random) -> Callable[[], object]:
    """Whether it is time to kill."""
    begun = time.monotonic()
    if where in ("worker", "parent"):
        delay = chance.uniform(0, 3)
        seen: list[float] = []

        def busy() -> bool:
            if not seen and workers(child):
                seen.append(time.monotonic())
            return bool(seen) and time.monotonic() - seen[0] > delay and bool(workers(child))

        return busy
    if where == "writing":
        name, delay = chance.choice(_WRITTEN), chance.choice((0.0, 0.0, 0.01, 0.1))
        folder = place / "runs" / "x"

        def written() -> bool:
            if (folder / name).exists() or any(folder.glob(f".{name}.*.part")):
                time.sleep(delay)
                return True
            return False

        return written
    end = begun + chance.uniform(0, 12)
    return lambda: time.monotonic() > end


def kill(where: str, place: Path, seed: int, chance: random.Random) -> dict[str, Any] | None:
    """Start the command and kill it; ``None`` if it finished before."""
    number = signal.SIGKILL if where == "worker" else chance.choice(SIGNALS)
    child = start(place, seed)
    running = wait_until(child, moment(where, place, child, chance))
    if running:
        victims = workers(child) if where == "worker" else [child]
        with suppress(ProcessLookupError):
            os.kill(chance.choice(victims or [child]), number)
        wait_until(child, lambda: False)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    end = time.monotonic() + 20
    while session(child) and time.monotonic() < end:
        time.sleep(0.05)
    orphans = len(session(child))
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status == 0:
        return None
    return {"where": where, "signal": number.name, "status": status, "orphans": orphans}


def trial(folder: Path, seed: int, where: str, chance: random.Random, twin: Path) -> dict[str, Any] | None:
    """One kill, the same command again, and the comparison."""
    shutil.copytree(twin / "cache", folder / "cache")
    hit = kill(where, folder, seed, chance)
    if hit is None:
        return None
    child = start(folder, seed)
    wait_until(child, lambda: False)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        tail = (folder / "said.txt").read_text(encoding="utf-8")[-600:]
        return {**hit, "problem": f"the same command ended with {status}: {tail}"}
    partial = [path.name for path in folder.rglob("*") if ".part" in path.name]
    different = compare(twin / "runs" / "x", folder / "runs" / "x")
    problem = "; ".join([*(f"left: {name}" for name in partial), *different, *(["orphans"] if hit["orphans"] else [])])
    return {**hit, "problem": problem}


def compare(one: Path, other: Path) -> list[str]:
    """Differences between two runs, except durations."""
    found = []
    for name in ("model.safetensors", "pretraining.safetensors", "test.safetensors", "calibration.safetensors"):
        (left, _), (right, _) = read_tensors(one / name), read_tensors(other / name)
        left, right = _plain(left), _plain(right)
        found += [f"{name}: {key}" for key in left.keys() | right.keys() if not _equal(left.get(key), right.get(key))]
    names = [sorted(path.name for path in run.iterdir()) for run in (one, other)]
    return found if names[0] == names[1] else [*found, f"files {names[1]}"]


def _plain(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Tensors; the history as JSON without durations."""
    records = from_tensor(tensors["history"]) if "history" in tensors else []
    rest = {name: tensor for name, tensor in tensors.items() if name != "history"}
    return {**rest, "records": [{key: value for key, value in row.items() if key != "seconds"} for row in records]}


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return left.shape == right.shape and bool(((left == right) | (left.isnan() & right.isnan())).all())
    return json.dumps(left) == json.dumps(right)


def main() -> None:
    """Kill, resume, compare, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--journal", type=Path, default=None, help="JSON lines of the kills, to resume from")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the result")
    options = parser.parse_args()
    torch.set_num_threads(1)
    journal = Journal(options.journal)
    with tempfile.TemporaryDirectory() as name:
        twin = Path(name, "twin")
        twin.mkdir()
        os.waitpid(start(twin, options.seed), 0)
        attempt = 0
        while len(journal.answers) < options.kills:
            attempt += 1
            where = WHERE[len(journal.answers) % len(WHERE)]
            chance = random.Random(f"{options.seed}/{len(journal.answers)}/{attempt}")  # noqa: S311 - moments
            folder = Path(name, "killed")
            folder.mkdir()
            found = trial(folder, options.seed, where, chance, twin)
            shutil.rmtree(folder)
            if found is not None:
                journal.add(str(len(journal.answers)), found)
                print(len(journal.answers), found, flush=True)
    rows = list(journal.answers.values())[: options.kills]
    counts = Counter(f"{row['where']}: {row['signal']}" for row in rows)
    problems = [row for row in rows if row["problem"]]
    result = {"kills": len(rows), "where": dict(sorted(counts.items())), "identical": len(rows) - len(problems)}
    print(json.dumps(result))
    if options.output is not None:
        write_result(options.output, {**provenance([options.seed]), **result, "problems": problems})
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
