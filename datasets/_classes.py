"""Words as classes: which column of words is one of two classes, and which word is class 1."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["ClassWords", "class_words", "is_inconclusive", "known_pair", "positive_of"]

_POSITIVE: Final = frozenset(
    {"active", "yes", "y", "true", "t", "positive", "pos", "+", "toxic", "hit", "binder", "binding", "agonist", "on"}
    | {"antagonist", "inhibitor", "substrate", "blocker", "permeable", "penetrant", "soluble", "stable", "mutagenic"}
    | {"mutagen", "carcinogenic", "carcinogen", "sensitizer", "sensitiser", "high", "pass", "strong", "present", "1"}
    | {"bbb+", "bbbp+", "responder", "1.0"}
)
_NEGATIVE: Final = frozenset(
    {"inactive", "no", "n", "false", "f", "negative", "neg", "-", "nontoxic", "decoy", "low", "fail", "weak", "absent"}
    | {"off", "bbb-", "bbbp-", "impermeable", "insoluble", "unstable", "nonbinder", "0", "0.0"}
)
_PREFIXES: Final = ("in", "im", "un", "non", "non-", "non ", "not ", "not-", "not_", "no ", "no-", "no_", "non_")
_INCONCLUSIVE: Final = frozenset(
    {"inconclusive", "unspecified", "ambiguous", "untested", "not tested", "not determined", "unknown", "equivocal"}
    | {"indeterminate", "undetermined", "probe", "?"}
)
"""Outcomes that are neither of two classes, as in PubChem's tables."""


@dataclass(frozen=True)
class ClassWords:
    """The words of a column, as classes.

    Args:
        words: One word per class, in lower case: class 0 first.
        shown: The same as they are written in the table.
        known: Whether the words themselves say which of two is class 1.
    """

    words: tuple[str, ...]
    shown: tuple[str, ...]
    known: bool


def is_inconclusive(word: str) -> bool:
    """Whether a word says that a test has no outcome.

    Example:
        >>> is_inconclusive("Inconclusive"), is_inconclusive("Inactive")
        (True, False)
    """
    return word.casefold() in _INCONCLUSIVE


def positive_of(first: str, second: str) -> str | None:
    """Which of two words (in lower case) is class 1 by what it means; ``None`` where neither says so.

    Example:
        >>> positive_of("inactive", "active"), positive_of("non-sticky", "sticky"), positive_of("a", "b")
        ('active', 'sticky', None)
    """
    for word, other in ((first, second), (second, first)):
        if other in {f"{prefix}{word}" for prefix in _PREFIXES} or (word in _POSITIVE and other in _NEGATIVE):
            return word
    return None


def known_pair(words: Iterable[str]) -> bool:
    """Whether the words are two classes by what they mean, in any case, outcomes that are neither left out.

    Example:
        >>> known_pair(["Active", "inactive", "Inconclusive"]), known_pair(["Train", "Test"])
        (True, False)
    """
    found = class_words(list(words))
    return len(found.words) == 2 and found.known  # noqa: PLR2004 - two classes


def class_words(cells: Sequence[str]) -> ClassWords:
    """The classes that the distinct words of a column stand for, upper and lower case being the same.

    Args:
        cells: The distinct words; those that say that there is no outcome are left out.

    Returns:
        The classes: of two, the one that means the positive outcome is class 1; others are in alphabetical order.

    Example:
        >>> class_words(["Active", "Inactive", "ACTIVE", "Inconclusive"]).words
        ('inactive', 'active')
    """
    shown: dict[str, str] = {}
    for cell in sorted(cells):
        if not is_inconclusive(cell):
            shown.setdefault(cell.casefold(), cell)
    words = sorted(shown)
    known = False
    if len(words) == 2:  # noqa: PLR2004 - two classes
        positive = positive_of(words[0], words[1])
        known = positive is not None
        if positive == words[0]:
            words.reverse()
    return ClassWords(tuple(words), tuple(shown[word] for word in words), known)
