"""Cost of ordering a large corpus: memory, size of a state, and disk pages read per step.

    python -m experiments.benchmarks.benchmark_order [--sizes 1000000,110000000,10000000000] [--output ...]

Positions are drawn as in pretraining, a thousand batches for each size, and compared with drawing the order of all
molecules at once. A page of 4 KiB counts for a step if none of the last thousand steps has touched it; a molecule takes
as many bytes as one of MOSES on disk. The count is therefore that of reads which a cache of that many steps cannot
avoid. Nothing is actually read: the sizes exceed the disk.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments._provenance import provenance, write_result
from molweight.arrays import Indices
from molweight.training.internal import Batches

BYTES: int = 425
"""Bytes per molecule on disk, from ``corpus.json``."""
PAGE: int = 4096
STEPS: int = 1000
AT_ONCE: int = 200_000_000
"""Maximum number of molecules for the comparison with a full permutation."""


def pages(batches: list[Indices]) -> float:
    """New pages per step."""
    first = np.concatenate(batches) * BYTES // PAGE
    return len(np.unique(first)) / len(batches)


def of_blocks(molecules: int, size: int) -> dict[str, Any]:
    """The order used by pretraining."""
    batches = Batches(range(molecules), size, np.random.default_rng(0))
    start = time.process_time()
    drawn = [batches.next() for _ in range(STEPS)]
    state = batches.state_dict()
    return {
        "cpu_ms_per_step": 1000 * (time.process_time() - start) / STEPS,
        "state_MB": sum(value.nbytes for value in state.values() if hasattr(value, "nbytes")) / 1e6,
        "new_pages_per_step": pages(drawn),
    }


def at_once(molecules: int, size: int) -> dict[str, Any] | None:
    """A permutation of all molecules; ``None`` if it does not fit into memory."""
    if molecules > AT_ONCE:
        return None
    start = time.process_time()
    order = np.random.default_rng(0).permutation(molecules)
    seconds = time.process_time() - start
    drawn = [order[step * size : (step + 1) * size] for step in range(min(STEPS, molecules // size))]
    return {"cpu_s_per_epoch": seconds, "state_MB": order.nbytes / 1e6, "new_pages_per_step": pages(drawn)}


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1584663,110000000,10000000000", help="molecules: MOSES, PubChem, REAL")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/order.json"))
    options = parser.parse_args()
    found = {
        size: {
            "disk_GB": int(size) * BYTES / 1e9,
            "blocks": of_blocks(int(size), options.batch_size),
            "at_once": at_once(int(size), options.batch_size),
        }
        for size in options.sizes.split(",")
    }
    write_result(options.output, {"molecules": found, "batch_size": options.batch_size, **provenance([0])})


if __name__ == "__main__":
    main()
