"""Commands of molweight in a process of their own, with the time and memory that each took.

``getrusage(RUSAGE_CHILDREN)`` gives the largest process of all commands so far, and ``wait4`` at least the peak of the
process that started the command: Linux counts memory before ``exec``, too. Therefore this file also runs as a script,
which is small, starts one command, waits for it and prints what it took.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "run_measured"]


@dataclass(frozen=True)
class Measured:
    """Time and memory of a command, its child processes included.

    Args:
        said: Its standard error.
        seconds: Wall time.
        cpu_seconds: CPU time of all its processes.
        peak_mb: Peak memory of its largest process, in MiB.
    """

    said: str
    seconds: float
    cpu_seconds: float
    peak_mb: float


def run_measured(arguments: Sequence[str], *, folder: Path | None = None, cache: Path | None = None) -> Measured:
    """Run a command of molweight; if it fails, this process ends with its message.

    Args:
        arguments: Arguments of ``molweight``.
        folder: Folder it runs in, by default the current one.
        cache: Its cache, by default the user's.
    """
    environment = os.environ if cache is None else {**os.environ, "MOLWEIGHT_CACHE": str(cache)}
    command = [sys.executable, "-m", "molweight", *arguments]
    with tempfile.TemporaryFile("w+") as stream:
        # -I -S: only the standard library, so that the process between is small.
        between = [sys.executable, "-I", "-S", __file__, *command]
        done = subprocess.run(between, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stream, check=True)
        stream.seek(0)
        said = stream.read()
    found = json.loads(done.stdout)
    if found.pop("status") != 0:
        sys.exit(f"molweight {' '.join(arguments)} failed:\n{said[-2000:]}")
    return Measured(said, **found)


def _main(command: Sequence[str]) -> None:
    """Run a command, and print its status and what it took as JSON."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    found = {
        "status": status,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    _main(sys.argv[1:])
