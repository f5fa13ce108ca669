"""Parsing of numbers with decimal commas, thousands separators, percent signs, units and bounds."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from molweight.arrays import BoolArray, Float64Array, Int8Array
from molweight.errors import mention

__all__ = [
    "UNITS",
    "Decimal",
    "Numbers",
    "has_no_value",
    "is_missing",
    "is_number",
    "molar_factor",
    "read_numbers",
    "sign_of",
    "unit_in_name",
    "without_unit",
]

Decimal = Literal[".", ","]

_PREFIXES: Final = {"": 1.0, "m": 1e-3, "u": 1e-6, "\u00b5": 1e-6, "\u03bc": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_MOLAR: Final[Mapping[str, float]] = MappingProxyType(
    {
        **{f"{prefix}M": factor for prefix, factor in _PREFIXES.items()},
        **{
            f"{prefix}mol{per}": factor
            for prefix, factor in _PREFIXES.items()
            for per in ("/l", "/L", ".L-1", " L-1", "/dm3")
        },
        "molar": 1.0,
        "millimolar": 1e-3,
        "micromolar": 1e-6,
        "nanomolar": 1e-9,
        "picomolar": 1e-12,
        "MOLAR": 1.0,
        "MILLIMOLAR": 1e-3,
        "MICROMOLAR": 1e-6,
        "NANOMOLAR": 1e-9,
        "PICOMOLAR": 1e-12,
    }
)
UNITS: Final = (
    *_MOLAR,
    *("g/l", "g/L", "mg/l", "mg/L", "mg/ml", "mg/mL", "ug/ml", "ug/mL", "\u00b5g/ml", "\u00b5g/mL", "ng/ml", "ng/mL"),
    *("mg/kg", "g/mol", "Da", "kcal/mol", "kJ/mol", "eV", "mV", "K", "\u00b0C", "h", "hr", "hrs", "min", "s", "nm"),
    *("cm/s", "ml/min/kg", "mL/min/kg", "ul/min/mg", "uL/min/mg", "\u00b5L/min/mg"),
)
"""Units that may follow a number in a cell."""
_IN_BRACKETS: Final = re.compile(r".*[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*")
_AT_END: Final = re.compile(r".*[ _.-]([pnu\u00b5\u03bcmf]?M)")
_MISSING: Final = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none"})
_NO_VALUE: Final = frozenset(
    {"missing", "not tested", "not measured", "not available", "not applicable", "not determined", "not done"}
    | {"not calculated", "not reported", "undetermined", "unknown", "unavailable", "no data", "no value", "pending"}
    | {"#value!", "#div/0!", "#ref!", "#num!", "#name?", "#null!", "nat", "n.a.", "n.a", "n. a.", "nd", "n.d.", "n.d"}
    | {
        "n. d.",
        "n.b.",
        "k.a.",
        "n/d",
        "nt",
        "n.t.",
        "n.t",
        "n/t",
        "n.m.",
        "tbd",
        "t.b.d.",
        "?",
        "??",
        "???",
        "(null)",
        "(blank)",
        "\\n",
    }
)
"""Cells that can only mean a missing value."""
_DASHES: Final = frozenset({"-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", "."})
"""Cells that mean a missing label in a numeric column; among words a dash may be the negative class."""
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_MINUS: Final = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"))
_BLANK: Final = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000\ufeff", " "))
_FULL_WIDTH: Final = {0xFF01 + place: 0x21 + place for place in range(0x5E)}
"""Full-width digits and signs."""
_ENTITIES: Final = {"&lt;": "<", "&gt;": ">", "&le;": "<=", "&ge;": ">=", "&plusmn;": "\u00b1", "&nbsp;": " "}
_APOSTROPHE: Final = str.maketrans(dict.fromkeys("\u2019\u02bc", "'"))
_SIGNS: Final = {
    **dict.fromkeys(("<", "<=", "<<", "\u2264"), -1),
    **dict.fromkeys((">", ">=", ">>", "\u2265"), 1),
    **dict.fromkeys(("=", "==", "~", "\u2248"), 0),
}
_SIGN_WORDS: Final = {
    **dict.fromkeys(("less than", "lower than", "smaller than", "lt", "le", "lte", "&lt;", "&lt;="), -1),
    **dict.fromkeys(("greater than", "higher than", "larger than", "more than", "gt", "ge", "gte", "&gt;", "&gt;="), 1),
    **dict.fromkeys(("equal", "equals", "equal to", "eq", "exact", "approximately", "about"), 0),
}
"""Relations in words, in a column of their own."""
_UNIT: Final = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_CELL: Final = re.compile(
    r"(?P<sign><=|>=|<<|>>|==|[<>=~\u2248\u2264\u2265]|(?:less|lower|smaller|greater|higher|larger|more) than)?\s*"
    r"(?P<money>[$\u20ac\u00a3\u00a5])?\s*"
    r"(?P<number>[+-]?\s?(?:\d[\d.,' ]*|[.,]\d+)(?:e[+-]?\d+|\s?[x\u00d7*]\s?10\^?[+-]?\d+)?)\s*"
    r"(?P<spread>(?:\u00b1|\+/-|\+-)\s*[\d.,]+(?:e[+-]?\d+)?|\((?:n\s?=\s?|\u00b1\s?|sd\s?=?\s?)?[\d.,]+\))?\s*"
    rf"(?P<unit>%|{_UNIT}|[$\u20ac\u00a3\u00a5])?",
    re.ASCII | re.IGNORECASE,
)
_SEVERAL: Final = 8
"""Minimum number of numbers that must share a style for it to count."""
_LARGEST: Final = float(np.finfo(np.float32).max)

_EXPONENT: Final = r"(?:e[+-]?\d+)?"
_STYLES: Final[dict[str, tuple[re.Pattern[str], Callable[[str], str]]]] = {
    "plain": (re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}"), lambda text: text),
    "decimal comma": (re.compile(rf"[+-]?(?:\d+(?:,\d*)?|,\d+){_EXPONENT}"), lambda text: text.replace(",", ".")),
    "thousands comma": (
        re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|\d+)(?:\.\d*)?"),  # lakhs as well
        lambda text: text.replace(",", ""),
    ),
    "thousands point": (
        re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d*)?"),
        lambda text: text.replace(".", "").replace(",", "."),
    ),
    "thousands blank": (
        re.compile(r"[+-]?(?:[1-9]\d{0,2}(?: \d{3})+|\d+)(?:\.\d*)?"),
        lambda text: text.replace(" ", ""),
    ),
    "thousands blank, decimal comma": (
        re.compile(r"[+-]?(?:[1-9]\d{0,2}(?: \d{3})+|\d+)(?:,\d*)?"),
        lambda text: text.replace(" ", "").replace(",", "."),
    ),
    "thousands apostrophe": (
        re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:'\d{3})+|\d+)(?:\.\d*)?"),
        lambda text: text.replace("'", ""),
    ),
}
"""Number styles of a column, each with a conversion to a text for ``float``."""
_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
"""Texts that may be a number with points as thousands separators, or with three decimals."""
_COMMA_IS_DECIMAL: Final = ("decimal comma", "thousands point", "thousands blank, decimal comma")
_WORDS: Final = {
    "decimal comma": "the comma is read as the decimal sign",
    "thousands comma": "commas are read as thousands separators",
    "thousands point": "points are read as thousands separators and the comma as the decimal sign",
    "thousands blank": "spaces are read as thousands separators",
    "thousands blank, decimal comma": "spaces are read as thousands separators and the comma as the decimal sign",
    "thousands apostrophe": "apostrophes are read as thousands separators",
}


def molar_factor(unit: str) -> float | None:
    """A unit of concentration in mol/l; ``None`` if it is not molar.

    Example:
        >>> molar_factor("nM"), molar_factor("umol/L"), molar_factor("%")
        (1e-09, 1e-06, None)
    """
    return _MOLAR.get(unit.strip())


def unit_in_name(name: str) -> str:
    """The unit in the name of a column; empty if there is none.

    Example:
        >>> unit_in_name("IC50 (nM)"), unit_in_name("Ki_uM"), unit_in_name("logS")
        ('nM', 'uM', '')
    """
    found = _IN_BRACKETS.fullmatch(name)
    if found and found[1] in UNITS:
        return found[1]
    end = _AT_END.fullmatch(name)
    return end[1] if end else ""


def without_unit(name: str) -> str:
    """The name of a column without the unit in it.

    Example:
        >>> without_unit("IC50 (nM)"), without_unit("IC50_uM"), without_unit("logS (25 C)")
        ('IC50', 'IC50', 'logS (25 C)')
    """
    unit = unit_in_name(name)
    return name.rpartition(unit)[0].rstrip(" ([_.-") if unit else name


def is_missing(cell: str) -> bool:
    """Whether a cell means a missing label: empty, ``NaN``, ``NA``, ``N/A``, ``null``, ``none`` in any case.

    Example:
        >>> [is_missing(cell) for cell in ("", "N/A", "0")]
        [True, True, False]
    """
    return cell.lower() in _MISSING


def has_no_value(cell: str) -> bool:
    """Whether a word means that no value was measured or is known: ``ND``, ``n.d.``, ``not tested``, ``#DIV/0!``.

    Example:
        >>> [has_no_value(cell) for cell in ("n.d.", "NT", "no data", "-", "inactive")]
        [True, True, True, False, False]
    """
    return cell.lower() in _NO_VALUE


def is_number(cell: str) -> bool:
    """Whether a cell is a finite decimal number in the format of programs.

    Example:
        >>> [is_number(cell) for cell in ("-1.5", "2e-3", "1.0e", "1_000", "inf", "1,5")]
        [True, True, False, False, False, False]
    """
    return _NUMBER.fullmatch(cell) is not None


def sign_of(relation: str) -> int | None:
    """Direction of the true value from the number: -1 below it, 0 equal, 1 above; ``None`` without a relation.

    Example:
        >>> [sign_of(text) for text in ("'>'", "<=", "=", "~", "less than", "nM")]
        [1, -1, 0, 0, -1, None]
    """
    text = relation.strip().strip("'\"").strip()
    return _SIGNS.get(text, _SIGN_WORDS.get(text.lower()))


@dataclass(frozen=True)
class Numbers:
    """The distinct cells of a column as numbers.

    Args:
        values: One number per cell: NaN if missing, infinity if it is not a number or exceeds float32.
        signs: -1 where the true value is below the number (``<5``), 1 where it is above, 0 where it is the number.
        units: The unit written in each cell; empty for none.
        notes: Notes on how they were read, if that is not obvious.
        ambiguous: Reason why they are ambiguous; empty if they are not.
        decimal: The decimal sign of the style in which they were read.
    """

    values: Float64Array
    signs: Int8Array
    units: list[str]
    notes: list[str]
    ambiguous: str = ""
    decimal: Decimal = "."

    @property
    def readable(self) -> BoolArray:
        """Which cells contain a number."""
        return np.isfinite(self.values)


def read_numbers(cells: Sequence[str], decimal: Decimal | None = None) -> Numbers:
    """The numbers of the distinct cells of a column.

    All cells of a column are read in one style: the one in which most of them can be read. ``1,234`` alone may be 1.234
    or 1234; a column that can be read in both ways is ambiguous unless ``decimal`` is given.

    Args:
        cells: The texts, without surrounding blanks.
        decimal: The decimal sign; ``None`` to find it.

    Returns:
        The numbers.

    Example:
        >>> found = read_numbers(["-0,77", "<1,5", "", "12,125"])
        >>> found.values.tolist(), found.signs.tolist(), found.notes
        ([-0.77, 1.5, nan, 12.125], [0, -1, 0, 0], ['the comma is read as the decimal sign'])
        >>> read_numbers(["1,234", "5,678"]).ambiguous
        "'1,234' is 1.234 with a decimal comma and 1234 with commas between thousands"
        >>> read_numbers(["27.6%", "3 %"]).notes
        ['percent signs are ignored: 27.6% is read as 27.6']
    """
    if all(is_number(cell) or is_missing(cell) for cell in cells) and decimal != ",":
        values = [math.nan if is_missing(cell) else _finite(float(cell)) for cell in cells]
        notes = [] if decimal else _grouped(cells)
        return Numbers(np.array(values, dtype=np.float64), np.zeros(len(cells), np.int8), [""] * len(cells), notes)
    parts = [_parts(cell) for cell in cells]
    bodies = [part["number"] if part else None for part in parts]
    style, ambiguous = _style([body for body in bodies if body is not None], decimal)
    values = [_value(cell, body, style) for cell, body in zip(cells, bodies, strict=True)]
    signs = [sign_of(part["sign"]) or 0 if part else 0 for part in parts]
    units = [part["unit"] or "" if part else "" for part in parts]
    notes, sign = _notes(cells, parts, style), _sign_of_style(style)
    return Numbers(np.array(values, dtype=np.float64), np.array(signs, dtype=np.int8), units, notes, ambiguous, sign)


def _grouped(cells: Sequence[str]) -> list[str]:
    """A note if every number of a column could have points as thousands separators."""
    present = [cell for cell in cells if not is_missing(cell)]
    if len(present) < _SEVERAL or not all(map(_GROUPED.fullmatch, present)):
        return []
    plain = present[0].replace(".", "")
    decimal = f"if they separate thousands ({plain}): {mention('decimal', ',')}"
    return [f"points are read as decimal points: {present[0]} is {float(present[0]):g}; {decimal}"]


def _plain(cell: str) -> str:
    text = cell.translate(_MINUS).translate(_BLANK).translate(_APOSTROPHE).translate(_FULL_WIDTH)
    for entity, sign in _ENTITIES.items() if "&" in text else ():
        text = text.replace(entity, sign)
    text = text.strip()
    text = text[1:] if text.startswith('="') else text  # Excel's escape for text
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].strip() if quoted else text.removeprefix("'")


def _parts(cell: str) -> dict[str, str] | None:
    """Bound, digits and unit of a cell; ``None`` if it contains no number."""
    found = _CELL.fullmatch(_plain(cell))
    if found is None:
        return None
    parts = {name: text or "" for name, text in found.groupdict().items()}
    digits = re.sub(r"\s?[x\u00d7*]\s?10\^?", "e", parts["number"])
    parts["number"] = re.sub(r"^([+-])\s", r"\1", digits).strip().lower()
    parts["unit"] = "" if parts["unit"] in "$\u20ac\u00a3\u00a5" else parts["unit"]
    return parts


def _style(bodies: Sequence[str], decimal: Decimal | None) -> tuple[str, str]:
    """The style in which most of the cells can be read, and the reason if it is ambiguous."""
    allowed = {
        name: sum(pattern.fullmatch(body) is not None for body in bodies)
        for name, (pattern, _) in _STYLES.items()
        if decimal is None or _sign_of_style(name) == decimal
    }
    best = max(allowed, key=lambda name: allowed[name])  # ties go to the first and simplest style
    if decimal is None and best in ("decimal comma", "thousands comma", "thousands point"):
        for body in bodies:
            readings = [_read(body, name) for name in ("decimal comma", "thousands comma")]
            tied = allowed["decimal comma"] == allowed["thousands comma"]
            if tied and None not in readings and readings[0] != readings[1]:
                return best, (
                    f"{body!r} is {readings[0]:g} with a decimal comma and {readings[1]:.10g} with commas between "
                    "thousands"
                )
    return best, ""


def _sign_of_style(style: str) -> Decimal:
    return "," if style in _COMMA_IS_DECIMAL else "."


def _read(body: str, style: str) -> float | None:
    pattern, rewrite = _STYLES[style]
    return float(rewrite(body)) if pattern.fullmatch(body) else None


def _value(cell: str, body: str | None, style: str) -> float:
    if is_missing(cell) or _no_number(cell):
        return math.nan
    found = None if body is None else _read(body, style)
    return math.inf if found is None else _finite(found)


def _no_number(cell: str) -> bool:
    return has_no_value(cell) or cell in _DASHES


def _finite(value: float) -> float:
    return value if abs(value) <= _LARGEST else math.inf


def _notes(cells: Sequence[str], parts: Sequence[dict[str, str] | None], style: str) -> list[str]:
    """Notes on how the cells were read, if another meaning is possible."""
    found = [(cell, part) for cell, part in zip(cells, parts, strict=True) if part is not None]
    first: dict[str, str] = {}
    for cell, part in found:
        for key, present in (
            ("percent", part["unit"] == "%"),
            ("minus", cell.translate(_MINUS) != cell and part["number"].startswith("-")),
            ("money", bool(part["money"]) or _plain(cell)[-1:] in "$\u20ac\u00a3\u00a5"),
            ("spread", bool(part["spread"]) and "(" not in part["spread"]),
            ("brackets", "(" in part["spread"]),
            ("about", part["sign"] in ("~", "\u2248")),
        ):
            if present:
                first.setdefault(key, f"{cell} is read as {_value(cell, part['number'], style):g}")
    words = {
        "percent": "percent signs are ignored",
        "minus": "a dash is read as a minus sign",
        "money": "currency signs are ignored",
        "spread": "numbers after \u00b1 are ignored",
        "brackets": "numbers in brackets are ignored",
        "about": "'about' (~) is read as 'equal'",
    }
    if "percent" in first and any(part["unit"] != "%" for _, part in found):
        first["percent"] += "; other cells have none, so check that all are on the same scale"
    no_value = sorted({cell for cell in cells if _no_number(cell)})
    missing = [f"{', '.join(map(repr, no_value))} treated as missing"] if no_value else []
    return [*([_WORDS[style]] if style in _WORDS else []), *(f"{words[key]}: {first[key]}" for key in first), *missing]
