"""A large corpus, from its file to memory-mapped arrays: memory, size, time to reload.

    python -m experiments.benchmarks.benchmark_corpus [--corpus moses] [--output ...]

The cache is a temporary folder, so everything is read, featurised and written again. Memory is the resident set of this
process and of its workers together, summed every fifth of a second: shared pages count once per process. Seconds are
wall-clock time and mean little on a busy machine.
"""

import argparse
import os
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from experiments._provenance import provenance, write_result
from molweight.datasets import load_corpus

_PAGE = resource.getpagesize()


def resident(pid: int) -> int:
    """Resident memory in bytes of a process and its descendants."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):  # the process has just ended
        return 0
    return own + sum(map(resident, children))


class HealthLogger(threading.Thread):
    """Follows the memory of this process and its workers until it is stopped."""

    def __init__(self) -> None:
        """Start at the current memory."""
        super().__init__(daemon=True)
        self.start_bytes = self.peak_bytes = resident(os.getpid())
        self.ended = threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self.ended.wait(0.2):
            self.peak_bytes = max(self.peak_bytes, resident(os.getpid()))


def measure(name: str, size: int | None) -> dict[str, Any]:
    """Build, and load again."""
    watch = HealthLogger()
    watch.start()
    start, load = time.perf_counter(), os.getloadavg()[0]
    data = load_corpus(name, size, progress=True)
    built = time.perf_counter() - start
    watch.ended.set()
    watch.join()
    start = time.perf_counter()
    again = load_corpus(name, size)
    loaded = time.perf_counter() - start
    folder = again.folder
    disk = 0 if folder is None else sum(path.stat().st_size for path in folder.iterdir())
    return {
        "corpus": name,
        "molecules": len(data),
        "rejected": len(data.rejects),
        "peak_resident_MiB": watch.peak_bytes / 2**20,
        "resident_before_MiB": watch.start_bytes / 2**20,
        "disk_MiB": disk / 2**20,
        "disk_bytes_per_molecule": disk / len(data),
        "build_seconds": built,
        "load_again_seconds": loaded,
        "load_average_before": load,
        "processes": os.cpu_count(),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="moses")
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/corpus.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MOLWEIGHT_CACHE"] = cache
        result = measure(options.corpus, options.size) | {"provenance": provenance([0])}
    write_result(options.output, result)


if __name__ == "__main__":
    main()
