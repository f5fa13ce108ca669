"""Units of the numbers in a label column: in the cells, in a column of units, in the name of the column."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from molweight.arrays import BoolArray
from molweight.datasets._numbers import is_missing, molar_factor, unit_in_name

__all__ = ["RowUnits", "same_unit", "stated_unit"]

_PERCENT: Final = re.compile(r".*[(\[]\s*%\s*[)\]]\s*")
_MICRO: Final = str.maketrans({"\u00b5": "u", "\u03bc": "u"})


def same_unit(one: str, other: str) -> bool:
    """Whether two texts mean the same unit.

    Example:
        >>> same_unit("uM", "MICROMOLAR"), same_unit("mg/l", "mg/L"), same_unit("nM", "uM"), same_unit("nM", "")
        (True, True, False, False)
    """
    return _key(one) == _key(other)


def _key(unit: str) -> str:
    factor = molar_factor(unit)
    return unit.strip().translate(_MICRO).casefold() if factor is None else f"{factor:g} mol/l"


def stated_unit(name: str, described: Mapping[str, str]) -> str:
    """The unit in the name of a column, or in the rows that describe the columns; empty if neither states one.

    Args:
        name: Name of the column.
        described: Units from such rows, by column.

    Example:
        >>> stated_unit("IC50 (nM)", {}), stated_unit("inhibition (%)", {}), stated_unit("Potency", {"Potency": "uM"})
        ('nM', '%', 'uM')
    """
    return unit_in_name(name) or described.get(name, "") or ("%" if _PERCENT.fullmatch(name) else "")


@dataclass(frozen=True)
class RowUnits:
    """The unit of each number in a column.

    A unit in the cell counts for that cell only; other cells have the unit in the column of units, or the stated one.

    Args:
        written: The unit in each cell; empty if no cell has one.
        listed: The cells of the column of units; empty without such a column.
        stated: The unit in the name or the description of the column; empty for none.
        known: Which cells hold a readable number.

    Example:
        >>> units = RowUnits(["", "uM", ""], [], "nM", np.array([True, True, True]))
        >>> units.used, units.foreign, units.counts
        (['nM', 'uM', 'nM'], [1], '1 label in uM (written in the cell), 2 in nM (stated for the column)')
    """

    written: Sequence[str]
    listed: Sequence[str]
    stated: str
    known: BoolArray

    @cached_property
    def cells(self) -> list[str]:
        """The unit in each cell; empty for none."""
        return [unit.strip() for unit in self.written] or [""] * len(self.known)

    @cached_property
    def column(self) -> list[str]:
        """The unit of each row in the column of units; empty for none."""
        return ["" if is_missing(unit) else unit.strip() for unit in self.listed] or [""] * len(self.known)

    @cached_property
    def used(self) -> list[str]:
        """The unit that applies to each row; empty if it is unknown."""
        return [cell or row or self.stated for cell, row in zip(self.cells, self.column, strict=True)]

    @cached_property
    def contradictory(self) -> list[int]:
        """The numbers whose cell has another unit than the column of units."""
        rows = [int(row) for row in np.flatnonzero(self.known)] if self.written and self.listed else []
        both = [row for row in rows if self.cells[row] and self.column[row]]
        return [row for row in both if not same_unit(self.cells[row], self.column[row])]

    @cached_property
    def foreign(self) -> list[int]:
        """The numbers in another unit than the rest of the column; without a rest, all that have one in their cell.

        Of the units in the column of units, the most common one is that of the rest.
        """
        if len(self._keys(self._rows)) == 1:
            return []
        written = [
            row for row in self._rows
            if self.cells[row] and not same_unit(self.cells[row], self.column[row] or self.stated)
        ]  # fmt: skip
        out = set(written)
        listed = {row: _key(self.column[row]) for row in self._rows if row not in out and self.column[row]}
        usual = Counter(listed.values()).most_common(1)
        return sorted([*written, *(row for row, key in listed.items() if key != usual[0][0])])

    @cached_property
    def common(self) -> str:
        """The unit of all numbers but foreign and contradictory ones; empty if it is unknown or not the same."""
        if not self.written and not self.listed:
            return self.stated
        out = set(self.foreign)
        rows = [row for row in self._rows if row not in out]
        if not rows:
            return self.stated
        return next((self.used[row] for row in rows if self.used[row]), "") if len(self._keys(rows)) == 1 else ""

    @cached_property
    def counts(self) -> str:
        """The number of labels in each unit and its source, without contradictory ones; empty if all are alike."""
        found = Counter((self.used[row], self._source(row)) for row in self._rows)
        if len(found) <= 1 or not self.written:
            return ""
        first, *others = sorted(found.items(), key=lambda item: item[1])
        head = f"{first[1]} label{'s' * (first[1] > 1)} {_unit(*first[0])}"
        return ", ".join([head, *(f"{count} {_unit(*kind)}" for kind, count in others)])

    @cached_property
    def several(self) -> str:
        """The units of a column with foreign numbers, for messages."""
        return ", ".join(sorted({self.used[row] or "none" for row in self._rows}))

    @property
    def without(self) -> list[int]:
        """The numbers without any unit."""
        return [row for row in self._rows if not self.used[row]]

    @cached_property
    def _rows(self) -> list[int]:
        """The numbers that are not contradictory."""
        out = set(self.contradictory)
        return [row for row in np.flatnonzero(self.known).tolist() if row not in out]

    def _keys(self, rows: Sequence[int]) -> set[str]:
        """The different units of some rows; a percent sign next to plain numbers is no other unit, but noted."""
        keys = {_key(unit) for unit in {self.used[row] for row in rows}}
        return {"%"} if keys == {"", "%"} else keys

    def _source(self, row: int) -> str:
        if self.cells[row]:
            return "written in the cell"
        return "in the column of units" if self.column[row] else "stated for the column"


def _unit(unit: str, source: str) -> str:
    return f"in {unit} ({source})" if unit else "without a unit"
