"""Time of ``--corpus near``: fingerprints per second, and a search of 2.36 million molecules.

    python -m experiments.benchmarks.benchmark_near [--tables freesolv bace] [--blocks 36]

The fingerprints are those of the ZINC sample of the package, copied to fill the blocks: the arithmetic of a search does
not depend on the bits, and each copy has its own memory. Times are CPU seconds, which depend less on other load;
queries are the train molecules of each table.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._provenance import provenance, write_result
from molweight import datasets
from molweight.datasets._libraries import open_library
from molweight.datasets._nearest import BLOCK, bit_columns, nearest
from molweight.datasets._rdkit_ecfp import packed_ecfp

RESULT: Final = Path("experiments/results/near.json")
NEIGHBOURS: Final = 32


def search(table: str, library: np.ndarray[Any, np.dtype[np.uint8]], blocks: int) -> dict[str, Any]:
    """Search the copies for the neighbours of the train molecules of a table."""
    data = datasets.load(table)
    train = datasets.split(data, "scaffold").train
    queries = packed_ecfp([data.smiles[int(place)] for place in train])
    full = np.resize(library, (BLOCK, library.shape[1]))
    columns = [bit_columns(full) for _ in range(blocks)]
    sizes = np.tile(np.bitwise_count(full).sum(axis=1, dtype=np.uint16), blocks)
    started, wall = time.process_time(), time.perf_counter()
    nearest(queries, columns, sizes, NEIGHBOURS)
    seconds = time.process_time() - started
    pairs = len(queries) * len(sizes)
    return {
        "table": table,
        "queries": len(queries),
        "molecules": len(sizes),
        "cpu_seconds": round(seconds, 2),
        "seconds": round(time.perf_counter() - wall, 2),
        "nanoseconds_per_pair": round(1e9 * seconds / pairs, 2),
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", default=["freesolv", "bace"])
    parser.add_argument("--blocks", type=int, default=36)
    parser.add_argument("--molecules", type=int, default=10_000, help="of which fingerprints are computed")
    options = parser.parse_args()
    smiles = list(open_library("zinc").smiles(range(options.molecules)).values())
    started = time.process_time()
    library = packed_ecfp(smiles)
    rate = len(smiles) / (time.process_time() - started)
    found = [search(table, library, options.blocks) for table in options.tables]
    write_result(RESULT, {"fingerprints_per_cpu_second": round(rate), "searches": found, **provenance([0])})


if __name__ == "__main__":
    main()
