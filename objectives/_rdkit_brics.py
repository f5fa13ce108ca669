"""Molecules cut at BRICS bonds; RDKit is imported on first use."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from molweight.descriptors.internal import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["cut_places", "fragment_hash", "fragments", "motif_codes"]


def fragments(molecule: "Mol") -> Iterator[tuple[str, list[int]]]:
    """The fragments that remain when all BRICS bonds are cut.

    Args:
        molecule: The molecule.

    Yields:
        RDKit's SMILES of the fragment, with numbered attachment points, and its atoms in ascending order.

    Example:
        >>> [(smiles, atoms) for smiles, atoms in fragments(parse_smiles("CCOCCC"))]
        [('[4*]CC', [0, 1]), ('[3*]O[3*]', [2]), ('[4*]CCC', [3, 4, 5])]
    """
    from rdkit import Chem
    from rdkit.Chem import BRICS

    atoms: list[tuple[int, ...]] = []
    cut: Callable[[Mol], Mol] = BRICS.BreakBRICSBonds  # RDKit's Python parts have no types
    broken = cut(molecule)
    pieces = Chem.GetMolFrags(broken, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    for piece, places in zip(pieces, atoms, strict=True):
        yield Chem.MolToSmiles(piece), sorted(place for place in places if place < molecule.GetNumAtoms())


def fragment_hash(smiles: str) -> int:
    """A hash of a fragment: not 0, in the range of int32.

    Among a million fragments about a hundred pairs share their number by chance.

    Example:
        >>> fragment_hash("[16*]c1ccccc1") == fragment_hash("[14*]c1ncccn1")
        False
    """
    number = int.from_bytes(blake2b(smiles.encode(), digest_size=4).digest(), "little", signed=True)
    return number or 1


def motif_codes(smiles: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """The BRICS fragments of molecules.

    Args:
        smiles: ``n`` molecules that RDKit can parse, with ``A`` atoms in all.

    Returns:
        ``A x 1``: at the first atom of each fragment the fragment's number, 0 at all others.
    """
    codes = []
    for text in smiles:
        molecule = parse_smiles(text)
        code = np.zeros((molecule.GetNumAtoms(), 1), dtype=np.int32)
        for fragment, atoms in fragments(molecule):
            code[atoms[0]] = fragment_hash(fragment)
        codes.append(code)
    return np.concatenate(codes)


def cut_places(smiles: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """The fragment of each atom, and the atoms at which fragments can be joined.

    Fragments remain when all BRICS bonds are cut; a fragment without such a bond (a counter-ion, or a molecule that
    BRICS does not cut) has no number. The others are numbered by their size in atoms, the smallest first, with ties by
    the lowest of RDKit's canonical ranks, so that a number does not depend on how the SMILES is
    written. The *head* of a fragment is its lowest-ranking atom at a cut bond, its *tail* the highest-ranking one; they
    are the same only in a fragment of one atom, or if no other atom is available.

    Args:
        smiles: ``n`` molecules that RDKit can parse, with ``A`` atoms in all.

    Returns:
        ``A x 2``: number of the atom's fragment from 1, or 0 without one; and 1 for a head, 2 for a tail, 3 for both, 0
        else.

    Example:
        >>> cut_places(["CCOCCC"]).tolist()
        [[2, 2], [2, 1], [1, 3], [3, 1], [3, 2], [3, 0]]
    """
    return np.concatenate([_places(parse_smiles(text)) for text in smiles])


def _places(molecule: "Mol") -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    from rdkit import Chem
    from rdkit.Chem import BRICS

    places = np.zeros((molecule.GetNumAtoms(), 2), dtype=np.int16)
    find: Callable[[Mol], Iterable[tuple[tuple[int, int], object]]] = BRICS.FindBRICSBonds
    cut = [molecule.GetBondBetweenAtoms(*ends).GetIdx() for ends, _ in find(molecule)]
    if not cut:
        return places
    rank = list(Chem.CanonicalRankAtoms(molecule))
    ends = {end for bond in map(molecule.GetBondWithIdx, cut) for end in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())}
    pieces = Chem.GetMolFrags(Chem.FragmentOnBonds(molecule, cut, addDummies=False))
    joinable = [sorted(piece, key=rank.__getitem__) for piece in pieces if ends.intersection(piece)]
    for number, piece in enumerate(sorted(joinable, key=lambda atoms: (len(atoms), rank[atoms[0]])), start=1):
        head = next(atom for atom in piece if atom in ends)
        tail = next((atom for atom in reversed(piece) if atom != head), head)
        places[list(piece), 0] = number
        places[head, 1] += 1
        places[tail, 1] += 2
    return places
