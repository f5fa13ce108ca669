"""Identity of molecules and compounds, as numbers that can be stored in a column.

RDKit is imported on first use.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from molweight.arrays import Uint64Array
from molweight.datasets._parse import parse
from molweight.datasets._scaffold import murcko_scaffold
from molweight.graphs import MoleculeDataset, TargetSpec, target_column
from molweight.graphs.internal import canonical_text, guarded_list, rdkit_version

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["identities", "number_of", "structure", "without_isotopes"]

_ISOTOPE: Final = re.compile(r"\[\d")
"""Begin of an atom with a mass number in a SMILES."""


@cache
def identity() -> TargetSpec:
    """Two 64-bit numbers per molecule: a hash of its canonical SMILES, and one of its compound.

    The compound is RDKit's ``HetAtomTautomer`` hash of the largest fragment without stereochemistry, with the number of
    hydrogens minus the charge. It is equal for acid and base, for different counter-ions, for stereoisomers, and for
    tautomers that differ in the positions of hydrogens on heteroatoms. Equal molecules have equal numbers; among a
    million different ones, two share a number with a probability of 3e-8. Both depend on the version of RDKit, which is
    part of the name.
    """
    return TargetSpec(f"identity_rdkit_{_version()}", 4, 2, "uint64", _numbers)


@cache
def structure() -> TargetSpec:
    """A 64-bit number of each molecule's scaffold (0 without a ring), and its number of undefined stereocentres."""
    return TargetSpec(f"structure_rdkit_{_version()}", 2, 2, "uint64", _structures)


def _version() -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in rdkit_version())


def identities(data: MoleculeDataset, *, n_jobs: int | None = None, progress: bool = False) -> Uint64Array:
    """The two numbers of :func:`identity` for each molecule; those of its SMILES as written if RDKit does not finish.

    Args:
        data: The molecules, ``n``.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        Keys of molecules and of compounds, ``n x 2``.
    """
    keys: Uint64Array = target_column(data, identity(), n_jobs=n_jobs, progress=progress).astype(np.uint64)
    for place in np.flatnonzero((keys == 0).all(axis=1)):
        keys[place] = number_of(data.smiles[int(place)])
    return keys


def without_isotopes(data: MoleculeDataset, compounds: Uint64Array) -> Uint64Array:
    """The compound keys of molecules as if all their atoms had the natural mixture of isotopes.

    Args:
        data: The molecules, ``n``.
        compounds: Their compound keys from :func:`identities`, ``n``.

    Returns:
        ``n`` keys; that with isotopes if RDKit does not finish.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["CC(=O)O", "[13CH3]C(=O)[O-].[Na+]"], cache=False)
        >>> keys = identities(data)[:, 1]
        >>> bool(keys[0] == keys[1]), len(set(without_isotopes(data, keys).tolist()))
        (False, 1)
    """
    marked = [place for place, text in enumerate(data.smiles) if _ISOTOPE.search(text)]
    if not marked:
        return compounds
    compute = guarded_list(_unmarked, _unknown, "recognising its compound")
    found = np.array(compute([data.smiles[place] for place in marked]), dtype=np.uint64)
    keys = compounds.copy()
    keys[marked] = np.where(found == 0, compounds[marked], found)
    return keys


def number_of(text: str) -> int:
    """A 64-bit hash of a text; 0 for an empty one."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") if text else 0


def _numbers(smiles: Sequence[str]) -> np.ndarray:
    numbers = np.empty((len(smiles), 2), dtype=np.uint64)
    for row, text in enumerate(smiles):
        molecule = parse(text)
        numbers[row] = number_of(canonical_text(molecule)), number_of(_compound(molecule))
    return numbers


def _unmarked(smiles: Sequence[str]) -> list[int]:
    """Compound keys of molecules without their isotopes."""
    numbers = []
    for text in smiles:
        molecule = parse(text)
        for atom in molecule.GetAtoms():
            atom.SetIsotope(0)
        numbers.append(number_of(_compound(molecule)))
    return numbers


def _unknown(_: str) -> int:
    return 0


def _compound(molecule: "Mol") -> str:
    from rdkit import Chem
    from rdkit.Chem.rdMolHash import HashFunction, MolHash

    Chem.RemoveStereochemistry(molecule)
    if molecule.GetNumHeavyAtoms() < molecule.GetNumAtoms():
        molecule = Chem.RemoveHs(molecule)  # RDKit keeps the hydrogen of ``[H]/N=C(/C)N``, which marks a configuration
    fragments = Chem.GetMolFrags(molecule, asMols=True)
    if len(fragments) > 1:
        molecule = max(fragments, key=lambda part: (part.GetNumHeavyAtoms(), Chem.MolToSmiles(part)))
    skeleton, hydrogens, charge = MolHash(molecule, HashFunction.HetAtomTautomer).rsplit("_", 2)
    return f"{skeleton} {int(hydrogens) - int(charge)}"


def _structures(smiles: Sequence[str]) -> np.ndarray:
    from rdkit import Chem

    numbers = np.empty((len(smiles), 2), dtype=np.uint64)
    for row, text in enumerate(smiles):
        places = Chem.FindPotentialStereo(parse(text))
        undefined = [
            place
            for place in places
            if place.type == Chem.StereoType.Atom_Tetrahedral and place.specified == Chem.StereoSpecified.Unspecified
        ]
        numbers[row] = number_of(murcko_scaffold(text)), len(undefined)
    return numbers
