"""Units of measured values, and the logarithmic scale of concentrations."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["UNITS", "molar_factor", "unit_in_name"]

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
"""Units that may stand after a number in a cell."""

_IN_BRACKETS: Final = re.compile(r".*[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*")
_AT_END: Final = re.compile(r".*[ _.-]([pnu\u00b5\u03bcmf]?M)")


def molar_factor(unit: str) -> float | None:
    """How many mol/l a unit of concentration is; ``None`` where it is not molar.

    Example:
        >>> molar_factor("nM"), molar_factor("umol/L"), molar_factor("%")
        (1e-09, 1e-06, None)
    """
    return _MOLAR.get(unit.strip())


def unit_in_name(name: str) -> str:
    """The unit in the name of a column; empty where it has none.

    Example:
        >>> unit_in_name("IC50 (nM)"), unit_in_name("Ki_uM"), unit_in_name("logS")
        ('nM', 'uM', '')
    """
    found = _IN_BRACKETS.fullmatch(name)
    if found and found[1] in UNITS:
        return found[1]
    end = _AT_END.fullmatch(name)
    return end[1] if end else ""
