"""Prefilter for substructure searches by the elements of the molecule."""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["Screen"]

_ELEMENT: Final = re.compile(r"#(?P<number>\d+)|(?P<symbol>Cl|Br|[BCNOFPSI](?![a-z])|[cnops](?![a-z]))")


class Screen:
    """Substructure queries, prefiltered by the elements of a molecule.

    Args:
        queries: Molecules made from SMARTS.
    """

    def __init__(self, queries: "list[Mol]") -> None:
        """Determine the elements that each query needs."""
        self.queries = queries
        self._needs = [_needs(query) for query in queries]
        self._possible = cache(self._search)

    def possible(self, numbers: list[int]) -> "list[tuple[int, Mol]]":
        """Index and pattern of each query that a molecule with these atomic numbers can match."""
        return self._possible(frozenset(numbers))

    def _search(self, elements: frozenset[int]) -> "list[tuple[int, Mol]]":
        return [
            (number, query)
            for number, (query, needs) in enumerate(zip(self.queries, self._needs, strict=True))
            if all(need & elements for need in needs)
        ]


def _needs(query: "Mol") -> list[frozenset[int]]:
    """For each atom of the query with an explicit restriction, the allowed elements."""
    found = [_elements(atom.GetSmarts()) for atom in query.GetAtoms()]
    return [elements for elements in found if elements]


def _elements(smarts: str) -> frozenset[int] | None:
    """Elements that an atom's SMARTS allows; ``None`` if it is too complex to tell."""
    text = smarts.strip("[]")
    if "$" in text and ("," in text or ";" in text):
        return None
    matches = [_ELEMENT.match(alternative) for alternative in text.split(";", maxsplit=1)[0].split(",")]
    return frozenset(_number(match) for match in matches if match) if all(matches) else None


def _number(match: re.Match[str]) -> int:
    from rdkit import Chem

    if match["number"]:
        return int(match["number"])
    return int(Chem.GetPeriodicTable().GetAtomicNumber(match["symbol"].capitalize()))
