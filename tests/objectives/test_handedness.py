"""Conformers have the hand of their molecule, however it is written."""

import numpy as np
import pytest
from rdkit import Chem

from molweight.objectives.building_blocks import CONFORMERS

ALANINES = {"N[C@@H](C)C(=O)O": 1.0, "C[C@H](N)C(=O)O": 1.0, "N[C@H](C)C(=O)O": -1.0, "OC(=O)[C@@H](C)N": -1.0}
"""L-alanine twice, D-alanine twice, with the sign of the volume that CO, R and N span.

By the CORN rule these read clockwise in L-amino acids, seen from the hydrogen: the volume is positive.
"""


@pytest.mark.parametrize("smiles", ALANINES)
def test_positions_have_the_hand_of_the_molecule(smiles: str) -> None:
    positions = CONFORMERS([smiles])
    pattern = Chem.MolFromSmarts("[NH2][CH]([CH3])C(=O)[OH]")
    nitrogen, centre, side, acid, *_ = Chem.MolFromSmiles(smiles).GetSubstructMatch(pattern)
    spanned = positions[[acid, side, nitrogen]] - positions[centre]
    volume = np.linalg.det(spanned)
    assert abs(volume) > 1
    assert np.sign(volume) == ALANINES[smiles]
