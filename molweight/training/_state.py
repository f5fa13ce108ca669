"""Interruptible work: checkpoints on disk, callbacks, and the points at which a job can stop."""

import hashlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from molweight._owned_files import own, owned_files, refuse_link, remove_owned
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable
from molweight.distributed import of_first, share_file
from molweight.ensemble.internal import check_partners
from molweight.errors import ConfigError, Interrupted
from molweight.graphs import MoleculeDataset
from molweight.storage import as_tensor, from_tensor, pack, read_tensors, unpack, write_tensors
from molweight.training._callback import Callback, scalars

__all__ = ["SECONDS", "Context", "Session", "Stage", "Stop"]

SECONDS: Final = 60.0
"""Seconds between checkpoints; Ctrl-C writes a further one."""

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a process to end; Windows has no SIGHUP."""

_SKELETON: Final = "skeleton"
_log = logging.getLogger(__name__)


@dataclass
class Stop:
    """The signal that requested a stop, 0 for none, and the time of the last checkpoint."""

    asked: int = 0
    written: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Session:
    """Checkpoints and callbacks of training; without a folder nothing is written.

    Args:
        folder: Folder of the states; ``None`` for no states.
        job: All inputs of the job, as JSON values; a state of another job is refused.
        callbacks: Objects that are called after every step.
        prefix: Prefix of the stages' names, e.g. ``"equal/"``.
        seconds: Minimum time between checkpoints.
        deadline: Time at which the work should be finished, on the clock of :func:`time.monotonic`; ``None`` for no
            limit.
        stop: Whether a stop was requested; shared by all stages.
        stopped_early: Encoders whose generic pretraining ended at a deadline, by name of their checkpoint; shared by
            all parts of the work.
    """

    folder: Path | None = None
    job: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
    prefix: str = ""
    seconds: float = SECONDS
    deadline: float | None = None
    stop: Stop = field(default_factory=Stop, repr=False, compare=False)
    stopped_early: dict[str, dict[str, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    def within(self, minutes: float | None, share: float = 1.0) -> "Session":
        """The same session with a deadline: a share of its remaining time, or of some minutes from now.

        Args:
            minutes: Time limit; ``None`` for none. An existing deadline takes precedence.
            share: The share.
        """
        left = minutes * 60 if minutes is not None and self.deadline is None else self.seconds_for(1.0)
        return self if left is None else replace(self, deadline=time.monotonic() + share * left)

    def seconds_for(self, share: float) -> float | None:
        """Seconds that a stage may take, the same in all processes of a job; ``None`` for no limit.

        Args:
            share: Share of the remaining time.
        """
        return None if self.deadline is None else share * max(0.0, of_first(self.deadline - time.monotonic()))

    def stage(self, name: str) -> "Stage":
        """The stage of that name."""
        return Stage(self, name)

    def clear(self) -> None:
        """Remove all states after the work is done. Files that molweight did not write are kept."""
        if self.folder is not None:
            remove_owned(self.folder)

    def child(self, name: str) -> "Session":
        """A session for part of the work, with its own stages, in a subfolder."""
        part = _folder_name(name)
        folder = None if self.folder is None else self.folder / part
        return replace(self, folder=folder, prefix=f"{self.prefix}{part}/")


def _folder_name(name: str) -> str:
    """The name of a part as a folder name, because the name may be a path.

    Example:
        >>> _folder_name("equal"), _folder_name("../made")
        ('equal', 'made-06161afa')
    """
    plain = Path(name).name
    if plain == name and name != "..":
        return name
    return f"{plain}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"


@dataclass(frozen=True)
class Stage:
    """One loop of a session.

    Args:
        session: The session.
        name: ``"generic"``, ``"adaptive"`` or ``"finetune"``; with several finetunings also ``"finetune-2"`` and so on,
            and ``"kept"`` for the best so far; ``"finished"`` for the result.
    """

    session: Session
    name: str

    @property
    def should_save(self) -> bool:
        """Whether to write a state at the next opportunity."""
        session = self.session
        waited = time.monotonic() - session.stop.written
        return session.folder is not None and (session.stop.asked > 0 or waited >= session.seconds)

    def read(self) -> Any:
        """The state of an interrupted run, or ``None``.

        Raises:
            ConfigError: If it belongs to another job, or one of its partners needs a package that is not installed; the
                message names the difference.
        """
        path = self._path()
        if path is not None:
            share_file(path)  # several processes resume from the state of the first
        if path is None or not path.exists():
            return None
        refuse_link(path.parent)
        tensors, about = read_tensors(path)
        changed = list(_differences(about["job"], json.loads(json.dumps(self.session.job))))
        if changed:
            check_partners(about["job"].get("options", {}).get("partners") or ())  # its package may be the difference
            raise ConfigError(
                f"{path.parent} holds the state of an interrupted run with other settings: {'; '.join(changed[:4])}. "
                "Resume with the settings it was started with, choose another name, or remove the folder."
            )
        own(path.parent, path.name, adopt=True)
        return unpack(from_tensor(tensors.pop(_SKELETON)), tensors)

    def write(self, state: Any) -> None:
        """Replace the last state, which is kept if writing fails.

        Raises:
            ConfigError: If the folder is a link, or a file of that name is not a state.
        """
        path = self._path()
        if path is not None:
            own(path.parent, path.name)
            skeleton, tensors = pack(state)
            write_tensors(path, {**tensors, _SKELETON: as_tensor(skeleton)}, {"job": dict(self.session.job)})
            self.session.stop.written = time.monotonic()

    def checkpoint(self, state: Callable[[], Any]) -> None:
        """Called between two steps: write the state if it is due, and stop if requested.

        Args:
            state: Creates the state.

        Raises:
            Interrupted: If a stop was requested; a subclass of ``KeyboardInterrupt``.
        """
        if self.should_save:
            self.write(state())
        if self.session.stop.asked:
            raise Interrupted(self.session.stop.asked)

    def discard(self) -> None:
        """Remove the state, after a later one has made it obsolete."""
        path = self._path()
        if path is not None and path.name in owned_files(path.parent):
            path.unlink(missing_ok=True)

    def log(self, step: int, record: Mapping[str, Any]) -> None:
        """Call the callbacks with the record of one step."""
        for callback in self.session.callbacks:
            callback.log(self.session.prefix + self.name, step, scalars(record))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Context in which Ctrl-C, SIGTERM and SIGHUP are deferred to the next :meth:`checkpoint`.

        Yields:
            Nothing. A second signal acts immediately. An ignored signal, as under ``nohup``, remains ignored.
        """
        if self.session.folder is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        previous = {number: signal.signal(number, self._ask) for number in wanted}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:  # noqa: ARG002 (what signal handlers are given)
        if self.session.stop.asked:
            raise Interrupted(number)
        self.session.stop.asked = number

    def _path(self) -> Path | None:
        folder = self.session.folder
        return None if folder is None else folder / f"{self.name}.safetensors"


def _differences(there: Any, here: Any, where: str = "") -> Iterator[str]:
    """Differences between two nested JSON values, one phrase each."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*there, *here]):
            yield from _differences(there.get(key), here.get(key), f"{where}.{key}" if where else str(key))
    elif there != here:
        yield f"{where} was {there!r} and is now {here!r}"


@dataclass(frozen=True)
class Context:
    """Data shared by all stages of a job that are not options.

    Args:
        data: The labelled table.
        splits: Its roles.
        sources: Auxiliary tables without held-out compounds.
        device: Device to compute on.
        session: Checkpoints and callbacks.
        progress: Whether to show progress bars on a terminal.
    """

    data: MoleculeDataset
    splits: Splits
    device: torch.device
    session: Session = field(default_factory=Session)
    progress: bool = False
    sources: tuple[SourceTable, ...] = ()

    def announce(self, text: str) -> None:
        """Log the start of a stage, with the name of the method if there are several.

        Args:
            text: The stage.
        """
        if (title := self.title(text)) is not None:
            _log.info("%s", title)

    def title(self, text: str) -> str | None:
        """Title of a progress bar, after the name of the method if there are several; ``None`` for no bar.

        Args:
            text: The title.
        """
        method = self.session.prefix.rstrip("/")
        return (f"{method}: {text}" if method else text) if self.progress else None
