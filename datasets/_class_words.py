"""Words of a column as classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import Int64Array
from molweight.datasets._numbers import has_no_value, is_missing, read_numbers

__all__ = [
    "ClassWords",
    "class_words",
    "is_class_word",
    "is_inconclusive",
    "known_pair",
    "positive_of",
    "present_cells",
    "unused_words",
]

_POSITIVE: Final = frozenset(
    {"active", "yes", "y", "true", "t", "positive", "pos", "+", "toxic", "hit", "binder", "binding", "agonist", "on"}
    | {"antagonist", "inhibitor", "substrate", "blocker", "permeable", "penetrant", "soluble", "stable", "mutagenic"}
    | {"mutagen", "carcinogenic", "carcinogen", "sensitizer", "sensitiser", "high", "pass", "strong", "present", "1"}
    | {"bbb+", "bbbp+", "responder", "1.0", "ja", "oui", "si", "s\u00ed", "positiv", "wahr", "vrai"}
)
_NEGATIVE: Final = frozenset(
    {"inactive", "no", "n", "false", "f", "negative", "neg", "-", "nontoxic", "decoy", "low", "fail", "weak", "absent"}
    | {"off", "bbb-", "bbbp-", "impermeable", "insoluble", "unstable", "nonbinder", "0", "0.0"}
    | {"nein", "non", "negativ", "falsch", "faux"}
)
_PREFIXES: Final = ("in", "im", "un", "non", "non-", "non ", "not ", "not-", "not_", "no ", "no-", "no_", "non_")
_INCONCLUSIVE: Final = frozenset(
    {"inconclusive", "unspecified", "ambiguous", "untested", "equivocal", "indeterminate", "probe"}
)
"""Outcomes that belong to neither of two classes, as in PubChem's tables."""
_NO_CLASS: Final = ("none",)
"""Words that are a class among other words, such as degrees of irritation, and a missing label elsewhere; not ``null``,
which databases write for a missing value."""


@dataclass(frozen=True)
class ClassWords:
    """The words of a column, as classes.

    Args:
        words: One word per class, in lower case: class 0 first.
        shown: The words as written in the table.
        known: Whether the meaning of the two words determines class 1.
    """

    words: tuple[str, ...]
    shown: tuple[str, ...]
    known: bool


def is_inconclusive(word: str) -> bool:
    """Whether a word means that a test had no outcome, or was not performed.

    Example:
        >>> is_inconclusive("Inconclusive"), is_inconclusive("n.d."), is_inconclusive("Inactive")
        (True, True, False)
    """
    return word.casefold() in _INCONCLUSIVE or has_no_value(word)


def is_class_word(word: str) -> bool:
    """Whether a word or number is known as one of two classes.

    Example:
        >>> is_class_word("Active"), is_class_word("0"), is_class_word("red")
        (True, True, False)
    """
    return word.casefold() in _POSITIVE or word.casefold() in _NEGATIVE


def positive_of(first: str, second: str) -> str | None:
    """The word, of two in lower case, that is class 1 by its meaning; ``None`` if neither is.

    Example:
        >>> positive_of("inactive", "active"), positive_of("non-sticky", "sticky"), positive_of("a", "b")
        ('active', 'sticky', None)
    """
    for word, other in ((first, second), (second, first)):
        if other in {f"{prefix}{word}" for prefix in _PREFIXES} or (word in _POSITIVE and other in _NEGATIVE):
            return word
    return None


def known_pair(words: Iterable[str]) -> bool:
    """Whether the words are a known pair of classes, ignoring case and inconclusive outcomes.

    Example:
        >>> known_pair(["Active", "inactive", "Inconclusive"]), known_pair(["Train", "Test"])
        (True, False)
    """
    found = class_words(list(words))
    return len(found.words) == 2 and found.known  # noqa: PLR2004 - two classes


def class_words(cells: Sequence[str]) -> ClassWords:
    """The classes of the distinct words of a column, ignoring case.

    Args:
        cells: The distinct words; inconclusive outcomes are left out.

    Returns:
        The classes. Of two with a known meaning, the positive one is class 1; otherwise the order is alphabetical.

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


def present_cells(texts: Sequence[str]) -> list[str]:
    """The distinct cells of a column that are not missing.

    ``none`` is missing among numbers, next to a known pair of classes, and next to one of two known classes alone, and
    a class among other words. ``null`` is always missing.

    Example:
        >>> present_cells(["none", "mild", "severe", "NA"]), present_cells(["None", "1.5"])
        (['none', 'mild', 'severe'], ['1.5'])
        >>> present_cells(["Active", "None", "Inactive"]), present_cells(["agonist", "antagonist", "none"])
        (['Active', 'Inactive'], ['agonist', 'antagonist', 'none'])
    """
    present = [text for text in texts if not is_missing(text)]
    if len(present) == len(texts) or not any(text.casefold() in _NO_CLASS for text in texts):
        return present
    words = class_words(present).words
    alone = len(words) == 1 and is_class_word(words[0])
    if not words or alone or known_pair(words) or read_numbers([*words]).readable.any():
        return present
    return [text for text in texts if not is_missing(text) or text.casefold() in _NO_CLASS]


def unused_words(codes: Int64Array, texts: Sequence[str], present: Sequence[str]) -> list[str]:
    """A note about the words of a column of classes that mean a missing label, with their number of rows; or none.

    Args:
        codes: The position in ``texts`` of each row's cell.
        texts: The distinct cells.
        present: Those of them that are not missing; see :func:`present_cells`.

    Returns:
        At most one note.
    """
    places = [place for place, text in enumerate(texts) if text and (text not in present or is_inconclusive(text))]
    if not places:
        return []
    rows = int(np.isin(codes, places).sum())
    words = ", ".join(repr(texts[place]) for place in places)
    return [f"{words} treated as missing ({rows} rows)"]
