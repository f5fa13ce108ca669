"""Work on single molecules that may not end: in a process that can be killed."""

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
"""CPU seconds that one operation may take for one molecule. Drug-like molecules take milliseconds."""
SLOW_SECONDS: Final = 10.0
"""The same where even a small molecule may take seconds."""
_PATIENCE: Final = 30
"""Times its CPU time after which a process counts as stuck."""
_MEMORY: Final = 4 << 30
"""Bytes that one operation may take for one molecule."""
_PLAIN_LENGTH: Final = 160
_PLAIN_RINGS: Final = 10
"""Longer SMILES, and those with more rings, are computed in a process of their own."""
_STOPPED: Final = {
    "SIGPROF": "takes more than {seconds:g} s of CPU time",
    "SIGKILL": "takes too long, or more memory than there is",
}
_HELD_BACK: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_SIZE: Final = Path("/proc/self/statm")
_INVARIANT: Final = "Invariant Violation"
"""How the message of such an error of RDKit begins; that of a wrong call begins with ``Pre-condition Violation``."""
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
    """Every molecule may take long, however small it is."""
    return True


@dataclass(frozen=True)
class Guarded(Generic[T]):
    """A function of molecules in which no single molecule can take more than its share of time and memory.

    Molecules that may take long are given to a forked process one by one. It is ended where one of them takes more than
    ``seconds`` of CPU time or 4 GiB of memory, or crashes it, and another one continues with the next molecule. Where
    there is no ``fork`` (Windows), all are computed in this process and there is no limit. A molecule on which RDKit
    fails with an invariant violation, a fault of RDKit, is given up as well.

    Args:
        function: Computes a result from some molecules; that of several is ``join`` of the results of parts of them.
        join: Makes one result from those of consecutive parts.
        refused: The result for a molecule that was given up, from its SMILES and the reason in words.
        doing: What is done, at the beginning of the reason.
        alone: Which molecules may take long.
        seconds: CPU time of each of them.

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
        """The result for molecules that are computed in this process; those on which RDKit fails are given up."""
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
        doing: What is done, in the message.
        slow: Whether even a small molecule may take seconds.
        alone: Which molecules may take long, if not all.
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
    """Whether an item is a string, which not all cells of a table are."""
    return isinstance(item, str)


class _Worker:
    """A forked process that computes one molecule after another, and is started again after it was ended."""

    def __init__(self, function: Callable[[Sequence[str]], Any], seconds: float) -> None:
        """Start nothing yet."""
        self.function = function
        self.seconds = seconds
        self.pid = 0
        self.pipe: Connection | None = None

    def ask(self, item: str) -> tuple[bool, Any]:
        """Whether a molecule could be computed, and the result; else the reason, or ``None`` for an error."""
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
        """Why the process ended, ``None`` for an error; it is ended where it did not."""
        status = self.end()
        if not os.WIFSIGNALED(status):
            return None
        name = signal.Signals(os.WTERMSIG(status)).name
        return _STOPPED.get(name, f"crashes with {name}").format(seconds=self.seconds)

    def _start(self) -> Connection:
        # No other thread may fork in between: its process would hold this one's end of the pipe open.
        with _starting, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about forking a process with threads: see _serve
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
        """End the process, if there is one, and return the status it ended with."""
        if self.pipe is None:
            return 0
        self.pipe.close()
        self.pipe = None
        os.kill(self.pid, signal.SIGKILL)  # without effect on one that has ended
        return os.waitpid(self.pid, 0)[1]


def _serve(function: Callable[[Sequence[str]], Any], pipe: Connection, seconds: float) -> NoReturn:
    """Answer until the other process closes the pipe, or an error is raised, which the other process raises again.

    Nothing of the process that was copied is run or flushed here.
    """
    try:
        faulthandler.disable()  # a crash here is an answer, and no crash of the other process
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
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
    """The answer of :meth:`_Worker.ask`."""
    try:
        return True, function([item])
    except MemoryError:
        return False, "takes too much memory"


def _limit_memory() -> None:
    """Let this process take no more than ``_MEMORY`` beyond what it has."""
    import resource

    if _SIZE.exists():  # of Linux
        taken = int(_SIZE.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, taken + _MEMORY))
