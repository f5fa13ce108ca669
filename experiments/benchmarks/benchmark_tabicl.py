"""Cost of TabICL as a partner: CPU seconds of a context, of further molecules and of one, and memory.

    python -m experiments.benchmarks.benchmark_tabicl --rows 500 --columns 140

The network has the default sizes of the package and random weights, which cost as much as trained ones. The views of
the context are encoded one after the other; ``context`` includes the normalisation of its columns.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments._provenance import provenance, write_result
from molweight.ensemble._in_context import InContextModel
from molweight.ensemble._tabicl_network import read_network


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500, help="rows of the context")
    parser.add_argument("--columns", type=int, default=140)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {**measured(options.rows, options.columns), **provenance([])}
    print(json.dumps(found, indent=2))
    if options.output is not None:
        write_result(options.output, found)


def measured(rows: int, columns: int) -> dict[str, Any]:
    """Measure CPU seconds and peak memory for one context.

    Args:
        rows: Rows of the context.
        columns: Features.
    """
    from tabicl._model.tabicl import TabICL

    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(rows, columns)), rng.normal(size=(rows, 1))
    with tempfile.TemporaryDirectory() as folder:
        config = {"max_classes": 0, "zero_init": False}
        path = Path(folder) / "network.ckpt"
        torch.save({"config": config, "state_dict": TabICL(**config).state_dict()}, path)
        model = InContextModel.fit(read_network(str(path)), "regression", features, labels, seed=0)
    first, hundred, one = (_seconds(model, features[:count]) for count in (1, 100, 1))
    return {
        "rows": rows,
        "columns": columns,
        "parameters": sum(tensor.numel() for tensor in model.network.tensors.values()),
        "cpu_seconds": {"context": first - one, "hundred": hundred, "one": one},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _seconds(model: InContextModel, rows: np.ndarray) -> float:
    started = time.process_time()
    model.predict(rows)
    return time.process_time() - started


if __name__ == "__main__":
    main()
