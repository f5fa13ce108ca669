"""One conformer per molecule; RDKit is imported on first use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import Float32Array
from molweight.descriptors.internal import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["conformers"]


_SEED: Final = 0xF00D
_ATTEMPTS: Final = 20
"""Number of embedding attempts for a fragment before random coordinates are used."""
_APART: Final = 100.0
"""Distance in Angstrom between the fragments of a salt, whose relative positions are unknown."""


def conformers(smiles: Sequence[str]) -> Float32Array:
    """Positions of the atoms of each molecule, in Angstrom: one conformer of ETKDGv3 without a force field.

    Hydrogen atoms are embedded but not returned. The fragments of a salt are embedded separately and placed 100
    Angstrom apart. The same SMILES gives the same positions.

    Source: Riniker & Landrum, J. Chem. Inf. Model. 55, 2562 (2015); Wang et al., J. Chem. Inf. Model. 60, 2044 (2020).

    Args:
        smiles: ``n`` molecules that RDKit can parse, with ``A`` atoms in all.

    Returns:
        ``A x 3``; NaN for all atoms of a molecule that has no conformer.

    Example:
        >>> ethane, iron = conformers(["CC"]), conformers(["[Fe]"])
        >>> round(float(np.linalg.norm(ethane[0] - ethane[1])), 1), iron.tolist()
        (1.5, [[0.0, 0.0, 0.0]])
    """
    parts = [_positions(text) for text in smiles]
    return np.concatenate(parts) if parts else np.empty((0, 3), dtype=np.float32)


def _positions(smiles: str) -> Float32Array:
    from rdkit import Chem

    molecule = parse_smiles(smiles)
    places: list[tuple[int, ...]] = []
    pieces = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=places)
    found = np.full((molecule.GetNumAtoms(), 3), np.nan, dtype=np.float32)
    start = 0.0
    for piece, atoms in zip(pieces, places, strict=True):
        embedded = _embed(piece)
        if embedded is None:
            return np.full_like(found, np.nan)
        embedded[:, 0] += start - embedded[:, 0].min()
        start = float(embedded[:, 0].max()) + _APART
        found[list(atoms)] = embedded
    return found


def _embed(fragment: "Mol") -> Float32Array | None:
    """Positions of the heavy atoms of one fragment; ``None`` if the embedding fails."""
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    if fragment.GetNumAtoms() == 1:
        return np.zeros((1, 3), dtype=np.float32)
    whole = Chem.AddHs(fragment)
    parameters: Any = rdDistGeom.ETKDGv3()  # its stubs lack the plain attributes
    parameters.randomSeed, parameters.maxIterations = _SEED, _ATTEMPTS
    if rdDistGeom.EmbedMolecule(whole, parameters) < 0:
        parameters.useRandomCoords = True
        if rdDistGeom.EmbedMolecule(whole, parameters) < 0:
            return None
    positions: Float32Array = whole.GetConformer().GetPositions()[: fragment.GetNumAtoms()].astype(np.float32)
    return positions
