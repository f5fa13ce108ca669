"""Callbacks during training: a protocol, and TensorBoard as one of them."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from molweight.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

__all__ = ["Callback", "TensorBoard", "scalars"]


class Callback(Protocol):
    """Protocol of a callback: any object with this method, passed to ``fit(..., callbacks=[...])``.

    Example:
        >>> class Printer:
        ...     def log(self, stage, step, values):
        ...         print(stage, step, sorted(values))
        >>> follower: Callback = Printer()
        >>> follower.log("adaptive", 0, {"losses.graphcl": 0.5})
        adaptive 0 ['losses.graphcl']
    """

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Receive the values of one step.

        Args:
            stage: ``"generic"``, ``"adaptive"`` or ``"finetune"``; ``"finetune-2"`` and so on with several finetunings,
                ``"member-1"`` and so on for an ensemble. In a comparison the name of the method comes first, as in
                ``"equal/finetune"``.
            step: Number of the step, from 0; of the epoch in ``"finetune"``, where 0 is the state before training.
            values: Measurements, under the names of :attr:`molweight.Run.history`. Steps arrive in order but with a
                delay, because the device is read only every few steps; after a resume they continue from the last
                state.
        """


class TensorBoard:
    """Writes all values to TensorBoard event files.

    Args:
        folder: Folder of the event files, e.g. ``runs/mine/tensorboard``.

    Raises:
        ConfigError: If the package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        """Store the folder; each stage gets its own subfolder when it begins."""
        try:
            from torch.utils import tensorboard  # noqa: F401 (checked before any work is done)
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed. Install it with pip install 'molweight[tracking]', or leave it out."
            ) from error
        self.folder = Path(folder)
        self._writers: dict[str, SummaryWriter] = {}

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Write one step; later steps of an interrupted run are removed when the stage begins again.

        Args:
            stage: Name of the stage.
            step: Number of the step.
            values: Measurements.
        """
        if stage not in self._writers:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writers[stage] = SummaryWriter(str(self.folder / stage), purge_step=step)
        for name, value in values.items():
            self._writers[stage].add_scalar(name.replace(".", "/", 1), value, step)

    def close(self) -> None:
        """Close the writers, which writes pending records."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a record by their path, as in a history's columns.

    Example:
        >>> scalars({"step": 3, "losses": {"graphcl": 0.5}, "zero_gradient": ["motif"], "train_loss": float("nan")})
        {'losses.graphcl': 0.5}
    """
    return {name: value for name, value in _flat(record) if name != "step" and math.isfinite(value)}


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)
