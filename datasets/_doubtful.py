"""Numbers that may not be labels, by the name and the values of their column."""

import re
from typing import Final

import numpy as np

from molweight.arrays import FloatArray

__all__ = ["by_content", "by_name", "few_codes"]

_NAMES: Final = {
    r"(year|month|day|date|time|timestamp|created|updated|doc(ument)? year|.*[ _]date|.*[ _]year)": "a date",
    r"((total[ _])?mol(ecular)?[ _]?w(eigh)?t|mw|clogs|druglikeness|exact[ _]?mass|monoisotopic.*"
    r"|[acx]logp3?|crippen.*|tpsa|psa|polar surface area"
    r"|hb[ad]|.*h-?(bond )?(donors?|acceptors?).*|.*rotatable.*|#?.*ro5.*|.*lipinski.*|.*num(ber)? of .*|.*ring count.*"
    r"|.*heavy[ _]?atoms.*|qed.*|minimum degree|np likeness.*|inorganic flag"
    r"|.*aromatic rings)": "a computed descriptor",
    r"(ph|temp(erature)?( \(.*\))?"
    r"|(test[ _])?(temp(erature)?|pressure|dose|conc(entration)?)([ _]*[(\[]?[\w%\u00b0/]{1,6}[)\]]?)?"
    r"|max phase|wavelength|ionic strength)": "a condition of the measurement",
    r"(std|sd|sem|stdev|std\.?dev|error|uncertainty|.*[ _](std|sd|sem|stdev|stddev|error|err)|"
    r"(std|sd|sem|stdev|error|uncertainty)[ _]of[ _].*|p[ _-]?value|(sample[ _])?weight)": (
        "the error or weight of a measurement"
    ),
    r"(is[ _-]?)?(train|test|valid|val|validation|training|testing|holdout)([ _-]?(set|flag|mask|split))?": "a split",
    r"(n|count|replicates?|.*[ _](count|rank|replicate)|rank|score rank)": "a count",
    r".*(predicted|prediction|_pred)(?![a-z]).*|.*[ _]calc(ulated|\.)?|calc(ulated|\.)?[ _].*": "a prediction",
    r"(unit[ _])?(price|cost)([ _(].*)?": "a price",
    r"(unnamed: \d+)?": "a column without a name",
    r"(.*[ :_])?(hill([ _]?(slope|coeff?(icient)?))?|nh|r2|r\^2|r\u00b2|r[ _-]?sq(uared?)?|chi2|chi[ _-]squared?)": (
        "the quality of a fit"
    ),
}
_PATTERNS: Final = {re.compile(pattern): why for pattern, why in _NAMES.items()}
_ENOUGH: Final = 10
"""Minimum number of labels for examining the values themselves."""
_FEW: Final = 12
"""Maximum number of distinct integers that count as codes."""
_REGISTRY: Final = 1000
"""Smallest number that counts as a registry number."""
_DENSE: Final = 1.25
"""Maximum ratio of the largest number to the count of different numbers, if these number the molecules."""


def by_name(name: str) -> str:
    """Why the name of a numeric column suggests that it does not hold labels; empty if it does not.

    Example:
        >>> by_name("Molecular Weight"), by_name("pH"), by_name("logS")
        ('looks like a computed descriptor', 'looks like a condition of the measurement', '')
    """
    folded = name.strip().lower()
    found = next((why for pattern, why in _PATTERNS.items() if pattern.fullmatch(folded)), "")
    return f"looks like {found}" if found else ""


def by_content(values: FloatArray) -> str:
    """Why the values of a column suggest that they are not labels; empty if they do not.

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
    return _date(values) or _registry(values) or few_codes(values) or _numbering(values)


def _date(values: FloatArray) -> str:
    low, high = values.min(), values.max()
    if low >= 1900 and high <= 2100:  # noqa: PLR2004 - years
        return "looks like years"
    if low >= 1.9e7 and high < 2.11e7 and ((values // 100 % 100 <= 12) & (values % 100 <= 31)).all():  # noqa: PLR2004 - YYYYMMDD
        return "looks like dates (YYYYMMDD)"
    return "looks like timestamps" if low >= 6e8 and high < 2.5e9 else ""  # noqa: PLR2004 - seconds since 1970, 1989 to 2049


def _registry(values: FloatArray) -> str:
    """Whether the values look like registry numbers: all different, and none small."""
    alike = len(np.unique(values)) < len(values) or values.min() < _REGISTRY
    return "" if alike else "looks like identifiers: whole numbers, all different"


def _numbering(values: FloatArray) -> str:
    """Whether the values look like numbers of the molecules: about 1 to n, all different or in ascending order."""
    different = len(np.unique(values))
    dense = values.min() >= 0 and values.max() <= _DENSE * different
    if dense and different == len(values):
        return "looks like numbers of the rows: whole numbers, all different, with few gaps"
    ascending = bool((np.diff(values) >= 0).all())
    return (
        "looks like compound numbers (1, 2, 3 ...): whole numbers in ascending order, with few gaps"
        if (dense and ascending)
        else ""
    )


def few_codes(values: FloatArray) -> str:
    """Why the values of a column look like classes or codes, i.e. few different integers; empty if they do not.

    Example:
        >>> few_codes(np.tile(np.arange(5.0), 10)), few_codes(np.tile([0.5, 1.5], 10))
        ('looks like classes or codes: only the whole numbers 0, 1, 2, 3, 4', '')
    """
    different = np.unique(values)
    whole = (different == np.floor(different)).all()
    if not whole or len(different) > _FEW or len(values) < max(_ENOUGH, 3 * len(different)):
        return ""
    return f"looks like classes or codes: only the whole numbers {', '.join(f'{value:g}' for value in different)}"
