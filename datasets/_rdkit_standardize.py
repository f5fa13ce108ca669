"""Standard forms of molecules, by RDKit's MolStandardize."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from rdkit import Chem, rdBase  # noqa: TID253 - this module is imported inside functions only
from rdkit.Chem import Mol  # noqa: TID253 - this module is imported inside functions only
from rdkit.Chem.MolStandardize import rdMolStandardize  # noqa: TID253 - this module is imported inside functions only

from molweight.graphs.internal import read_smiles

__all__ = ["STEPS", "standardize_chunk"]

STEPS: Final = ("salts", "charges", "tautomers")
"""The steps, in the order of application."""


@cache
def _step(name: str) -> Callable[[Mol], Mol]:
    """The function of a step; cached, because RDKit reads its rule tables each time."""
    made: dict[str, Callable[[], Callable[[Mol], Mol]]] = {
        "salts": lambda: rdMolStandardize.LargestFragmentChooser(preferOrganic=True).choose,
        "charges": lambda: rdMolStandardize.Uncharger().uncharge,
        "tautomers": lambda: rdMolStandardize.TautomerEnumerator().Canonicalize,
    }
    return made[name]()


def standardize_chunk(smiles: Sequence[str], steps: Sequence[str]) -> list[tuple[str, bool]]:
    """The standard form of each SMILES, as canonical SMILES; unchanged if it cannot be parsed.

    A step is left out for a molecule if RDKit fails in it, or cannot read its result.

    Args:
        smiles: The molecules.
        steps: Some of ``STEPS``; applied in that order, after RDKit's clean-up of functional groups and metals.

    Returns:
        As many SMILES, each with whether all steps were applied.
    """
    chosen = [rdMolStandardize.Cleanup, *(_step(step) for step in STEPS if step in steps)]
    with rdBase.BlockLogs():
        return [_standard(text, chosen) for text in smiles]


def _standard(text: str, steps: Sequence[Callable[[Mol], Mol]]) -> tuple[str, bool]:
    molecule = read_smiles(text)
    if molecule is None or molecule.GetNumAtoms() == 0:
        return text, True
    found, applied = Chem.MolToSmiles(molecule), True
    for step in steps:
        changed = _valid(step, molecule, found)
        if changed is None:
            applied = False
        else:
            molecule, found = changed
    return found, applied


def _valid(step: Callable[[Mol], Mol], molecule: Mol, before: str) -> tuple[Mol, str] | None:
    """The molecule after a step and its SMILES; ``None`` if RDKit fails or cannot read it again.

    The clean-up writes a sydnone as an aromatic ring without charges, which has no Kekule structure. An uncharger that
    moves a proton to hexafluorophosphate makes a phosphorus of valence 7. An unchanged molecule is not read again: that
    would add half to the time of ``salts``.
    """
    try:
        changed = step(molecule)
    except Chem.MolSanitizeException:
        return None
    text = Chem.MolToSmiles(changed)
    return (changed, text) if text == before or Chem.MolFromSmiles(text) is not None else None
