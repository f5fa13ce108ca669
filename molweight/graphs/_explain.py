"""Explanations for SMILES that cannot be parsed."""

import re
from typing import Final

__all__ = ["explain", "odd_character"]

_BRACKETS: Final = re.compile(r"\[[^\[\]]*\]")
_HALF: Final = re.compile("[\ud800-\udfff]")
_INVISIBLE: Final = " \t\r\n\xa0\u200b\u200c\u200d\u2060\ufeff"
_ODD: Final = re.compile(r"[^\x21-\x7e]")
_RING: Final = re.compile(r"%\(\d+\)|%\d\d|\d")


def explain(smiles: str) -> str | None:
    """An obvious error in a SMILES, in words; ``None`` if none is obvious.

    Args:
        smiles: A text that RDKit refused to parse.

    Example:
        >>> explain("CCO>>CC=O"), explain("C1CC"), explain("C(C")
        ('a reaction, not a molecule', 'ring 1 is not closed', 'a bracket ( is not closed')
    """
    odd = odd_character(smiles)
    if odd:
        return f"{odd!a} is {'an incomplete character' if _HALF.match(odd) else 'not a character of SMILES'}"
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


def odd_character(text: str) -> str | None:
    r"""The first character of a text that cannot occur in a SMILES; ``None`` if there is none.

    RDKit drops non-ASCII characters at both ends: ``CCC`` with a Cyrillic last letter is read as ethane. Blanks and
    invisible characters around a SMILES are harmless, as is a name after it.

    Args:
        text: Any text.

    Example:
        >>> ascii(odd_character("CC\u0421")), odd_character("\ufeffCCO \u00e4"), odd_character("CC\udcff")
        ("'\\u0421'", None, '\udcff')
    """
    if text.isascii() and text.isprintable():
        return None
    words = text.strip(_INVISIBLE).split(maxsplit=1)
    found = _HALF.search(text) or (_ODD.search(words[0]) if words else None)
    return found[0] if found else None


def _open_rings(bare: str) -> list[str]:
    """Ring numbers that occur an odd number of times, outside of brackets."""
    rings = [number.strip("%()").lstrip("0") or "0" for number in _RING.findall(bare)]
    return sorted({ring for ring in rings if rings.count(ring) % 2})
