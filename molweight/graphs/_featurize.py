"""SMILES to columnar molecules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from molweight.arrays import Int64Array
from molweight.graphs._as_smiles import read_smiles
from molweight.graphs._binary import Decoded, decode
from molweight.graphs._explain import explain, odd_character
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._guard import Guarded
from molweight.graphs._molecules import Molecules, Reject, SmilesColumn
from molweight.graphs._parallel import map_chunks
from molweight.graphs._reference import read_molecule
from molweight.graphs._stereo import StereoLabels, may_have_stereo, stereo_labels
from molweight.graphs._vocabulary import BOND_STEREO, CHIRALITY

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["featurize", "featurize_chunk"]

_CHUNK: Final = 512
_MOST_ATOMS: Final = 65_535
"""Bond ends are stored as 16-bit numbers."""
_LONGEST: Final = 4 * _MOST_ATOMS
"""Maximum length of a SMILES that is parsed, in characters."""

Featurised = tuple[Molecules, list[Reject]]


def featurize(
    smiles: Sequence[str],
    *,
    featuriser: Featuriser | None = None,
    n_jobs: int | None = None,
    progress: str | None = None,
) -> tuple[Molecules, list[Reject]]:
    """Parse SMILES and compute the features of atoms and bonds.

    Args:
        smiles: The SMILES.
        featuriser: The features; ``None`` for ``Featuriser()``. Its ``stereo`` has no effect here, see
            :meth:`molweight.graphs.MoleculeDataset.with_featuriser`.
        n_jobs: Processes to use; ``None`` for all cores. Few molecules are always processed in this process.
        progress: Title of a progress bar; ``None`` for none.

    Returns:
        The parsable molecules in order, with their ``rows``; and for each of the others its row and the reason.

    Example:
        >>> molecules, rejects = featurize(["CCO", "C1CC", ""])
        >>> molecules.atoms.shape, molecules.rows.tolist()
        ((3, 9), [0])
        >>> [(reject.row, reject.reason) for reject in rejects]
        [(1, 'ring 1 is not closed'), (2, 'empty SMILES')]
    """
    work = partial(featurize_chunk, cip=(featuriser or Featuriser()).features == "cip")
    if len(smiles) == 0:
        return work([])
    guarded = Guarded(work, _join, _refused, "reading it")
    return _join(list(map_chunks(guarded, smiles, chunk=_CHUNK, n_jobs=n_jobs, progress=progress)))


def _join(parts: Sequence[Featurised]) -> Featurised:
    """The molecules of consecutive parts, with continuous row numbers."""
    counts = [len(molecules) + len(rejects) for molecules, rejects in parts]
    starts = [0, *accumulate(counts)]
    molecules = [replace(part, rows=part.rows + start) for start, (part, _) in zip(starts, parts, strict=False)]
    shifted = [
        replace(reject, row=reject.row + start)
        for start, (_, refused) in zip(starts, parts, strict=False)
        for reject in refused
    ]
    return Molecules.concatenate(molecules), shifted


def _refused(smiles: str, reason: str) -> Featurised:
    return featurize_chunk([], cip=False)[0], [Reject(0, smiles, reason)]


def featurize_chunk(smiles: Sequence[str], *, cip: bool) -> tuple[Molecules, list[Reject]]:
    """:func:`featurize` for one chunk, in this process.

    Args:
        smiles: The SMILES to parse.
        cip: Whether to use CIP labels for stereochemistry instead of RDKit's tags.
    """
    from rdkit import rdBase

    binaries: list[bytes] = []
    rows: list[int] = []
    rejects: list[Reject] = []
    labels: dict[int, StereoLabels] = {}
    with rdBase.BlockLogs():
        for row, text in enumerate(smiles):
            # Only the bytes are kept: keeping the RDKit molecules of a chunk would take half as long again as parsing
            # them.
            molecule = _parse(text, read_smiles)
            if isinstance(molecule, str):
                rejects.append(Reject(row, str(text), molecule))
            else:
                binaries.append(molecule.ToBinary(0))
                if cip and may_have_stereo(text):
                    labels[len(rows)] = stereo_labels(molecule, text)
                rows.append(row)
        molecules = _columns(binaries, [smiles[row] for row in rows], rows)
    if cip:
        _write_labels(molecules, labels)
    return molecules, rejects


def _write_labels(molecules: Molecules, labels: Mapping[int, StereoLabels]) -> None:
    """Replace RDKit's tags, which depend on the order of the atoms, by labels."""
    molecules.atoms[:, CHIRALITY] = 0
    molecules.bonds[:, BOND_STEREO] = 0
    for position, found in labels.items():
        for atom, value in found.atoms.items():
            molecules.atoms[molecules.atom_offsets[position] + atom, CHIRALITY] = value
        for bond, value in found.bonds.items():
            molecules.bonds[molecules.bond_offsets[position] + bond, BOND_STEREO] = value


def _parse(smiles: object, read: "Callable[[str], Mol | None]") -> "Mol | str":
    """The molecule, or the reason why there is none."""
    if not isinstance(smiles, str):
        return f"not a string but {type(smiles).__name__}"
    if not smiles or smiles.isspace():
        return "empty SMILES"
    if len(smiles) > _LONGEST:
        return f"{len(smiles)} characters; at most {_LONGEST} are read"
    molecule = read(smiles)
    if molecule is None:
        return _reason(smiles)
    count = molecule.GetNumAtoms()
    if count == 0:
        return "no atoms"
    return molecule if count <= _MOST_ATOMS else f"{count} atoms; at most {_MOST_ATOMS} can be stored"


def _reason(smiles: str) -> str:
    """The error in a SMILES that RDKit refused, in plain words if possible."""
    from rdkit import Chem

    if odd_character(smiles):
        return str(explain(smiles))
    molecule: Mol | None = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None:
        return explain(smiles) or "not a valid SMILES"
    problems = Chem.DetectChemistryProblems(molecule)
    return problems[0].Message() if problems else "refused by RDKit's sanitisation"


def _columns(binaries: list[bytes], smiles: list[str], rows: list[int]) -> Molecules:
    arrays = decode(binaries)
    if not arrays.understood.all():
        arrays = _complete(smiles, arrays)
    text = SmilesColumn.of(smiles)
    return Molecules(
        atoms=arrays.atoms,
        ends=arrays.ends,
        bonds=arrays.bonds,
        atom_offsets=_offsets(arrays.num_atoms),
        bond_offsets=_offsets(arrays.num_bonds),
        rows=np.array(rows, dtype=np.int64),
        smiles_data=text.data,
        smiles_offsets=text.offsets,
    )


def _complete(smiles: list[str], decoded: Decoded) -> Decoded:
    """All molecules of a chunk: those that were not decoded are read through RDKit's attributes."""
    from rdkit import Chem

    atom_cuts, bond_cuts = np.cumsum(decoded.num_atoms)[:-1], np.cumsum(decoded.num_bonds)[:-1]
    pieces = zip(
        np.split(decoded.atoms, atom_cuts),
        np.split(decoded.ends, bond_cuts),
        np.split(decoded.bonds, bond_cuts),
        strict=True,
    )
    each = [
        next(pieces) if understood else read_molecule(Chem.MolFromSmiles(text))
        for text, understood in zip(smiles, decoded.understood, strict=True)
    ]
    return Decoded(
        understood=np.ones(len(smiles), dtype=bool),
        num_atoms=np.array([len(item[0]) for item in each], dtype=np.int64),
        num_bonds=np.array([len(item[1]) for item in each], dtype=np.int64),
        atoms=np.concatenate([item[0] for item in each]),
        ends=np.concatenate([item[1] for item in each]),
        bonds=np.concatenate([item[2] for item in each]),
    )


def _offsets(counts: Int64Array) -> Int64Array:
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
