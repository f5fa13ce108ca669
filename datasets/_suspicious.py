"""Numbers that are probably no labels: identifiers, codes, dates, conditions of a measurement, computed descriptors."""

import re
from typing import Any, Final

import numpy as np

__all__ = ["by_content", "by_name", "few_codes"]

Floats = np.ndarray[tuple[int], np.dtype[np.floating[Any]]]

_NAMES: Final = {
    r"(year|month|day|date|time|timestamp|created|updated|doc(ument)? year|.*[ _]date|.*[ _]year)": "a date",
    r"(mol(ecular)?[ _]?w(eigh)?t|mw|exact[ _]?mass|monoisotopic.*|[acx]logp3?|crippen.*|tpsa|psa|polar surface area"
    r"|hb[ad]|.*h-?(bond )?(donors?|acceptors?).*|.*rotatable.*|#?.*ro5.*|.*lipinski.*|.*num(ber)? of .*|.*ring count.*"
    r"|.*heavy[ _]?atoms.*|qed.*|minimum degree|np likeness.*|inorganic flag"
    r"|.*aromatic rings)": "a computed descriptor",
    r"(ph|temp(erature)?( \(.*\))?|dose|concentration|conc|max phase|wavelength)": "a condition of the measurement",
    r"(std|sd|sem|stdev|std\.?dev|error|uncertainty|.*[ _](std|sd|sem|stdev|stddev|error|err)|(sample[ _])?weight)": (
        "the error or weight of a measurement"
    ),
    r"(n|count|replicates?|.*[ _](count|rank|replicate)|rank|score rank)": "a count",
    r".*(predicted|prediction|_pred)(?![a-z]).*": "a prediction",
}
_PATTERNS: Final = {re.compile(pattern): why for pattern, why in _NAMES.items()}
_ENOUGH: Final = 10
"""Labels from which the values themselves are looked at."""
_FEW: Final = 12
"""Most different whole numbers that are taken for codes."""
_REGISTRY: Final = 1000
"""Smallest number of a registry."""


def by_name(name: str) -> str:
    """What the name of a column of numbers says that it is, other than a label; empty for nothing.

    Example:
        >>> by_name("Molecular Weight"), by_name("pH"), by_name("logS")
        ('looks like a computed descriptor', 'looks like a condition of the measurement', '')
    """
    folded = name.strip().lower()
    found = next((why for pattern, why in _PATTERNS.items() if pattern.fullmatch(folded)), "")
    return f"looks like {found}" if found else ""


def by_content(values: Floats) -> str:
    """What numbers look like, other than labels; empty for nothing.

    Args:
        values: The numbers of a column, without missing ones.

    Example:
        >>> by_content(np.repeat([1998.0, 2003.0, 2011.0], 5)), by_content(np.linspace(-5, 2, 30))
        ('looks like years', '')
    """
    if len(values) > 1 and (values == values[0]).all():
        return f"is {values[0]:g} in all rows"
    if len(values) < _ENOUGH or not (values == np.floor(values)).all():
        return ""
    return _date(values) or _registry(values) or few_codes(values)


def _date(values: Floats) -> str:
    low, high = values.min(), values.max()
    if low >= 1900 and high <= 2100:  # noqa: PLR2004 - years
        return "looks like years"
    if low >= 1.9e7 and high < 2.11e7 and ((values // 100 % 100 <= 12) & (values % 100 <= 31)).all():  # noqa: PLR2004 - YYYYMMDD
        return "looks like dates (YYYYMMDD)"
    return "looks like timestamps" if low >= 6e8 and high < 2.5e9 else ""  # noqa: PLR2004 - seconds since 1970, 1989 to 2049


def _registry(values: Floats) -> str:
    """Numbers of a registry: all different, and none small."""
    alike = len(np.unique(values)) < len(values) or values.min() < _REGISTRY
    return "" if alike else "looks like identifiers: whole numbers, no two alike"


def few_codes(values: Floats) -> str:
    """What whole numbers look like of which there are few different ones; empty otherwise.

    Example:
        >>> few_codes(np.tile(np.arange(5.0), 10)), few_codes(np.tile([0.5, 1.5], 10))
        ('looks like classes or codes: only the whole numbers 0, 1, 2, 3, 4', '')
    """
    different = np.unique(values)
    whole = (different == np.floor(different)).all()
    if not whole or len(different) > _FEW or len(values) < max(_ENOUGH, 3 * len(different)):
        return ""
    return f"looks like classes or codes: only the whole numbers {', '.join(f'{value:g}' for value in different)}"
