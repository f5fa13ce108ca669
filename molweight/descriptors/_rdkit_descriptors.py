"""RDKit's 2D descriptors, with shared intermediate results; RDKit is imported on first use."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.arrays import Float32Array
from molweight.descriptors._parse import parse_smiles

__all__ = ["DESCRIPTORS", "compute_descriptors"]

_NAMES: Final = """
MaxAbsEStateIndex MaxEStateIndex MinAbsEStateIndex MinEStateIndex qed SPS MolWt HeavyAtomMolWt ExactMolWt
NumValenceElectrons NumRadicalElectrons MaxPartialCharge MinPartialCharge MaxAbsPartialCharge MinAbsPartialCharge
FpDensityMorgan1 FpDensityMorgan2 FpDensityMorgan3 BCUT2D_MWHI BCUT2D_MWLOW BCUT2D_CHGHI BCUT2D_CHGLO BCUT2D_LOGPHI
BCUT2D_LOGPLOW BCUT2D_MRHI BCUT2D_MRLOW AvgIpc BalabanJ BertzCT Chi0 Chi0n Chi0v Chi1 Chi1n Chi1v Chi2n Chi2v Chi3n
Chi3v Chi4n Chi4v HallKierAlpha Ipc Kappa1 Kappa2 Kappa3 LabuteASA PEOE_VSA1 PEOE_VSA10 PEOE_VSA11 PEOE_VSA12
PEOE_VSA13 PEOE_VSA14 PEOE_VSA2 PEOE_VSA3 PEOE_VSA4 PEOE_VSA5 PEOE_VSA6 PEOE_VSA7 PEOE_VSA8 PEOE_VSA9 SMR_VSA1
SMR_VSA10 SMR_VSA2 SMR_VSA3 SMR_VSA4 SMR_VSA5 SMR_VSA6 SMR_VSA7 SMR_VSA8 SMR_VSA9 SlogP_VSA1 SlogP_VSA10 SlogP_VSA11
SlogP_VSA12 SlogP_VSA2 SlogP_VSA3 SlogP_VSA4 SlogP_VSA5 SlogP_VSA6 SlogP_VSA7 SlogP_VSA8 SlogP_VSA9 TPSA EState_VSA1
EState_VSA10 EState_VSA11 EState_VSA2 EState_VSA3 EState_VSA4 EState_VSA5 EState_VSA6 EState_VSA7 EState_VSA8
EState_VSA9 VSA_EState1 VSA_EState10 VSA_EState2 VSA_EState3 VSA_EState4 VSA_EState5 VSA_EState6 VSA_EState7
VSA_EState8 VSA_EState9 FractionCSP3 HeavyAtomCount NHOHCount NOCount NumAliphaticCarbocycles
NumAliphaticHeterocycles NumAliphaticRings NumAmideBonds NumAromaticCarbocycles NumAromaticHeterocycles
NumAromaticRings NumAtomStereoCenters NumBridgeheadAtoms NumHAcceptors NumHDonors NumHeteroatoms NumHeterocycles
NumRotatableBonds NumSaturatedCarbocycles NumSaturatedHeterocycles NumSaturatedRings NumSpiroAtoms
NumUnspecifiedAtomStereoCenters Phi RingCount MolLogP MolMR
"""

DESCRIPTORS: Final = tuple(_NAMES.split())
"""Names of the descriptors: ``rdkit.Chem.Descriptors.descList`` of RDKit 2026.9 without the ``fr_*`` counts."""

_COLUMN: Final = {name: column for column, name in enumerate(DESCRIPTORS)}


def compute_descriptors(smiles: Sequence[str]) -> Float32Array:
    """RDKit's two-dimensional descriptors of each molecule.

    The values are those of RDKit's own functions; shared intermediate results (EState indices, Crippen contributions,
    the characteristic polynomial, the terms of QED) are computed once per molecule.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Values, ``n x 132``; NaN if undefined or outside the range of float32.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> values = compute_descriptors(["CCO"])
        >>> round(float(values[0, DESCRIPTORS.index("MolWt")]), 2)
        46.07
    """
    from molweight.descriptors._rdkit_shared import descriptor_values

    table = np.full((len(smiles), len(DESCRIPTORS)), np.nan)
    for row, text in enumerate(smiles):
        for name, value in descriptor_values(parse_smiles(text)).items():
            table[row, _COLUMN[name]] = value
    with np.errstate(over="ignore"):
        out = table.astype(np.float32)
    return np.where(np.isfinite(out), out, np.float32(np.nan))
