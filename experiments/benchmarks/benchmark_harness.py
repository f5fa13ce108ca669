"""Overhead of a study's harness over the training itself: processes, reading, splitting, writing.

    python -m experiments.benchmarks.benchmark_harness [--study experiments/configs/quick.yaml] [--tables freesolv esol]

Runs the first seed of a study with one process in a new folder and compares the time of the whole with the seconds that
its runs spent training and evaluating.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments._provenance import provenance, write_result
from molweight.benchmark import ProcessPool, Study, read_study, run_study


def measure(study: Study) -> dict[str, Any]:
    """Seconds of the study and of its runs, and the difference."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        table = run_study(study, folder, ProcessPool(1), progress=True).table()
        whole = time.perf_counter() - started
    failed = table["error"].dropna().tolist()
    if failed:
        raise SystemExit(failed[0])
    training = float(table[["seconds", "pretrain_seconds"]].sum().sum())
    return {
        "runs": len(table),
        "seconds": whole,
        "training_seconds": training,
        "reading_seconds": float(table["overhead_seconds"].sum()),
        "added": (whole - training) / training,
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("experiments/configs/quick.yaml"))
    parser.add_argument("--tables", nargs="+", default=["freesolv", "esol"])
    parser.add_argument("--output", type=Path, default=Path("experiments/results/harness.json"))
    options = parser.parse_args()
    study = read_study(options.study)
    study = replace(study, seeds=study.seeds[:1], tables=options.tables)
    result = {"study": str(options.study), **measure(study), "provenance": provenance([int(study.seeds[0])])}
    write_result(options.output, result)


if __name__ == "__main__":
    main()
