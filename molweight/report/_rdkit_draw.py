"""Molecules as drawings of a page; RDKit is imported when one is drawn."""

from typing import Any, Final

from markupsafe import Markup

from molweight.report._svg import as_element

__all__ = ["draw_molecule"]

_WIDTH, _HEIGHT, _BOND = 240, 180, 26
_PALETTE: Final = {
    7: ("#000007", "var(--n)"),
    8: ("#000008", "var(--o)"),
    9: ("#000009", "var(--x)"),
    15: ("#00000F", "var(--p)"),
    16: ("#000010", "var(--p)"),
    17: ("#000011", "var(--x)"),
    35: ("#000023", "var(--x)"),
    53: ("#000035", "var(--x)"),
}
"""By atomic number: what RDKit is told to draw with, and the colour of the page that stands in its place."""
_COLOURS: Final = {"#000000": "currentColor", **dict(_PALETTE.values())}


def draw_molecule(smiles: str, key: str, description: str) -> Markup:
    """The structure formula of a molecule.

    Args:
        smiles: The molecule.
        key: Name of the drawing, unique on its page.
        description: What there is to know of it.

    Returns:
        An ``svg`` element in the colours of the page; empty for what is no molecule.
    """
    from rdkit.Chem import MolFromSmiles
    from rdkit.Chem.Draw import rdMolDraw2D

    molecule: Any = MolFromSmiles(smiles)
    if molecule is None:
        return Markup()
    drawer = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.fixedBondLength = _BOND
    options.setAtomPalette({-1: (0.0, 0.0, 0.0), **{number: _rgb(code) for number, (code, _) in _PALETTE.items()}})
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
    drawer.FinishDrawing()
    return as_element(drawer.GetDrawingText(), key, f"Structure of {smiles}", description, _COLOURS)


def _rgb(code: str) -> tuple[float, float, float]:
    return (int(code[1:3], 16) / 255, int(code[3:5], 16) / 255, int(code[5:7], 16) / 255)
