"""The files of a finished run: the model for predictions and, in separate files, the data that only reports need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from molweight.errors import DataError
from molweight.report import TestResults
from molweight.runs._test_results import test_results_from_tensors, test_results_to_tensors
from molweight.storage import as_tensor, from_tensor, read_tensors, write_tensors

__all__ = [
    "CALIBRATION",
    "LEGACY",
    "MODEL",
    "PRETRAINING",
    "TEST",
    "RunParts",
    "has_pretraining",
    "read_model",
    "read_pretraining",
    "write_parts",
]

MODEL: Final = "model.safetensors"
"""Encoder, head, units and description: everything that predictions need."""
PRETRAINING: Final = "pretraining.safetensors"
"""The pretrained encoder with the objectives' heads, and the history."""
TEST: Final = "test.safetensors"
"""Labels and predictions of the test set, if it was evaluated."""
CALIBRATION: Final = "calibration.safetensors"
"""The training molecules to compare new ones with, and the errors on unseen rows."""
LEGACY: Final = "weights.safetensors"
"""The single file that versions before 0.1 wrote."""

_SEEN: Final = "molecules.seen"
_HISTORY: Final = "history"
_OWNERS: Final = ("model", "pretrainer")


@dataclass(frozen=True)
class RunParts:
    """The content of a saved run.

    Args:
        about: Description, JSON values.
        model: State of the :class:`molweight.models.Predictor`.
        pretrained: State of the :class:`molweight.models.Pretrainer`; empty if unknown.
        records: One record per step of adaptive pretraining.
        test_results: The test set, if it was evaluated.
        seen: Keys of the molecules that the model was trained on; ``None`` if unknown.
        calibration: Tensors of the calibration; empty if there is none.
    """

    about: dict[str, Any]
    model: Mapping[str, Tensor]
    pretrained: Mapping[str, Tensor] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    test_results: TestResults | None = None
    seen: Tensor | None = None
    calibration: Mapping[str, Tensor] = field(default_factory=dict)


def write_parts(folder: Path, parts: RunParts) -> list[str]:
    """Write the binary files of a run.

    Args:
        folder: The run's folder.
        parts: The content to write.

    Returns:
        Names of the files.

    Raises:
        DataError: If one cannot be written.
    """
    write_tensors(folder / PRETRAINING, {**parts.pretrained, _HISTORY: as_tensor(parts.records)}, parts.about)
    if parts.test_results is not None:
        write_tensors(folder / TEST, test_results_to_tensors(parts.test_results), parts.about)
    if parts.calibration:
        write_tensors(folder / CALIBRATION, parts.calibration, {"calibration": 1})
    seen = {} if parts.seen is None else {_SEEN: parts.seen}
    write_tensors(folder / MODEL, {**parts.model, **seen}, parts.about)
    further = ((TEST, parts.test_results is not None), (CALIBRATION, bool(parts.calibration)))
    return [MODEL, PRETRAINING, *(name for name, is_there in further if is_there)]


def read_model(folder: Path) -> RunParts:
    """The model of a run and its test results; the pretraining is not read.

    Args:
        folder: The run's folder.

    Raises:
        DataError: If there is no run, or a file is damaged or of another format.
    """
    if not (folder / MODEL).exists() and (folder / LEGACY).exists():
        return _read_legacy(folder)
    tensors, about = read_tensors(folder / MODEL)
    if not {"target_names", "test_methods"} <= about.keys():
        raise DataError(f"{folder / MODEL} does not hold the model of a run. Name the folder of a finished run.")
    results = None
    if (folder / TEST).exists():
        try:
            results = test_results_from_tensors(read_tensors(folder / TEST)[0], about["test_methods"])
        except (LookupError, TypeError) as error:
            raise DataError(
                f"{folder / TEST} belongs to another run than {MODEL}. Restore it, or remove it."
            ) from error
    seen = tensors.pop(_SEEN, None)
    calibration = read_tensors(folder / CALIBRATION)[0] if (folder / CALIBRATION).exists() else {}
    return RunParts(about, tensors, test_results=results, seen=seen, calibration=calibration)


def has_pretraining(folder: Path) -> bool:
    """Whether a folder holds the pretraining of a run.

    Args:
        folder: The run's folder.
    """
    return (folder / PRETRAINING).exists() or (folder / LEGACY).exists()


def read_pretraining(folder: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]], dict[str, Any]]:
    """The pretrained encoder of a run with its heads, the history, and the description.

    Args:
        folder: The run's folder.

    Raises:
        DataError: If the file is missing, damaged or of another format.
    """
    if not (folder / PRETRAINING).exists() and (folder / LEGACY).exists():
        parts = _read_legacy(folder)
        return dict(parts.pretrained), parts.records, parts.about
    tensors, about = read_tensors(folder / PRETRAINING)
    return tensors, from_tensor(tensors.pop(_HISTORY)), about


def _read_legacy(folder: Path) -> RunParts:
    tensors, about = read_tensors(folder / LEGACY)
    if _HISTORY not in tensors:
        raise DataError(
            f"{folder} holds a checkpoint of generic pretraining, not a finished run. To start from it, use --init."
        )
    states = {owner: _owned(tensors, f"{owner}.") for owner in _OWNERS}
    results = test_results_from_tensors(tensors, about.get("opened", []))
    about = {**about, "test_methods": about.get("opened", [])}
    return RunParts(about, states["model"], states["pretrainer"], from_tensor(tensors[_HISTORY]), results)


def _owned(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
