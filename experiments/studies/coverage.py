"""How often a test score lies in the intervals that the ensemble gave for it.

    python -m experiments.studies.coverage experiments/results/adme/results.jsonl [FILE ...]

Reads rows of studies (``molweight benchmark``) with the method ``ensemble``, and prints for each file how many test
scores lie in the 95 % interval over rows (``low``, ``high``) and in the interval for a test set of that size
(``expected_low``, ``expected_high``); rows of earlier versions lack the latter. Trains nothing.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["covered", "main"]


def covered(rows: Iterable[Mapping[str, Any]], low: str, high: str) -> tuple[int, int]:
    """Number of rows whose test score is in an interval, and number of rows that have the interval.

    Args:
        rows: Rows of a study.
        low: Key of the lower end.
        high: Key of the upper end.

    Example:
        >>> covered([{"test": 1.0, "low": 0.5, "high": 1.5}, {"test": 2.0, "low": 0.5, "high": 1.5}], "low", "high")
        (1, 2)
    """
    held = [row[low] <= row["test"] <= row[high] for row in rows if row.get(low) is not None]
    return sum(held), len(held)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="journals of studies, results.jsonl")
    print("| file | for a test set of that size | over rows |\n|---|---|---|")
    for path in parser.parse_args().files:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["method"] == "ensemble" and row["error"] is None]
        counts = covered(rows, "expected_low", "expected_high"), covered(rows, "low", "high")
        print(f"| {path} | {' | '.join(f'{inside} of {of}' if of else 'not recorded' for inside, of in counts)} |")


if __name__ == "__main__":
    main()
