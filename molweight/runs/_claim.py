"""Claim of the folder that a command or a call in Python writes to: by one at a time, without replacing a result."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from molweight._owned_files import LOCK, own, refuse_link, remove_owned
from molweight.distributed import team
from molweight.errors import ConfigError, DataError, MolweightError
from molweight.runs._checkpoint import CHECKPOINT
from molweight.runs._folder import STATE, claim_checkpoint_folder, claim_folder, next_free
from molweight.runs._manifest import finished_run
from molweight.storage import write_file

__all__ = ["OTHER_OUTPUT", "Claim", "claimed_checkpoint", "claimed_run", "locked", "refuse_busy", "written_alone"]

_RECORD: Final = "claim.txt"
"""File in the folder of states: the result that may be replaced, or one of the following words."""
_NOTHING: Final = "nothing"
_WRITING: Final = "writing"
OTHER_OUTPUT: Final = "choose another --output"
"""Remedy for a folder that is not that of a run."""
_PATIENCE: Final = 2.0
"""Seconds to wait for a lock: the workers of a killed command hold it until they end, too."""
_log = logging.getLogger(__name__)
_held: ContextVar[tuple[Path, ...]] = ContextVar("held", default=())
"""The folders that this thread has locked."""

Find = Callable[[Path], str | None]


@dataclass(frozen=True)
class Claim:
    """The right to write a result to a folder.

    Args:
        folder: The folder.
        find: Identifies the finished result in a folder; ``None`` if there is none.
        replaced: The result that may be replaced; ``None`` for any.
    """

    folder: Path
    find: Find
    replaced: str | None

    @classmethod
    def begin(cls, folder: Path, find: Find, *, overwrite: bool) -> "Claim":
        """The claim of a command; it is recorded with the states, so that it holds when the command resumes.

        Args:
            folder: The folder, to which no other command writes.
            find: Identifies the finished result in a folder; ``None`` if there is none.
            overwrite: Whether any result may be replaced.

        Raises:
            ConfigError: If the folder holds a result that the interrupted command did not find there.
        """
        path, found = folder / STATE / _RECORD, find(folder) or _NOTHING
        known = path.read_text(encoding="utf-8", errors="replace") if path.is_file() and not overwrite else found
        if known != _WRITING:
            _refuse_newer(folder, found, known)
            own(folder / STATE, _RECORD)
            write_file(path, known.encode())
        return cls(folder, find, None if overwrite or known == _WRITING else known)

    def complete(self) -> None:
        """Refuse a result that has appeared since the claim, and record that this one is being written.

        Raises:
            ConfigError: If there is one.
        """
        if self.replaced is not None:
            _refuse_newer(self.folder, self.find(self.folder) or _NOTHING, self.replaced)
        own(self.folder / STATE, _RECORD)
        write_file(self.folder / STATE / _RECORD, _WRITING.encode())


def _refuse_newer(folder: Path, found: str, known: str) -> None:
    if found not in (_NOTHING, known):
        raise ConfigError(
            f"{folder} holds a finished result that was saved there after this command began. Copy it elsewhere if you "
            "need it; then run the command that began again with --overwrite, and it continues from its last state."
        )


@contextmanager
def claimed_run(folder: Path, *, overwrite: bool = False) -> Iterator[Claim]:
    """Context in which a command alone writes a run to a folder.

    Args:
        folder: The run's folder.
        overwrite: Whether a finished run may be replaced.

    Yields:
        The claim.

    Raises:
        ConfigError: If another command writes to the folder, or :func:`claim_folder` refuses it.
    """
    check = partial(claim_folder, folder, overwrite=overwrite)
    with written_alone(folder, check, remedy=_other_name(folder)):
        claim = Claim.begin(folder, finished_run, overwrite=overwrite)
        with _states_only_of_training(folder / STATE):
            yield claim


@contextmanager
def claimed_checkpoint(folder: Path, *, overwrite: bool = False) -> Iterator[Claim]:
    """Context in which a command alone writes a checkpoint to a folder.

    Args:
        folder: The folder.
        overwrite: Whether an existing checkpoint may be replaced.

    Yields:
        The claim.

    Raises:
        ConfigError: If another command writes to the folder, or :func:`claim_checkpoint_folder` refuses it.
    """
    check = partial(claim_checkpoint_folder, folder, overwrite=overwrite)
    with written_alone(folder, check):
        claim = Claim.begin(folder, _checkpoint_in, overwrite=overwrite)
        with _states_only_of_training(folder / STATE):
            yield claim


@contextmanager
def _states_only_of_training(states: Path) -> Iterator[None]:
    """Context after which a command that was refused before any training leaves nothing to resume."""
    try:
        yield
    except MolweightError:
        if not any(states.rglob("*.safetensors")):
            remove_owned(states)
        raise


def _checkpoint_in(folder: Path) -> str | None:
    """Time and size of the checkpoint in a folder."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    found = path.stat()
    return f"{found.st_mtime_ns} {found.st_size}"


@contextmanager
def written_alone(
    folder: Path, check: Callable[[], None] = lambda: None, *, remedy: str = OTHER_OUTPUT
) -> Iterator[None]:
    """Context with a lock on a folder; the system releases it if this process dies.

    Args:
        folder: The folder; created if missing, and removed again if it is still empty at the end.
        check: Refuses a folder that cannot be used; called before anything is written, and again with the lock.
        remedy: Alternative to waiting, if another command holds the lock.

    Raises:
        ConfigError: If another command writes to the folder.
        DataError: If the folder cannot be created.
    """
    check()
    new = not folder.exists()
    lock = _acquired(folder, remedy)
    token = _held.set((*_held.get(), folder.resolve()))
    try:
        check()
        yield
    finally:
        _held.reset(token)
        _give_back(folder, lock, new=new)


@contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Context in which a call in Python alone writes to a folder.

    Inside a command or a call that has locked the folder, or one that contains it, nothing is locked again; and of the
    processes of one job, only the first locks.

    Args:
        folder: The folder; ``None`` for none.

    Raises:
        ConfigError: If another process or thread writes to the folder.
        DataError: If the folder cannot be created.
    """
    others = team()
    if folder is None or (others is not None and others.rank > 0) or _is_held(folder.resolve()):
        yield
        return
    with written_alone(folder, partial(refuse_link, folder / LOCK), remedy="choose another folder"):
        yield


def _is_held(folder: Path) -> bool:
    return any(folder.is_relative_to(held) for held in _held.get())


def refuse_busy(folder: Path, remedy: str | None = None) -> None:
    """Refuse a folder to which another command writes, before any work is done.

    Args:
        folder: The folder.
        remedy: Alternative to waiting; ``None`` for another name of a run.

    Raises:
        ConfigError: If there is such a command.
    """
    if (folder / LOCK).is_file():
        _give_back(folder, _acquired(folder, remedy or _other_name(folder)), new=False)


def _other_name(folder: Path) -> str:
    return f"choose another name, e.g. --name {next_free(folder)}"


def _acquired(folder: Path, remedy: str) -> FileLock:
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise ConfigError(f"another command is writing to {folder}. Wait until it has ended, or {remedy}.") from error
    except NotImplementedError:  # what filelock raises for some file systems of clusters
        _log.warning("%s: this file system has no locks. Do not start two commands that write to this folder.", folder)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror}. Free up disk space or choose another path."
        ) from error
    return lock


def _give_back(folder: Path, lock: FileLock, *, new: bool) -> None:
    """Release the lock, and remove its file; a file that a killed process has left is removed by the next command."""
    with suppress(PermissionError):  # Windows does not remove open files; there, the release removes this one
        (folder / LOCK).unlink(missing_ok=True)
    lock.release()
    if new and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
