"""Drawings of molecules; RDKit is imported on first use."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from molweight.arrays import FloatArray
from molweight.graphs.internal import guarded_list
from molweight.report._svg import as_element

__all__ = ["draw_molecule", "draw_shares", "strongest_atoms"]


_WIDTH, _HEIGHT, _BOND = 300, 210, 40
_LEVELS: Final = 12
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
"""By atomic number: the colour that RDKit draws with, and the page's colour that replaces it."""
_COLOURS: Final = {"#000000": "currentColor", **dict(_PALETTE.values())}


def draw_molecule(smiles: str, key: str, description: str) -> Markup:
    """The structural formula of a molecule.

    Args:
        smiles: The molecule.
        key: Name of the drawing, unique on its page.
        description: Long description of the drawing.

    Returns:
        An ``svg`` element in the colours of the page; empty for an invalid SMILES.
    """
    return _draw(smiles, {}, key, description)


def draw_shares(smiles: str, shares: FloatArray, key: str, description: str) -> Markup:
    """The structural formula of a molecule with atoms coloured by their shares.

    Args:
        smiles: The molecule.
        shares: One per atom; the largest magnitude gets the full colour.
        key: Name of the drawing, unique on its page.
        description: Long description of the drawing.

    Returns:
        An ``svg`` element in the colours of the page; empty for an invalid SMILES.
    """
    strongest = float(np.abs(shares).max(initial=0.0)) or 1.0
    levels = [round(_LEVELS * float(share) / strongest) for share in shares]
    return _draw(smiles, {atom: level for atom, level in enumerate(levels) if level}, key, description)


def strongest_atoms(shares: FloatArray, most: int = 3) -> str:
    """The atoms with the largest shares, as text.

    Example:
        >>> strongest_atoms(np.array([0.5, -2.0, 0.0]), most=2)
        'Strongest: atom 1 -2, atom 0 +0.5'
    """
    order = np.argsort(-np.abs(shares), kind="stable")[:most]
    return f"Strongest: {', '.join(f'atom {int(atom)} {shares[atom]:+.3g}' for atom in order)}"


def _draw(smiles: str, levels: dict[int, int], key: str, description: str) -> Markup:
    svg = guarded_list(partial(_drawings, levels=levels), _nothing, "is not drawn; its drawing")([smiles])[0]
    if not svg:
        return Markup()
    shades = dict(map(_shade, levels.values()))
    return as_element(svg, key, f"Structure of {smiles}", description, {**_COLOURS, **shades})


def _nothing(_: str) -> str:
    return ""


def _drawings(smiles: Sequence[str], levels: dict[int, int]) -> list[str]:
    """The SVG of each molecule; empty for an invalid SMILES."""
    return [_drawing(text, levels) for text in smiles]


def _drawing(smiles: str, levels: dict[int, int]) -> str:
    from rdkit.Chem import MolFromSmiles
    from rdkit.Chem.Draw import rdMolDraw2D

    molecule: Any = MolFromSmiles(smiles)
    if molecule is None:
        return ""
    drawer = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.fixedBondLength = _BOND
    options.minFontSize = 12
    options.setAtomPalette({-1: (0.0, 0.0, 0.0), **{number: _rgb(code) for number, (code, _) in _PALETTE.items()}})
    marks: dict[str, Any] = {
        "highlightAtoms": list(levels),
        "highlightBonds": [],
        "highlightAtomColors": {atom: _rgb(_shade(level)[0]) for atom, level in levels.items()},
        "highlightAtomRadii": dict.fromkeys(levels, 0.4),
    }
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule, **(marks if levels else {}))
    drawer.FinishDrawing()
    return str(drawer.GetDrawingText())


def _shade(level: int) -> tuple[str, str]:
    """Highlight colours of RDKit and their replacements: orange raises the prediction, blue lowers it."""
    name = "--s2" if level > 0 else "--s1"
    share = round(70 * abs(level) / _LEVELS)
    return f"#{'05' if level > 0 else '06'}00{abs(level):02X}", f"color-mix(in srgb, var({name}) {share}%, transparent)"


def _rgb(code: str) -> tuple[float, float, float]:
    return (int(code[1:3], 16) / 255, int(code[3:5], 16) / 255, int(code[5:7], 16) / 255)
