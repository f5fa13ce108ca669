"""Effect of rounding the factors of matrix products on a hypergradient, and the time saved.

    OMP_NUM_THREADS=1 python -m experiments.studies.precision [--encoder 3x128] [--points 0 4 8]

Eight objectives, GIN, batches of 256 / 64 / 64, the identity. At each point, after a number of steps in float32, the
same step is computed with each precision: same variables, batches and masks. ``cosine`` and ``size`` compare its
hypergradient, K numbers, with that of float32 (size: ratio of norms); ``signs`` is the share of objectives whose weight
moves in the same direction. ``seconds`` are CPU seconds of one step.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from experiments._provenance import provenance, write_result
from experiments.benchmarks.benchmark_views import steps_of
from molweight.devices import PRECISIONS, matmul_precision

KIND: Final = "eight, identity every step"


def compared(encoder: str, points: list[int]) -> list[dict[str, Any]]:
    """One row per point and precision.

    Args:
        encoder: Layers and width of GIN.
        points: Numbers of steps before the comparison, at least 1.
    """
    rows = []
    for point in points:
        found = {name: hypergradient(encoder, point, name) for name in PRECISIONS}
        exact = found["float32"][0]
        rows += [{"point": point, "precision": name, **_against(exact, *values)} for name, values in found.items()]
    return rows


def hypergradient(encoder: str, point: int, precision: str) -> tuple[Tensor, float]:
    """The hypergradient of a step, in float64, and its seconds.

    Args:
        encoder: Layers and width of GIN.
        point: How many steps in float32 come first, at least 1.
        precision: A key of ``molweight.devices.PRECISIONS``.

    Raises:
        RuntimeError: If the step takes none.
    """
    setup = steps_of(KIND, f"gin:{encoder}")
    for _ in range(point - 1):
        setup.step()
    with matmul_precision(precision):
        started = time.process_time()
        record = setup.step()
        seconds = time.process_time() - started
    if record.hypergradient is None:
        raise RuntimeError("the step takes no hypergradient")
    return record.hypergradient.double(), seconds


def _against(exact: Tensor, other: Tensor, seconds: float) -> dict[str, float]:
    return {
        "cosine": float(torch.nn.functional.cosine_similarity(exact, other, dim=0)),
        "size": float(other.norm() / exact.norm()),
        "signs": float((exact.sign() == other.sign()).double().mean()),
        "seconds": seconds,
    }


def main() -> None:
    """Compare, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="3x128")
    parser.add_argument("--points", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--output", type=Path, default=Path("experiments/results/precision.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = compared(options.encoder, options.points)
    write_result(options.output, {"encoder": options.encoder, "rows": rows, "provenance": provenance([0])})


if __name__ == "__main__":
    main()
