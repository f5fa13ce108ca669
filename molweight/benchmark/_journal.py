"""The results of a study: a journal with one line per finished run, and a tidy table of the same."""

import json
import logging
from pathlib import Path
from typing import Any, Final

import pandas as pd

from molweight.benchmark._run_cell import RESULTS_VERSION
from molweight.benchmark._study import Cell, Study
from molweight.errors import ConfigError
from molweight.storage import csv_bytes, write_file

__all__ = ["Journal", "tidy", "whole_lines"]

_FILE: Final = "results.jsonl"
_log = logging.getLogger(__name__)


class Journal:
    """The rows of a study in a folder.

    Args:
        folder: Folder of the results.
        study: The study.

    Raises:
        ConfigError: If the folder holds rows of another version, or of a study with other options.
    """

    def __init__(self, folder: str | Path, study: Study) -> None:
        """Read the existing rows."""
        self.path, self.study = Path(folder) / _FILE, study
        self.rows: list[dict[str, Any]] = []
        if self.path.exists():
            lines = whole_lines(self.path)
            self.rows = [self._parsed(line, number) for number, line in enumerate(lines, 1)]

    def missing(self) -> list[Cell]:
        """Runs of the study without a successful row."""
        done = {_cell_of(row) for row in self.rows if row["error"] is None}
        return [job for job in self.study.cells() if job not in done]

    def append(self, row: dict[str, Any]) -> None:
        """Append a row to the file immediately."""
        row = {**row, "study": self.study.key()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        self.rows.append(row)

    def table(self) -> pd.DataFrame:
        """One row per run of the study, in its order: the last success, or else the last failure."""
        best = {_cell_of(row): row for row in sorted(self.rows, key=lambda row: row["error"] is None)}
        return tidy([best[job] for job in self.study.cells() if job in best])

    def export(self, *, safe_csv: bool = False) -> Path:
        """Write the table next to the journal, as ``results.parquet`` and ``results.csv``, and return the latter path.

        Args:
            safe_csv: Whether to quote text in the CSV file that a spreadsheet would run as a formula.
        """
        table, target = self.table(), self.path.with_suffix(".csv")
        write_file(self.path.with_suffix(".parquet"), table.to_parquet(index=False))
        write_file(target, csv_bytes(table, safe=safe_csv))
        return target

    def _parsed(self, line: str, number: int) -> dict[str, Any]:
        place = f"{self.path}, line {number}"
        try:
            row: dict[str, Any] = json.loads(line)
            version, key = row["results_version"], row["study"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(
                f"{place}: is not a row of results. Remove that line, or choose another folder."
            ) from error
        if version != RESULTS_VERSION:
            raise ConfigError(
                f"{place}: has results of format {version}; this version writes {RESULTS_VERSION}. Choose "
                "another folder."
            )
        if key != self.study.key():
            raise ConfigError(
                f"{place}: belongs to a study with other options. Choose another folder, or use its options."
            )
        return row


def whole_lines(path: Path) -> list[str]:
    """The lines of the journal; an incomplete last line of a killed process is removed, so that its run is repeated."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        _log.warning("%s: the last line is incomplete and is ignored; that run is repeated.", path)
        write_file(path, whole)
    return whole.decode("utf-8").splitlines()


def _cell_of(row: dict[str, Any]) -> Cell:
    return Cell(row["table"], row["method"], row["seed"])


def tidy(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a flat table: each weight and version becomes a column."""
    return pd.json_normalize(rows, sep=".") if rows else pd.DataFrame()
