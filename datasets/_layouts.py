"""Exports of public databases, recognised by their columns."""

from dataclasses import dataclass

from molweight.datasets._numbers import is_missing
from molweight.datasets._table import TextTable
from molweight.errors import mention

__all__ = ["Layout", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """What is known of an export.

    Args:
        title: Where it comes from.
        targets: Its label columns.
        said: What is proposed, in words.
    """

    title: str
    targets: tuple[str, ...]
    said: str


def layout_of(table: TextTable) -> Layout | None:
    r"""The layout of a table; ``None`` where it is not one of those known.

    Example:
        >>> from molweight.datasets._table import parse_table
        >>> text = "Smiles;Standard Relation;Standard Value;Standard Units;pChEMBL Value\nC;'=';10;nM;8\n"
        >>> layout_of(parse_table(text, "chembl.csv")).targets
        ('pChEMBL Value',)
    """
    names = {name.strip().lower().replace("_", " "): name for name in table.columns}
    return _chembl(table, names) or _pubchem(table, names)


def _chembl(table: TextTable, names: dict[str, str]) -> Layout | None:
    value, scaled = names.get("standard value"), names.get("pchembl value")
    if value is None or scaled is None or table.columns.count(scaled) > 1:
        return None
    known = [not is_missing(cell) for cell in table.cells(scaled)]
    kind = names.get("standard type")
    types = sorted(set(table.cells(kind)) - {""}) if kind and table.columns.count(kind) == 1 else []
    mixture = f" Different measurements are mixed: {', '.join(types[:6])}." if len(types) > 1 else ""
    if not any(known):
        return None
    return Layout(
        "ChEMBL",
        (scaled,),
        f"an export of ChEMBL: the labels are column {scaled!r}, known in {sum(known)} of {len(known)} rows. "
        f"'p({value})' as target takes -log10 of {value!r} with its units and relations, so that the other rows count "
        f"as bounds: {mention('targets', [f'p({value})'])}.{mixture}",
    )


def _pubchem(table: TextTable, names: dict[str, str]) -> Layout | None:
    outcome = names.get("pubchem activity outcome")
    if outcome is None or not {"active", "inactive"} <= {cell.lower() for cell in table.cells(outcome)}:
        return None
    standard = {name for name in table.columns if name.upper().startswith("PUBCHEM_")}
    others = [name for name in table.columns if name not in standard]
    more = (
        f" Numbers are in: {', '.join(repr(name) for name in others[:6])}; {mention('targets', [...])}."
        if others
        else ""
    )
    return Layout("PubChem", (outcome,), f"a table of PubChem: the labels are column {outcome!r}.{more}")
