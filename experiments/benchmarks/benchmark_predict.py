"""Rows per second, peak memory and latency of predictions with a finished run.

    python -m experiments.benchmarks.benchmark_predict runs/my library.smi.gz --rows 20000 --output rates.json

Rows go through the command ``molweight predict`` in a process of its own: once as a whole, once a tenth of them, so
that the difference leaves out imports and the start of processes. Memory is the peak of that process, not of those
that read molecules. Latency is that of ``run.predict`` and ``run.assess`` for one molecule in this process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from experiments._provenance import provenance, write_result
from molweight.datasets.internal import read_records
from molweight.runs import Run, load


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("library", help="file with molecules")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--top", type=int, default=None, help="screen, and keep so many")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    found = {
        **rate(options.run, options.library, options.rows, options.top),
        "latency": latencies(load(options.run, "cpu"), options.library),
        **provenance([]),
    }
    print(json.dumps(found, indent=2))
    if options.output is not None:
        write_result(options.output, found)


def rate(run: str, library: str, rows: int, top: int | None) -> dict[str, Any]:
    """Seconds, CPU seconds, rows per second and peak memory of the command.

    Args:
        run: Folder of the run.
        library: File with molecules.
        rows: How many of them.
        top: How many to keep; ``None`` for all.
    """
    smiles = [text for _, text in islice(read_records(library), rows)]
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (smiles[: len(smiles) // 10], smiles):
            path = Path(folder, "part.smi")
            path.write_text("\n".join(part) + "\n")
            command = [sys.executable, "-m", "molweight", "predict", run, str(path), f"--output={folder}/out.csv"]
            before, started = _cpu(), time.perf_counter()
            subprocess.run([*command, "--quiet", *([] if top is None else [f"--top={top}"])], check=True)
            measured.append((len(part), time.perf_counter() - started, _cpu() - before))
    (few, short, few_cpu), (many, long, cpu) = measured
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "rows": many,
        "seconds": long,
        "cpu_seconds": cpu,
        "rows_per_second": (many - few) / (long - short),
        "rows_per_cpu_second": (many - few) / (cpu - few_cpu),
        "peak_mb": peak / 1024,
        "load_average": os.getloadavg()[0],
    }


def latencies(run: Run, library: str, repeats: int = 100) -> dict[str, dict[str, float]]:
    """Milliseconds for one molecule: the median and the 95th percentile.

    Args:
        run: The run.
        library: File with molecules.
        repeats: How many molecules.
    """
    smiles = [text for _, text in islice(read_records(library), repeats + 5)]
    found = {}
    for name, method in (("predict", run.predict), ("assess", run.assess)):
        spent = []
        for text in smiles:
            started = time.perf_counter(), time.process_time()
            method([text])
            spent.append((time.perf_counter() - started[0], time.process_time() - started[1]))
        (p50, cpu), (p95, _) = np.quantile(np.array(spent[5:]) * 1000, [0.5, 0.95], axis=0)
        found[name] = {"p50_ms": float(p50), "p95_ms": float(p95), "p50_cpu_ms": float(cpu)}
    return found


def _cpu() -> float:
    """CPU seconds of the processes that this one started and that have ended, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
