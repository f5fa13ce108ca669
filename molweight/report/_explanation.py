"""A page of molecules with the attribution of their predictions to atoms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from molweight.arrays import FloatArray
from molweight.report._format import number
from molweight.report._rdkit_draw import draw_shares, strongest_atoms
from molweight.report._render import page
from molweight.report._section import Card, Section

__all__ = ["Explained", "render_explanation"]

_SHARES: Final = (
    "Each atom's share of the prediction, in {unit}: a Shapley value. The shares of a molecule and {start} add up to "
    "its output. Orange raises the output, blue lowers it; the strongest atom of each molecule has the full colour."
)
_HYDROCARBON: Final = "the output for the saturated hydrocarbon of the same skeleton"
_MIXED: Final = (
    "the output with its graph replaced by the saturated hydrocarbon of the same skeleton, other inputs unchanged (not "
    "the prediction for that hydrocarbon, whose features are different),"
)
_CARE: Final = (
    "Shares describe this model, not chemistry. In an ensemble only the graph members respond to single atoms, so "
    "shares are small if their weight is small. Some of the graphs that are evaluated mix atoms of the molecule and "
    "carbons, and are not valid molecules."
)


@dataclass(frozen=True, eq=False)
class Explained:
    """A prediction and the share of each atom in it.

    Args:
        row: Row of the molecule in its source.
        smiles: The molecule.
        target: Name of the target.
        output: The prediction; for classes its logit.
        reference: The output with the graph replaced by the saturated hydrocarbon of the same skeleton, and all other
            inputs unchanged.
        atoms: Share of each atom.
    """

    row: int
    smiles: str
    target: str
    output: float
    reference: float
    atoms: FloatArray


def render_explanation(name: str, found: Sequence[Explained], unit: str, *, graph_only: bool = True) -> str:
    """The page.

    Args:
        name: Name of the run.
        found: The predictions to draw.
        unit: Unit of the shares: ``"logits"``, or ``"units of the label"``.
        graph_only: Whether the model reads nothing but the graph, so that the reference is its prediction for the
            hydrocarbon.
    """
    words = [_SHARES.format(unit=unit, start=_HYDROCARBON if graph_only else _MIXED), _CARE]
    cards = [_card(place, item, graph_only=graph_only) for place, item in enumerate(found)]
    return page(
        f"{name}: atoms",
        "Atoms that the predictions of a run depend on",
        [Section("atoms", "Molecules", words, cards=cards)],
    )


def _card(place: int, item: Explained, *, graph_only: bool) -> Card:
    strongest, reference = strongest_atoms(item.atoms), number(item.reference)
    mixed = f"{reference} (graph replaced by the hydrocarbon, other inputs unchanged)"
    start = f"hydrocarbon {reference}" if graph_only else mixed
    said = f"{item.target}: {number(item.output)} = {start} and atoms {item.atoms.sum():+.4g}"
    svg = draw_shares(item.smiles, item.atoms, f"atoms{place}", f"{strongest}.")
    return Card(svg, [said, strongest, f"row {item.row}", item.smiles])
