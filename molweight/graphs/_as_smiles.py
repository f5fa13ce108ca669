"""Reading and writing of SMILES by RDKit, common to all parts of molweight."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from molweight.errors import DataError
from molweight.graphs._explain import odd_character

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["as_smiles", "canonical_text", "is_missing", "parse_molecule", "read_smiles", "written"]


def as_smiles(molecules: Iterable[Any], name: str = "molecules") -> list[str]:
    """SMILES of molecules given as SMILES or as RDKit molecules; missing values become empty.

    Args:
        molecules: The molecules.
        name: Their name in messages.

    Returns:
        One text per molecule, without surrounding blanks; RDKit's molecules are written canonically, with
        stereochemistry.

    Raises:
        DataError: If ``molecules`` is a single text, or an item is neither.

    Example:
        >>> from rdkit import Chem
        >>> as_smiles(["CCO ", Chem.MolFromSmiles("OCC"), None])
        ['CCO', 'CCO', '']
    """
    if isinstance(molecules, str):
        raise DataError(
            f"{name}: smiles must be a sequence of SMILES, got the string {molecules[:60]!r}. Use [smiles]."
        )
    return [_text(item, position, name) for position, item in enumerate(molecules)]


def is_missing(item: object) -> bool:
    """Whether a value is how Python, NumPy or pandas writes a missing one: ``None``, NaN or ``pd.NA``.

    Example:
        >>> import pandas as pd
        >>> [is_missing(item) for item in (None, float("nan"), pd.NA, "", 0)]
        [True, True, True, False, False]
    """
    if item is None or isinstance(item, str):
        return item is None
    from pandas import NA

    return item is NA or (isinstance(item, float | np.floating) and bool(np.isnan(item)))


def written(item: Any) -> Any:
    """An RDKit molecule as canonical SMILES; anything else unchanged.

    Example:
        >>> from rdkit import Chem
        >>> written(Chem.MolFromSmiles("OCC")), written("OCC")
        ('CCO', 'OCC')
    """
    if isinstance(item, str) or item is None:
        return item
    from rdkit.Chem import Mol

    return canonical_text(item) if isinstance(item, Mol) else item


def canonical_text(molecule: "Mol") -> str:
    """The canonical SMILES, or CXSMILES for racemic or relative centres, which a SMILES cannot express.

    Example:
        >>> from rdkit import Chem
        >>> [canonical_text(Chem.MolFromSmiles(text)) for text in ("C[C@H](O)F", "C[C@@H](O)F |&1:1|")]
        ['C[C@H](O)F', 'C[C@H](O)F |&1:1|']
    """
    from rdkit import Chem

    if all(str(group.GetGroupType()) == "STEREO_ABSOLUTE" for group in molecule.GetStereoGroups()):
        return str(Chem.MolToSmiles(molecule))
    copied = Chem.Mol(molecule)
    Chem.CanonicalizeEnhancedStereo(copied)
    return str(Chem.MolToCXSmiles(copied, Chem.SmilesWriteParams(), Chem.CXSmilesFields.CX_ENHANCEDSTEREO))


def _text(item: Any, position: int, name: str) -> str:
    if isinstance(item, str):
        return item.strip()
    if is_missing(item):
        return ""
    from rdkit.Chem import Mol

    if isinstance(item, Mol):
        return canonical_text(item)
    raise DataError(
        f"{name}, position {position}: {item!r} is {type(item).__name__}, not a SMILES string or an RDKit molecule."
    )


def read_smiles(text: str) -> "Mol | None":
    r"""The molecule, as parsed by RDKit; ``None`` if RDKit refuses the text or cannot receive it.

    Args:
        text: A SMILES. RDKit cannot receive surrogates, and drops some characters that cannot occur in a SMILES.

    Example:
        >>> read_smiles("CCO").GetNumAtoms(), read_smiles("CC\u0421")
        (3, None)
    """
    from rdkit import Chem

    return None if odd_character(text) else Chem.MolFromSmiles(text)


def parse_molecule(smiles: str) -> "Mol | None":
    """The molecule without atom-map numbers, which are not part of it; ``None`` if RDKit refuses the text.

    RDKit distinguishes atoms by map numbers, so a carbon with two methyl groups of different numbers counts as a
    stereocentre. Stereochemistry is assigned again without them.

    Args:
        smiles: A SMILES.

    Example:
        >>> from rdkit import Chem
        >>> Chem.MolToSmiles(parse_molecule("C[C@H:1]([CH3:2])O"))
        'CC(C)O'
    """
    from rdkit import Chem

    molecule = read_smiles(smiles)
    if molecule is None or ":" not in smiles:
        return molecule
    mapped = [atom for atom in molecule.GetAtoms() if atom.GetAtomMapNum()]
    for atom in mapped:
        atom.SetAtomMapNum(0)
    if mapped:
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True, flagPossibleStereoCenters=True)
    return molecule
