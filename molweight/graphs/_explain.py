"""Plain words for SMILES that cannot be parsed."""

import re
from typing import Final

__all__ = ["explain"]

_BRACKETS: Final = re.compile(r"\[[^\[\]]*\]")
_RING: Final = re.compile(r"%\(\d+\)|%\d\d|\d")


def explain(smiles: str) -> str | None:
    """An obvious fault of a SMILES, in words; ``None`` where none is obvious.

    Args:
        smiles: A text that RDKit refused to parse.

    Example:
        >>> explain("CCO>>CC=O"), explain("C1CC"), explain("C(C")
        ('a reaction, not a molecule', 'ring 1 is not closed', 'a bracket ( is not closed')
    """
    if smiles.count(">") >= 2 and "->" not in smiles:  # noqa: PLR2004 - reactants > agents > products
        return "a reaction, not a molecule"
    if smiles.startswith("InChI="):
        return "an InChI, not a SMILES"
    if smiles.startswith("{") and smiles.endswith("}"):
        return "a polymer in BigSMILES, not a molecule"
    bare = _BRACKETS.sub("*", smiles)
    for opening, closing in (("[", "]"), ("(", ")")):
        missing = bare.count(opening) - bare.count(closing)
        if missing:
            return f"a bracket {opening if missing > 0 else closing} is not {'closed' if missing > 0 else 'opened'}"
    unclosed = _open_rings(bare)
    return f"ring {', '.join(unclosed)} is not closed" if unclosed else None


def _open_rings(bare: str) -> list[str]:
    """Ring numbers that occur an odd number of times, outside of brackets."""
    rings = [number.strip("%()").lstrip("0") or "0" for number in _RING.findall(bare)]
    return sorted({ring for ring in rings if rings.count(ring) % 2})
