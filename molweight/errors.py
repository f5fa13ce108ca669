"""The errors molweight raises: each says what was found, where, and what to do."""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = [
    "ConfigError",
    "DamagedCacheError",
    "DataError",
    "DuplicateNameError",
    "Interrupted",
    "Message",
    "MolweightError",
    "OptionError",
    "TrainingError",
    "UnknownNameError",
    "mention",
    "printable",
    "suggest",
]

Writer = Callable[[str, str], str]
"""Writes an option in the spelling of an interface, from its name and the Python text of its value."""

_MENTION: Final = re.compile("\x02([^\x02\x03\x1f]*)\x1f([^\x02\x03\x1f]*)\x03")
"""A mention of an option: name and value between control characters, which a repr never contains."""
_NO_MEMORY = ("can't allocate memory", "out of memory", "storage size calculation overflowed")


def mention(name: str, value: Any = ...) -> str:
    """A placeholder for an option and its value in a message; each interface spells it in its own way.

    Args:
        name: Name of the option; for a part of another option, with that option's name and a dot in front, e.g.
            ``"split_options.target"``.
        value: The value; ``...`` if the user is to fill it in.

    Example:
        >>> print(Message(f"Use {mention('seed', 3)}, or name the columns: {mention('targets', [...])}."))
        Use seed=3, or name the columns: targets=[...].
    """
    return f"\x02{name}\x1f{_text(value)}\x03"


def _text(value: Any) -> str:
    if value is ...:
        return "..."
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return repr(float(value)) if isinstance(value, float) else repr(value)  # NumPy's floats have a repr of their own


def as_argument(name: str, value: str) -> str:
    """An option as an argument in Python: ``seed=3``."""
    return f"{name.rpartition('.')[2]}={value}"


class Message:
    """A text that may mention options.

    Args:
        text: The text, with each option as returned by :func:`mention`.
    """

    def __init__(self, text: str) -> None:
        """Store the text."""
        self.text = text

    def written(self, write: Writer = as_argument) -> str:
        """The text with its options in the spelling of one interface.

        Args:
            write: Writes an option, from its name and the Python text of its value.

        Example:
            >>> Message(mention("seed", 3)).written(lambda name, value: f"--{name} {value}")
            '--seed 3'
        """
        return _MENTION.sub(lambda match: write(match[1], match[2]), self.text)

    def __str__(self) -> str:
        """The text with options as arguments in Python."""
        return self.written()


class MolweightError(Exception):
    """Base of every error that a user's input can cause; the command line prints it as one paragraph."""

    @property
    def message(self) -> Message:
        """The message, whose mentions of options an interface can spell in its own way."""
        return Message(super().__str__())

    def __str__(self) -> str:
        """The message with options as arguments in Python."""
        return str(self.message)


class ConfigError(MolweightError, ValueError):
    """An option or argument that cannot be used as given."""


class OptionError(ConfigError):
    """One option whose value cannot be used.

    Args:
        option: Name of the option.
        value: The given value.
        reason: The problem, as the rest of a sentence that begins with the option, e.g. ``"must be positive"``.
        remedy: Sentences with the remedy.
        owner: Owner of the option, if that is not the job: a kind and usually a name, e.g. ``"encoder 'gin'"``.

    Example:
        >>> print(OptionError("proximal_strength", 0, "must be positive"))
        proximal_strength=0 must be positive.
        >>> error = OptionError("norm", "bacth", "is unknown", "Choices: batch, layer.", owner="encoder 'gin'")
        >>> print(error, error.option, error.value)
        encoder 'gin': norm='bacth' is unknown. Choices: batch, layer. norm bacth
    """

    def __init__(self, option: str, value: object, reason: str, remedy: str = "", *, owner: str = "") -> None:
        """Compose the message."""
        self.option, self.value, self.reason, self.remedy, self.owner = option, value, reason, remedy, owner
        end = "" if reason.endswith(("?", ".")) else "."
        name = mention(_part_of(owner, option), value)
        super().__init__(f"{f'{owner}: ' if owner else ''}{name} {reason}{end}{f' {remedy}' if remedy else ''}")

    def __reduce__(self) -> tuple[Callable[..., "OptionError"], tuple[Any, ...]]:
        """Pickle the fields, because errors are passed between processes."""
        return _option_error, (self.option, self.value, self.reason, self.remedy, self.owner)


def _option_error(option: str, value: object, reason: str, remedy: str, owner: str) -> OptionError:
    return OptionError(option, value, reason, remedy, owner=owner)


def _part_of(owner: str, option: str) -> str:
    """The option of a job that contains an option of an encoder, a solver, ..., followed by that option."""
    kind, _, name = owner.partition(" ")
    part = f"{kind}_options.{name.strip(chr(39))}" if kind == "objective" and name else f"{kind}_options"
    return f"{part}.{option}" if owner else option


class DataError(MolweightError, ValueError):
    """A table, a row or a molecule that cannot be used as given."""


class DamagedCacheError(DataError):
    """Damage detected in a cache after its file had been opened. The file is removed; it can be computed again."""


class TrainingError(MolweightError, RuntimeError):
    """Training that cannot continue, such as a loss that is no longer finite."""


class DuplicateNameError(MolweightError, ValueError):
    """A name that is registered already."""


class UnknownNameError(MolweightError, LookupError):
    """A name that is not registered; the message lists the nearest ones.

    Args:
        kind: Kind of the entry, in the singular, e.g. ``"objective"``.
        name: The requested name.
        choices: The existing names.

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
        """Store the signal."""
        super().__init__(message)
        self.number = number

    @property
    def status(self) -> int:
        """Exit status of a process ended by the signal."""
        return 128 + self.number


def suggest(name: str, choices: Iterable[str]) -> str:
    """The end of a sentence about a misspelt name: ``; did you mean 'x' or 'y'?``, or a full stop if nothing is near.

    Args:
        name: The name as typed.
        choices: The existing names.

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


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception reports that memory ran out: from Python, NumPy, or PyTorch on any device.

    Args:
        error: The exception.

    Example:
        >>> out_of_memory(RuntimeError("CUDA out of memory.")), out_of_memory(RuntimeError("another shape"))
        (True, False)
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _NO_MEMORY)
    )


def printable(text: str) -> str:
    r"""Text for a terminal, with control characters (which quoted parts of a file may hold) escaped as ``\x1b``.

    Args:
        text: The text; line breaks and tabs stay.

    Example:
        >>> printable("column '\x1b[31mred'")
        "column '\\x1b[31mred'"
    """
    return "".join(
        character if character.isprintable() or character in "\n\t" else character.encode("unicode_escape").decode()
        for character in text
    )
