"""CPU seconds of fitting each partner of the ensemble, by size of the table, as multiples of a small task.

    MOLWEIGHT_DATA=... python -m experiments.benchmarks.benchmark_partners --table lipophilicity --rows 250 --rows 1000
        [--output experiments/results/partners_cost.json]

The multiples are what the forecast of a job rests on (``molweight/ensemble/_partner_seconds.py``). One thread; rows are
drawn at random. The small task is timed before each partner, since other load changes the speed of a core.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from experiments._provenance import provenance, write_result
from molweight import datasets
from molweight.ensemble._out_of_fold import partner_data
from molweight.ensemble._partner_seconds import probe_seconds
from molweight.ensemble._recipe import Recipe
from molweight.graphs import MoleculeDataset


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", default="lipophilicity")
    parser.add_argument("--rows", type=int, action="append", required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the rows")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole, order = datasets.load(options.table), np.random.default_rng(options.seed)
    found = {}
    for rows in sorted(options.rows):
        drawn = np.sort(order.permutation(len(whole))[:rows])
        found[str(len(drawn))] = measured(whole.subset(drawn), options.seed)
    if options.output is not None:
        write_result(options.output, {**provenance([options.seed]), "table": options.table, "partners": found})


def measured(data: MoleculeDataset, seed: int) -> dict[str, dict[str, float]]:
    """CPU seconds of one fit of each partner, and the same as a multiple of the small task.

    Args:
        data: The table.
        seed: Seed of the partners.
    """
    partners = partner_data(Recipe("gin", {}, seed=seed), data, np.arange(len(data)), torch.device("cpu"), {})
    found: dict[str, dict[str, float]] = {}
    for name in partners.names:
        probe = statistics.median(probe_seconds() for _ in range(3))
        started = time.process_time()
        partners.fit(name, partners.kind_of("none"))
        seconds = time.process_time() - started
        found[name] = {"cpu_seconds": round(seconds, 3), "multiple": round(seconds / probe, 1)}
        print(len(data), name, found[name], flush=True)
    return found


if __name__ == "__main__":
    main()
