"""How often a test score lies in the intervals that the ensemble gave for it.

    python -m experiments.studies.coverage [FILE ...]

Reads rows of studies (``molweight benchmark``) with the method ``ensemble`` and rows of ``honest_estimate``; by
default, the files of ``docs/evidence.md``. Prints for each file how many test scores lie in the interval for a test set
of that size (``expected_low``, ``expected_high``), which rows of earlier versions lack, and in the 95 % interval over
rows (``low``, ``high``). Trains nothing.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["FILES", "covered", "main", "rows_of"]

RESULTS: Final = Path(__file__).parents[1] / "results"
FILES: Final = (
    "ace/results.jsonl",
    "adme/results.jsonl",
    "peers_minimol/results.jsonl",
    "peers/results.jsonl",
    "activity/results.jsonl",
    "honest_estimate.jsonl",
)
"""Files in :data:`RESULTS` that are read by default."""


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


def rows_of(path: Path) -> list[Mapping[str, Any]]:
    """The rows of ensembles in a file, all with the keys of a study.

    Args:
        path: JSON lines of a study or of ``honest_estimate``.
    """
    rows = map(_as_in_a_study, map(json.loads, path.read_text(encoding="utf-8").splitlines()))
    return [row for row in rows if row["method"] == "ensemble" and row["error"] is None]


def _as_in_a_study(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if "method" in row:
        return row
    ends = {"": row["rows"], "expected_": row["expected"]}  # honest_estimate, which trains nothing but ensembles
    limits = {f"{prefix}{end}": found[end] for prefix, found in ends.items() for end in ("low", "high")}
    return {"method": "ensemble", "error": None, "test": row["test"], **limits}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines; by default, those of docs/evidence.md")
    print("| file | for a test set of that size | over rows |\n|---|---|---|")
    for path in parser.parse_args().files or [RESULTS / name for name in FILES]:
        rows = rows_of(path)
        counts = covered(rows, "expected_low", "expected_high"), covered(rows, "low", "high")
        print(f"| {path} | {' | '.join(f'{inside} of {of}' if of else 'not recorded' for inside, of in counts)} |")


if __name__ == "__main__":
    main()
