"""Operations on single molecules that may not terminate, run in a process that can be killed."""

import faulthandler
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar

__all__ = ["SLOW_SECONDS", "Guarded", "always", "guarded_list", "is_large"]

T = TypeVar("T")

SECONDS: Final = 2.0
"""Limit in CPU seconds of one operation on one molecule. Drug-like molecules take milliseconds."""
SLOW_SECONDS: Final = 10.0
"""The same for operations that may take seconds even for small molecules."""
_PATIENCE: Final = 30
"""A process counts as stuck after its CPU limit times this factor."""
_MEMORY: Final = 4 << 30
"""Memory limit in bytes of one operation on one molecule."""
_PLAIN_LENGTH: Final = 160
_PLAIN_RINGS: Final = 10
"""Longer SMILES, and those with more rings, are processed in a separate process."""
_STOPPED: Final = {
    "SIGPROF": "takes more than {seconds:g} s of CPU time",
    "SIGKILL": "takes too long, or more memory than available",
}
_HELD_BACK: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_SIZE: Final = Path("/proc/self/statm")
_INVARIANT: Final = "Invariant Violation"
"""Beginning of the message of such an RDKit error; that of a wrong call begins with ``Pre-condition Violation``."""
_LOG: Final = logging.getLogger(__name__)
_starting: Final = threading.Lock()


def is_large(smiles: str) -> bool:
    """Whether a molecule may take long: by the length of its SMILES, and its ring closures.

    Example:
        >>> is_large("CC(=O)Oc1ccccc1C(=O)O"), is_large("C(C)" * 50)
        (False, True)
    """
    return len(smiles) > _PLAIN_LENGTH or sum(map(smiles.count, "123456789%")) > 2 * _PLAIN_RINGS


def always(_: str) -> bool:
    """True for every molecule: even a small one may take long."""
    return True


@dataclass(frozen=True)
class Guarded(Generic[T]):
    """A function of molecules with limits on the time and memory of each single molecule.

    Molecules that may take long are passed to a forked process one by one. If one of them takes more than ``seconds``
    of CPU time or 4 GiB of memory, or crashes the process, it is terminated, and another one continues with the next
    molecule. Without ``fork`` (Windows), all are processed in this process without limits. A molecule on which RDKit
    fails with an invariant violation, which is an RDKit bug, is also given up.

    Args:
        function: Computes a result for some molecules; results of parts can be combined by ``join``.
        join: Combines the results of consecutive parts.
        refused: The result for a molecule that was given up, from its SMILES and the reason in words.
        doing: Description of the operation, at the beginning of the reason.
        alone: Whether a molecule may take long.
        seconds: CPU limit for each of these.
        prepare: Called in this process before a process is forked; its time does not count for a molecule.

    Example:
        >>> guarded = Guarded(
        ...     lambda texts: [str(sum(range(10 ** len(text)))) for text in texts],
        ...     join=lambda parts: [value for part in parts for value in part],
        ...     refused=lambda text, reason: [reason],
        ...     doing="summing",
        ...     alone=lambda text: len(text) > 5,
        ...     seconds=0.2,
        ... )
        >>> guarded(["C", "CCCCCCCCCC", "CC"])
        ['45', 'summing takes more than 0.2 s of CPU time', '4950']
    """

    function: Callable[[Sequence[str]], T]
    join: Callable[[list[T]], T]
    refused: Callable[[str, str], T]
    doing: str
    alone: Callable[[str], bool] = is_large
    seconds: float = SECONDS
    prepare: Callable[[], object] | None = None

    def __call__(self, items: Sequence[str]) -> T:
        """The result for some molecules.

        Args:
            items: Their SMILES, or other texts.
        """
        marks = [_is_text(item) and self.alone(item) for item in items]
        if not any(marks) or not hasattr(os, "fork"):
            return self._here(items)
        return self.join(list(self._parts(items, marks)))

    def _parts(self, items: Sequence[str], marks: Sequence[bool]) -> Iterator[T]:
        if self.prepare is not None:
            self.prepare()
        worker = _Worker(self.function, self.seconds)
        try:
            for alone, places in groupby(range(len(items)), key=marks.__getitem__):
                part = [items[place] for place in places]
                if alone:
                    yield from (self._one(worker, item) for item in part)
                else:
                    yield self._here(part)
        finally:
            worker.end()

    def _one(self, worker: "_Worker", item: str) -> T:
        done, answer = worker.ask(item)
        if done:
            result: T = answer
            return result
        # An error is raised again where it can be reported.
        return self._here([item]) if answer is None else self.refused(item, f"{self.doing} {answer}")

    def _here(self, items: Sequence[str]) -> T:
        """The result for molecules processed in this process; those on which RDKit fails are given up."""
        try:
            return self.function(items)
        except RuntimeError as error:
            reason = _rdkit_failure(error)
            if reason is None:
                raise
            if len(items) == 1:
                return self.refused(items[0], f"{self.doing} {reason}")
        return self.join([self._here([item]) for item in items])


def _rdkit_failure(error: RuntimeError) -> str | None:
    """The message for a failed internal check of RDKit; ``None`` for other errors."""
    for each in (error, error.__cause__):
        first, _, rest = str(each).partition("\n")
        if isinstance(each, RuntimeError) and first == _INVARIANT:
            return f"fails in RDKit ({rest.strip().partition(chr(10))[0]})"
    return None


def guarded_list(
    function: Callable[[Sequence[str]], list[T]],
    instead: Callable[[str], T],
    doing: str,
    *,
    slow: bool = False,
    alone: Callable[[str], bool] = is_large,
) -> Guarded[list[T]]:
    """:class:`Guarded` for a function with one result per molecule; a molecule that is given up is logged.

    Args:
        function: Computes a list as long as its argument.
        instead: The result for a molecule that was given up.
        doing: Description of the operation, for the message.
        slow: Whether even a small molecule may take seconds.
        alone: Tells whether a molecule may take long; not used with ``slow``.
    """
    refused = partial(_instead, instead)
    if slow:
        return Guarded(function, _joined, refused, doing, alone=always, seconds=SLOW_SECONDS)
    return Guarded(function, _joined, refused, doing, alone=alone)


def _joined(parts: list[list[T]]) -> list[T]:
    return [item for part in parts for item in part]


def _instead(instead: Callable[[str], T], smiles: str, reason: str) -> list[T]:
    _LOG.warning("%r: %s", smiles[:60], reason)
    return [instead(smiles)]


def _is_text(item: object) -> bool:
    """Whether an item is a string; cells of a table may be other values."""
    return isinstance(item, str)


class _Worker:
    """A forked process that processes one molecule after another, and is restarted after termination."""

    def __init__(self, function: Callable[[Sequence[str]], Any], seconds: float) -> None:
        """Store the arguments; the process starts later."""
        self.function = function
        self.seconds = seconds
        self.pid = 0
        self.pipe: Connection | None = None

    def ask(self, item: str) -> tuple[bool, Any]:
        """Process a molecule: ``True`` and the result, or ``False`` and the reason (``None`` for an error)."""
        pipe = self.pipe or self._start()
        try:
            pipe.send(item)
            if pipe.poll(_PATIENCE * self.seconds):
                done, answer = pipe.recv()
                return bool(done), answer
        except (EOFError, OSError):
            pass
        return False, self._reason()

    def _reason(self) -> str | None:
        """The reason why the process ended, ``None`` for an error; a running process is terminated."""
        status = self.end()
        if not os.WIFSIGNALED(status):
            return None
        name = signal.Signals(os.WTERMSIG(status)).name
        return _STOPPED.get(name, f"crashes with {name}").format(seconds=self.seconds)

    def _start(self) -> Connection:
        # No other thread may fork meanwhile: its process would keep this one's end of the pipe open.
        with _starting, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # see _serve about forking a process with threads
            near, far = Pipe()
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
            self.pid = os.fork()
            if self.pid == 0:
                near.close()
                _serve(self.function, far, self.seconds)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            far.close()
        self.pipe = near
        return near

    def end(self) -> int:
        """End the process, if there is one, and return its exit status."""
        if self.pipe is None:
            return 0
        self.pipe.close()
        self.pipe = None
        os.kill(self.pid, signal.SIGKILL)  # no effect on an ended process
        return os.waitpid(self.pid, 0)[1]


def _serve(function: Callable[[Sequence[str]], Any], pipe: Connection, seconds: float) -> NoReturn:
    """Process items until the parent closes the pipe, or an error is raised, which the parent raises again.

    Nothing of the forked parent is run or flushed here.
    """
    try:
        faulthandler.disable()  # a crash here is a result, not a crash of the parent
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a crash prints nothing
        _limit_memory()
        if "torch" in sys.modules:  # its threads were not copied
            sys.modules["torch"].set_num_threads(1)
        while True:
            item = pipe.recv()
            signal.setitimer(signal.ITIMER_PROF, seconds)
            answer = _answer(function, item)
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(answer)
    finally:
        os._exit(0)


def _answer(function: Callable[[Sequence[str]], Any], item: str) -> tuple[bool, Any]:
    """Return value of :meth:`_Worker.ask`, computed in the forked process."""
    try:
        return True, function([item])
    except MemoryError:
        return False, "takes too much memory"


def _limit_memory() -> None:
    """Limit this process to ``_MEMORY`` in addition to its current memory."""
    import resource

    if _SIZE.exists():  # Linux only
        taken = int(_SIZE.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, taken + _MEMORY))
