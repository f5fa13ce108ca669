"""Interruptible work: where a job runs, checkpoints on disk, callbacks, and the points at which it can stop."""

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

from molweight._owned_files import own, owned_files, refuse_link, remove_owned
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable
from molweight.distributed import share_file
from molweight.errors import ConfigError, Interrupted
from molweight.graphs import MoleculeDataset
from molweight.storage import as_tensor, from_tensor, pack, read_tensors, unpack, write_tensors
from molweight.training._callback import Callback, scalars

__all__ = ["SECONDS", "Context", "Session", "Stage", "Stop"]

SECONDS: Final = 60.0
"""Seconds between two states; an interruption by Ctrl-C writes one more."""

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a process to end; Windows has no SIGHUP."""

_SKELETON: Final = "skeleton"
_log = logging.getLogger(__name__)


@dataclass
class Stop:
    """The signal that asked the process to stop, 0 for none, and when a state was last written."""

    asked: int = 0
    written: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Session:
    """Checkpoints and callbacks of training; without a folder nothing is written.

    Args:
        folder: Where states are kept; ``None`` for nowhere.
        job: Everything that the result depends on, as JSON values: a state of another job is refused.
        callbacks: Objects that are called after every step.
        prefix: Prefix of the stages' names, e.g. ``"equal/"``.
        seconds: Least time between two states.
        deadline: When the work should be finished, on the clock of :func:`time.monotonic`; ``None`` for no limit.
        stop: Whether the process was asked to stop; shared by all stages.
    """

    folder: Path | None = None
    job: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
    prefix: str = ""
    seconds: float = SECONDS
    deadline: float | None = None
    stop: Stop = field(default_factory=Stop, repr=False, compare=False)

    def within(self, minutes: float | None, share: float = 1.0) -> "Session":
        """The same with a deadline: a share of what is left of its own, or of some minutes from now.

        Args:
            minutes: How long; ``None`` for no limit. A deadline that there is already counts in its place.
            share: The share.
        """
        left = minutes * 60 if minutes is not None and self.deadline is None else self.seconds_for(1.0)
        return self if left is None else replace(self, deadline=time.monotonic() + share * left)

    def seconds_for(self, share: float) -> float | None:
        """Seconds that a stage may take; ``None`` for no limit.

        Args:
            share: Share of the time that is left.
        """
        return None if self.deadline is None else share * max(0.0, self.deadline - time.monotonic())

    def stage(self, name: str) -> "Stage":
        """The part of the work that is called so."""
        return Stage(self, name)

    def clear(self) -> None:
        """Remove all states: the work is done. Files that molweight did not write stay."""
        if self.folder is not None:
            remove_owned(self.folder)

    def child(self, name: str) -> "Session":
        """A part with stages of its own, in a folder directly in this one's."""
        part = _folder_name(name)
        folder = None if self.folder is None else self.folder / part
        return replace(self, folder=folder, prefix=f"{self.prefix}{part}/")


def _folder_name(name: str) -> str:
    """The name of a part as that of a folder: what is finetuned may be called by the path that it was read from.

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
        name: ``"generic"``, ``"adaptive"``, ``"finetune"``, with several finetunings ``"finetune-2"`` and so on and
            ``"kept"`` for the best so far, or ``"finished"`` for what comes out.
    """

    session: Session
    name: str

    @property
    def should_save(self) -> bool:
        """Whether a state is to be written at the next opportunity."""
        session = self.session
        waited = time.monotonic() - session.stop.written
        return session.folder is not None and (session.stop.asked > 0 or waited >= session.seconds)

    def read(self) -> Any:
        """The state that an interrupted run left, or ``None``.

        Raises:
            ConfigError: If it belongs to another job; the message names what differs.
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
            raise ConfigError(
                f"{path.parent} holds the state of an interrupted run with other settings: {'; '.join(changed[:4])}. "
                "Resume with the settings it was started with, choose another name, or remove the folder."
            )
        own(path.parent, path.name, adopt=True)
        return unpack(from_tensor(tensors.pop(_SKELETON)), tensors)

    def write(self, state: Any) -> None:
        """Write a state in place of the last one, which stays if that fails.

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
        """Between two steps: write the state if it is due, and stop if that was asked for.

        Args:
            state: Makes the state.

        Raises:
            Interrupted: If the process was asked to stop; it is a ``KeyboardInterrupt``.
        """
        if self.should_save:
            self.write(state())
        if self.session.stop.asked:
            raise Interrupted(self.session.stop.asked)

    def discard(self) -> None:
        """Remove the state; a later one makes it useless."""
        path = self._path()
        if path is not None and path.name in owned_files(path.parent):
            path.unlink(missing_ok=True)

    def log(self, step: int, record: Mapping[str, Any]) -> None:
        """Call the callbacks with the record of one step."""
        for callback in self.session.callbacks:
            callback.log(self.session.prefix + self.name, step, scalars(record))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C, SIGTERM and SIGHUP wait for the next :meth:`checkpoint`, where a state can be written.

        Yields:
            Nothing. A second signal does not wait. A signal that is ignored, as under ``nohup``, stays ignored.
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
        yield f"{where} is {there!r} there and {here!r} here"


@dataclass(frozen=True)
class Context:
    """Facts that all stages of a job share and that no option states.

    Args:
        data: The labelled table.
        splits: Its roles.
        sources: Auxiliary tables, without what the roles hold out.
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
        """Log the start of a stage, with the method it is for where there are several.

        Args:
            text: The stage.
        """
        if (title := self.title(text)) is not None:
            _log.info("%s", title)

    def title(self, text: str) -> str | None:
        """Title of a progress bar, after the method it is for where there are several; ``None`` for no bar.

        Args:
            text: The title.
        """
        method = self.session.prefix.rstrip("/")
        return (f"{method}: {text}" if method else text) if self.progress else None
