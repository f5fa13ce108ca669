"""The errors molweight raises: each says what was found, where, and what to do."""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "DuplicateNameError",
    "Interrupted",
    "MolweightError",
    "TrainingError",
    "UnknownNameError",
    "suggest",
]


class MolweightError(Exception):
    """Base of every error that a user's input can cause; the command line prints it as one paragraph."""


class ConfigError(MolweightError, ValueError):
    """An option or argument that cannot be used as given."""


class DataError(MolweightError, ValueError):
    """A table, a row or a molecule that cannot be used as given."""


class TrainingError(MolweightError, RuntimeError):
    """Training that cannot go on, such as a loss that is no longer finite."""


class DuplicateNameError(MolweightError, ValueError):
    """A name that is registered already."""


class UnknownNameError(MolweightError, LookupError):
    """A name that is not registered; the message lists the nearest ones.

    Args:
        kind: What was looked up, in the singular, e.g. ``"objective"``.
        name: The name that was asked for.
        choices: The names that exist.

    Example:
        >>> print(UnknownNameError("dataset", "freesolve", ["bbbp", "freesolv"]))
        unknown dataset 'freesolve'; did you mean 'freesolv'? Available: bbbp, freesolv.
    """

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        """Compose the message from the nearest of ``choices``."""
        names = sorted(choices)
        listed = ", ".join(names) if names else "none are registered"
        super().__init__(f"unknown {kind} {name!r}{suggest(name, names)} Available: {listed}.")


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end: Ctrl-C, the end of the terminal, or the request of a scheduler.

    Args:
        number: The signal.

    Example:
        >>> import signal
        >>> Interrupted(signal.SIGTERM).status
        143
    """

    def __init__(self, number: int, message: str = "") -> None:
        """Keep the signal."""
        super().__init__(message)
        self.number = number

    @property
    def status(self) -> int:
        """Exit status of a process that ends for it."""
        return 128 + self.number


def suggest(name: str, choices: Iterable[str]) -> str:
    """The end of a sentence about a misspelt name: ``; did you mean 'x' or 'y'?``, or a full stop if nothing is near.

    Args:
        name: What was typed.
        choices: What exists.

    Returns:
        The end of the sentence, with its punctuation.

    Example:
        >>> suggest("gni", ["gin", "schnet"])
        "; did you mean 'gin'?"
        >>> suggest("unlike", ["gin", "schnet"])
        '.'
    """
    by_folded = {choice.lower().replace("-", "_"): choice for choice in choices}
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), by_folded, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(by_folded[key]) for key in near)}?" if near else "."


_NO_MEMORY = ("can't allocate memory", "out of memory", "storage size calculation overflowed")


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory has run out: Python's own, NumPy's, or PyTorch's on any device.

    Args:
        error: What was raised.

    Example:
        >>> out_of_memory(RuntimeError("CUDA out of memory.")), out_of_memory(RuntimeError("another shape"))
        (True, False)
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _NO_MEMORY)
    )
