"""Input of a run's report, from the run and its files."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

from molweight._version import __version__
from molweight.arrays import Float32Matrix, Float64Array
from molweight.datasets import Audit, Splits, audit
from molweight.datasets.internal import read_audit
from molweight.errors import ConfigError, DataError
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import MoleculeDataset
from molweight.mlo import Finding
from molweight.models import TaskModel
from molweight.report import Method, RunSummary, TestResults, render_side_by_side
from molweight.report.internal import LEAST_SHOWN, graph_weight, worst
from molweight.runs._archive import LEGACY, MODEL
from molweight.runs._attribution import Attribution
from molweight.runs._finetuning import Finetuning
from molweight.runs._parsed import ParsedRows
from molweight.storage import parse_json, write_file

__all__ = ["gather", "report_runs"]

_LIBRARIES: Final = ("matplotlib", "scikit-learn", "rdkit")
_PAIRS: Final = 4
"""Number of atom orders sampled for the picture of one molecule."""
_MOST: Final = 5000
"""Maximum number of test molecules on the map; the others are left out of it."""


class ReportedRun(Protocol):
    """Attributes of a run that a report reads; :class:`molweight.Run` has them."""

    data: MoleculeDataset | None
    splits: Splits | None
    model: TaskModel
    weights: dict[str, float]
    finetuning: Finetuning
    seconds: float
    trained_on: dict[str, Any]
    test_results: TestResults | None
    folder: Path | None

    @property
    def method(self) -> str:
        """Name of the weighting, or the source of the encoder."""
        ...

    @property
    def records(self) -> list[dict[str, Any]]:
        """One record per step of adaptive pretraining."""
        ...

    @property
    def findings(self) -> list[Finding]:
        """Findings about adaptive pretraining."""
        ...

    def describe(self) -> dict[str, Any]:
        """Description of the run, as JSON values."""
        ...

    def embed(self, smiles: Sequence[str]) -> Float32Matrix:
        """Vectors of molecules, ``n x d``."""
        ...

    def attribute(
        self, smiles: Sequence[str] | ParsedRows, target: str | None = None, *, pairs: int = 16, seed: int = 0
    ) -> list[Attribution | None]:
        """Contribution of each atom to a prediction."""
        ...


def gather(run: ReportedRun, *, embed: bool = True) -> RunSummary:
    """The data of a report; unknown parts are left empty, and the report says so.

    Args:
        run: The run. If it was loaded from a folder, ``metrics.json``, ``audit.json`` and ``config.yaml`` are read from
            there.
        embed: Whether to run the model, for vectors of the test molecules and attributions of the largest errors.

    Returns:
        The data. The test set is not evaluated for it: scores appear only if they were saved with the run.

    Raises:
        DataError: If a file next to the run is damaged.
    """
    results, folder, about = run.test_results, run.folder, run.describe()
    vectors = None
    if embed and results is not None and len(results.smiles) <= _MOST:
        vectors = run.embed(results.smiles)
    return RunSummary(
        name=folder.resolve().name if folder else str(run.trained_on.get("name", "run")),
        method=run.method,
        about=about,
        records=run.records,
        test_results=results,
        embedding=vectors,
        shares=_shares(run) if embed and graph_weight(about) >= LEAST_SHOWN else {},
        methods=_methods(run),
        audit=_audit(run),
        config=_text(folder, "config.yaml"),
        sha256=_checksum(folder),
        made_with={"molweight": __version__, **{name: version(name) for name in _LIBRARIES}},
        folder=str(folder) if folder else "",
    )


def report_runs(runs: Sequence[ReportedRun], names: Sequence[str], path: str | Path) -> Path:
    """Write one HTML file that shows runs side by side: scores, weights, trajectories, options that differ.

    Args:
        runs: At least two; the others are compared with the first one.
        names: Their names.
        path: The HTML file.

    Returns:
        The path.

    Raises:
        ConfigError: If there is only one run, or two have the same name.
        DataError: If it cannot be written, or a file next to a run is damaged.
    """
    if len(runs) < 2 or len(set(names)) < len(runs):  # noqa: PLR2004 - two can be compared
        raise ConfigError(f"two or more runs with different names are needed, got {', '.join(names) or 'none'}.")
    subjects = [replace(gather(run, embed=False), name=name) for run, name in zip(runs, names, strict=True)]
    write_file(Path(path), render_side_by_side(subjects).encode())
    return Path(path)


def _shares(run: ReportedRun) -> dict[tuple[int, int], Float64Array]:
    """Contributions of the atoms of the molecules with the largest errors."""
    found: dict[tuple[int, int], Float64Array] = {}
    if run.test_results is None or any(name.startswith(COLUMN_PREFIX) for name in run.model.feature_names()):
        return found  # a model that reads columns of the table cannot predict from SMILES alone
    for molecule, target in worst(run.model.task, run.test_results, run.method):
        smiles, name = run.test_results.smiles[molecule], run.test_results.names[target]
        (item,) = run.attribute([smiles], name, pairs=_PAIRS)
        if item is not None:
            found[molecule, target] = item.atoms
    return found


def _text(folder: Path | None, name: str) -> str | None:
    """The content of a file in the run's folder; ``None`` if it is missing.

    Raises:
        DataError: If it cannot be read.
    """
    if folder is None or not (folder / name).exists():
        return None
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / name} cannot be read: {error}. Restore it, remove it, or fit again.") from error


def _values(folder: Path | None, name: str) -> Any:
    text = _text(folder, name)
    if folder is None or text is None:
        return None
    try:
        return parse_json(text)
    except ValueError as error:
        raise DataError(f"{folder / name} is damaged: {error}. Restore it, remove it, or fit again.") from error


def _methods(run: ReportedRun) -> list[Method]:
    """The methods in ``metrics.json``, or only the run's own."""
    found = _values(run.folder, "metrics.json")
    if found is None or run.folder is None:
        messages = [finding.message for finding in run.findings]
        return [Method(run.method, run.finetuning.best, run.weights, run.seconds, messages)]
    try:
        return [_method(values) for values in found["methods"]]
    except (LookupError, TypeError, ValueError) as error:
        path = run.folder / "metrics.json"
        raise DataError(f"{path} is damaged: {error}. Restore it, remove it, or fit again.") from error


def _method(values: Mapping[str, Any]) -> Method:
    messages = [finding["message"] for finding in values["findings"]]
    score = values["select"] if values.get("out_of_fold") is None else values["out_of_fold"]  # earlier: in select, too
    select = math.nan if score is None else float(score)
    return Method(values["method"], select, dict(values["weights"]), float(values["seconds"]), messages)


def _audit(run: ReportedRun) -> Audit | None:
    path = None if run.folder is None else run.folder / "audit.json"
    if path is not None and path.exists():
        return read_audit(_values(run.folder, path.name), str(path))
    return None if run.data is None else audit(run.data, run.splits)


def _checksum(folder: Path | None) -> str | None:
    files = [] if folder is None else [folder / name for name in (MODEL, LEGACY) if (folder / name).exists()]
    return hashlib.sha256(files[0].read_bytes()).hexdigest() if files else None
