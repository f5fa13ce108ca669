"""How fast molecules become arrays and batches, and how fast ``import molweight`` is; ratios within one run.

    python -m experiments.benchmarks.benchmark_data [--output ...]

Each figure is the median of several rounds in which the competitors take turns, so that other load affects all of them
equally. Featurising is measured in one process on one core; batches use PyTorch's threads.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OUTDATED_IGNORE", "1")  # ogb otherwise asks the package index for its newest version

import numpy as np
from ogb.utils import smiles2graph
from rdkit import Chem, rdBase
from torch_geometric.data import Batch

from experiments._provenance import provenance, write_result
from molweight.datasets import load_corpus
from molweight.graphs import MoleculeDataset, featurize

ROUNDS = 9


def median_seconds(
    competitors: dict[str, Callable[[], object]], rounds: int = ROUNDS, calls: int = 1
) -> dict[str, float]:
    """Median duration of a call of each competitor.

    Args:
        competitors: The functions to measure, by name.
        rounds: Rounds in which they take turns, after one to warm up.
        calls: Calls per turn; the turn's duration is divided by it.
    """
    taken: dict[str, list[float]] = {name: [] for name in competitors}
    for turn in range(rounds + 1):
        for name, work in competitors.items():
            start = time.perf_counter()
            for _ in range(calls):
                work()
            if turn:
                taken[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def featurising(smiles: list[str]) -> dict[str, float]:
    """Molecules per second of parsing alone, of ours and of ogb's featuriser, in one process."""

    def parse() -> None:
        for text in smiles:
            Chem.MolFromSmiles(text)

    def ogb() -> None:
        for text in smiles:
            smiles2graph(text)

    with rdBase.BlockLogs():
        seconds = median_seconds({"parse": parse, "ours": lambda: featurize(smiles, n_jobs=1), "ogb": ogb})
    rates = {f"{name}_per_second": len(smiles) / value for name, value in seconds.items()}
    return rates | {
        "ours_over_ogb": seconds["ogb"] / seconds["ours"],
        "ours_over_parse": seconds["parse"] / seconds["ours"],
    }


def batching(data: MoleculeDataset, size: int = 1024) -> dict[str, float]:
    """Milliseconds for a PyG batch of ``size`` molecules: by index arithmetic and by PyG's collation."""
    indices = np.random.default_rng(0).integers(0, len(data), size)
    items = [data[int(index)] for index in indices]
    seconds = median_seconds(
        {
            "batch": lambda: data.batch(indices),
            "graphs": lambda: data.graphs(indices),
            "from_data_list": lambda: Batch.from_data_list(items),
        },
        calls=20,
    )
    return {f"{name}_ms": 1e3 * value for name, value in seconds.items()} | {
        "batch_over_from_data_list": seconds["from_data_list"] / seconds["batch"]
    }


def importing(rounds: int = 5) -> dict[str, Any]:
    """Seconds of ``import molweight`` in a new interpreter, and which heavy packages it loads."""
    code = "import time; t = time.perf_counter(); import molweight; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]
    heavy = "import sys, molweight; print([m for m in ('rdkit', 'torch', 'torch_geometric') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout.strip()
    return {"seconds": statistics.median(runs), "loads": loaded}


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/data.json"))
    output = parser.parse_args().output
    corpus = load_corpus("zinc", size=4000)
    result = {
        "molecules": "first 4,000 of the embedded ZINC sample",
        "featurising": featurising(list(corpus.smiles)),
        "batching_1024": batching(corpus),
        "stored_bytes_per_molecule": corpus.molecules.nbytes / len(corpus),
        "import_molweight": importing(),
        "provenance": provenance([0]),
    }
    write_result(output, result)


if __name__ == "__main__":
    main()
