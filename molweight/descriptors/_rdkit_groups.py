"""Counts of RDKit's functional groups; RDKit is imported on first use."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from molweight.arrays import Uint8Array
from molweight.descriptors._parse import parse_smiles
from molweight.errors import DataError

if TYPE_CHECKING:
    from molweight.descriptors._rdkit_screen import Screen

__all__ = ["GROUPS", "count_groups"]

_NAMES: Final = """
C_O C_O_noCOO Al_OH Ar_OH methoxy oxime ester Al_COO Ar_COO COO COO2 ketone ether phenol aldehyde quatN NH2 NH1 NH0
Ar_N Ar_NH aniline Imine nitrile hdrzine hdrzone nitroso N_O nitro azo diazo azide amide priamide amidine guanido
Nhpyrrole imide isocyan isothiocyan thiocyan halogen alkyl_halide sulfide SH C_S sulfone sulfonamd prisulfonamd
barbitur urea term_acetylene imidazole furan thiophene thiazole oxazole pyridine piperdine piperzine morpholine
lactam lactone tetrazole epoxide unbrch_alkane bicyclic benzene phos_acid phos_ester nitro_arom nitro_arom_nonortho
dihydropyridine phenol_noOrthoHbond Al_OH_noTert benzodiazepine para_hydroxylation allylic_oxid aryl_methyl
Ndealkylation1 Ndealkylation2 alkyl_carbamate ketone_Topliss ArN HOCCN
"""

GROUPS: Final = tuple(f"fr_{name}" for name in _NAMES.split())
"""Names of the groups, in the order of RDKit's own table."""


def count_groups(smiles: Sequence[str]) -> Uint8Array:
    """How often each functional group occurs in each molecule, by RDKit's definitions.

    The counts equal those of ``rdkit.Chem.Fragments``, with the same patterns; patterns with an element that the
    molecule lacks are skipped.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Counts, ``n x 85``, at most 255.

    Raises:
        DataError: If a molecule cannot be parsed, or RDKit's table has no such group.

    Example:
        >>> counts = count_groups(["CC(=O)O", "c1ccccc1"])
        >>> [name for name, count in zip(GROUPS, counts[1]) if count]
        ['fr_benzene']
    """
    counts = np.zeros((len(smiles), len(GROUPS)), dtype=np.uint8)
    screen = _screen()
    for row, text in enumerate(smiles):
        molecule = parse_smiles(text)
        numbers = [molecule.GetAtomWithIdx(index).GetAtomicNum() for index in range(molecule.GetNumAtoms())]
        for column, query in screen.possible(numbers):
            counts[row, column] = min(len(molecule.GetSubstructMatches(query)), 255)
    return counts


@cache
def _screen() -> "Screen":
    from rdkit import RDConfig
    from rdkit.Chem import MolFromSmarts

    from molweight.descriptors._rdkit_screen import Screen

    table = Path(RDConfig.RDDataDir) / "FragmentDescriptors.csv"
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    patterns = {row[0].replace("=", "_").replace("-", "_"): row[2] for row in rows if len(row) > 2}  # noqa: PLR2004 - name, text, SMARTS
    missing = [name for name in GROUPS if name not in patterns]
    if missing:
        raise DataError(f"{table} does not define {missing[0]}; install the version of RDKit in constraints.txt.")
    return Screen([MolFromSmarts(patterns[name]) for name in GROUPS])
