"""Rows per second, peak memory and latency of predictions with a finished run.

    python -m experiments.benchmarks.benchmark_predict rate runs/my library.smi.gz --rows 20000 --output rates.json
    python -m experiments.benchmarks.benchmark_predict screen runs/my library.smi.gz --rows 100000 --rows 1000000
    python -m experiments.benchmarks.benchmark_predict recall runs/my library.smi.gz --scored all.csv --candidates 1000
    python -m experiments.benchmarks.benchmark_predict latency runs/my library.smi.gz
    python -m experiments.benchmarks.benchmark_predict parts runs/my library.smi.gz --rows 2000

``rate``: ``molweight predict`` is run in a separate process, on all rows and on a tenth of them, so that the difference
excludes imports and the start of processes. Memory is the peak of that process, without the processes that read
molecules. ``screen``: the same with ``--top``, with everything included. If more rows are requested than the library
has, its SMILES are repeated with C, F, CC, OC, ... in front, which gives other molecules, or invalid ones if the first
atom has no hydrogen to replace. ``recall``: the share of the best rows found by ``--candidates``; ``all.csv`` is the
output of ``molweight predict runs/my library.smi.gz --output all.csv``. ``latency``: that of ``run.predict`` and
``run.assess`` for one molecule in this process. ``parts``: CPU milliseconds per molecule, in one thread of this
process, of each part of scoring a row; they bound the rate from above. On a busy machine only CPU seconds are
meaningful: ``rows_per_second_on_two_cores`` is twice the rows per CPU second.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from experiments._measured import Measured, run_measured
from experiments._provenance import provenance, write_result
from molweight import features
from molweight.datasets.internal import read_records
from molweight.graphs import featurize
from molweight.runs import Run, load

GROUPS: Final = ("", "C", "F", "CC", "OC", "N", "ClC", "CN", "CCC", "OCC")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["rate", "screen", "recall", "latency", "parts"])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("library", help="file with molecules")
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--top", type=int, default=1000, help="rows that a screening keeps")
    parser.add_argument("--candidates", default="auto", help="rows that a screening scores")
    parser.add_argument("--scored", type=Path, help="predictions of all rows, for recall")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    found = {**_measured(options), **provenance([])}
    print(json.dumps(found, indent=2))
    if options.output is not None:
        write_result(options.output, found)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    run, library, rows = options.run, options.library, options.rows or [20_000]
    if options.what == "latency":
        return {"latency": latencies(load(run, "cpu"), library)}
    if options.what == "parts":
        return {"parts": parts(load(run, "cpu"), library, rows[0])}
    if options.what == "rate":
        return rate(run, library, rows[0])
    if options.what == "recall":
        return recall(run, library, options.scored, options.candidates, options.top)
    return {"screenings": [screening(run, library, size, options.top, options.candidates) for size in rows]}


def rate(run: str, library: str, rows: int) -> dict[str, Any]:
    """Seconds, CPU seconds, rows per second and peak memory of the command.

    Args:
        run: Folder of the run.
        library: File with molecules.
        rows: How many of them.
    """
    smiles = [text for _, text in islice(read_records(library), rows)]
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (smiles[: len(smiles) // 10], smiles):
            path = Path(folder, "part.smi")
            path.write_text("\n".join(part) + "\n")
            measured.append((len(part), _predict(run, path, Path(folder, "out.csv"))))
    (few, short), (many, long) = measured
    return {
        "rows": many,
        "seconds": long.seconds,
        "cpu_seconds": long.cpu_seconds,
        "rows_per_second": (many - few) / (long.seconds - short.seconds),
        "rows_per_cpu_second": (many - few) / (long.cpu_seconds - short.cpu_seconds),
        "peak_mb": long.peak_mb,
        "load_average": os.getloadavg()[0],
    }


def screening(run: str, library: str, rows: int, top: int, candidates: str) -> dict[str, Any]:
    """Seconds, CPU seconds, rows per second and peak memory of ``predict --top``, everything included.

    Args:
        run: Folder of the run.
        library: File with molecules.
        rows: How many of them; variants where there are not enough.
        top: How many to keep.
        candidates: How many to score.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "library.smi")
        with path.open("w") as stream:
            stream.writelines(f"{text}\n" for text in islice(variants(library), rows))
        found = _predict(run, path, Path(folder, "out.csv"), f"--top={top}", f"--candidates={candidates}")
    return {
        "rows": rows,
        "top": top,
        "candidates": candidates,
        "said": _last(found),
        "seconds": found.seconds,
        "cpu_seconds": found.cpu_seconds,
        "rows_per_second": rows / found.seconds,
        "rows_per_second_on_two_cores": 2 * rows / found.cpu_seconds,
        "peak_mb": found.peak_mb,
        "load_average": os.getloadavg()[0],
    }


def recall(run: str, library: str, scored: Path, candidates: str, top: int) -> dict[str, Any]:
    """Share of the best rows found by scoring only candidates, for the highest and the lowest predictions.

    Args:
        run: Folder of the run.
        library: File with molecules.
        scored: Output of ``molweight predict RUN LIBRARY --output FILE``: the predictions of all rows.
        candidates: How many to score.
        top: How many best rows to look for.
    """
    target = load(run, "cpu").target_names[0]
    whole = pd.read_csv(scored).sort_values(target, kind="stable")
    found: dict[str, Any] = {"rows": len(whole), "candidates": candidates}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out.csv")
        for name, further, best in (("highest", [], whole[::-1]), ("lowest", ["--lowest"], whole)):
            done = _predict(run, library, output, f"--top={top}", f"--candidates={candidates}", *further)
            rows = set(pd.read_csv(output)["row"])
            hits = {str(size): len(rows & set(best["row"][:size])) for size in (10, top // 4, top)}
            found[name] = {"found_of_the_best": hits, "said": _last(done)}
    return found


def variants(library: str) -> Iterator[str]:
    """SMILES of a library, followed by the same SMILES with other groups in front.

    Args:
        library: File with molecules.

    Yields:
        SMILES.
    """
    for group in GROUPS:
        for _, text in read_records(library):
            yield f"{group}{text}"


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


def parts(run: Run, library: str, rows: int) -> dict[str, Any]:
    """CPU milliseconds a molecule of each part of scoring, and the rows per second on two cores that they allow.

    Args:
        run: A run of the default ensemble.
        library: File with molecules.
        rows: How many of them, at most as many as a command scores at a time.

    Returns:
        Milliseconds of each part; ``"rows_per_second_on_two_cores"`` for each part alone, and for all together.
    """
    torch.set_num_threads(1)
    smiles = [text for _, text in islice(read_records(library), rows)]
    found = {"graphs": _spent(lambda: featurize(smiles, n_jobs=1), rows)}
    for name in run.model.feature_names():
        found[f"features {name}"] = _spent(partial(features.get(name).spec.compute, smiles), rows)
    data = run.model.with_features(run.parse(smiles).data)
    graphs = data.graphs(np.arange(len(data)))
    run.model.answer(graphs)  # one-time set-up
    found["members and partners"] = _spent(partial(run.model.answer, graphs), rows)
    found["all"] = sum(found.values())
    rates = {name: 2000 / spent for name, spent in found.items()}
    return {"rows": rows, "cpu_ms_per_row": found, "rows_per_second_on_two_cores": rates}


def _spent(work: Callable[[], object], rows: int) -> float:
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started) / rows


def _predict(run: str, path: str | Path, output: Path, *further: str) -> Measured:
    return run_measured(["predict", run, str(path), f"--output={output}", *further])


def _last(found: Measured) -> str:
    """The last state of a line of progress that overwrites itself."""
    return found.said.rsplit("\r", maxsplit=1)[-1].strip()


if __name__ == "__main__":
    main()
