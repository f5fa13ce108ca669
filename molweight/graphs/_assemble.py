"""Batches by index arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from molweight.graphs._batch import GraphBatch
from molweight.graphs._molecules import Molecules
from molweight.graphs._vocabulary import BOND_STEREO, CHIRALITY

__all__ = ["Resident"]

Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True)
class Resident:
    """The arrays of all molecules on one device, and where each molecule lies in them on the host.

    Sizes are looked up on the host, where they are needed to allocate; everything else is gathered on the device, so a
    batch costs one small transfer and no synchronisation.

    Args:
        atoms: ``A x 9`` uint8.
        ends: ``B`` int32; the first end of each bond in the lower 16 bits, the second in the upper.
        bonds: ``B x 3`` uint8.
        atom_offsets: ``n + 1``, on the host.
        bond_offsets: ``n + 1``, on the host.
        stereo: Whether batches hold the stereochemical features; else these are 0.
    """

    atoms: Tensor
    ends: Tensor
    bonds: Tensor
    atom_offsets: Index
    bond_offsets: Index
    stereo: bool = True

    @classmethod
    def of(cls, molecules: Molecules, device: torch.device, *, stereo: bool = True) -> "Resident":
        """Place the arrays of molecules on a device; on the CPU nothing is copied."""
        return cls(
            atoms=torch.from_numpy(molecules.atoms).to(device),
            ends=torch.from_numpy(molecules.ends.view("<i4").reshape(-1)).to(device),
            bonds=torch.from_numpy(molecules.bonds).to(device),
            atom_offsets=np.asarray(molecules.atom_offsets),
            bond_offsets=np.asarray(molecules.bond_offsets),
            stereo=stereo,
        )

    def batch(self, indices: Index, atom_columns: Mapping[str, Tensor]) -> GraphBatch:
        """The molecules at ``indices``, in that order, as one batch on the device.

        Args:
            indices: Positions of the molecules.
            atom_columns: Further values of all atoms, each ``A x dim``, on the device.
        """
        atom_start, atom_count = _extent(self.atom_offsets, indices)
        bond_start, bond_count = _extent(self.bond_offsets, indices)
        layout = torch.from_numpy(np.stack([atom_start, atom_count, bond_start, bond_count])).to(self.atoms.device)
        ptr, molecule, atom = _expand(layout[0], layout[1], int(atom_count.sum()))
        _, bond_molecule, bond = _expand(layout[2], layout[3], int(bond_count.sum()))
        atoms, features = self.atoms.index_select(0, atom), self.bonds.index_select(0, bond)
        if not self.stereo:
            atoms[:, CHIRALITY] = 0
            features[:, BOND_STEREO] = 0
        return GraphBatch(
            x=atoms.long(),
            edge_index=_both_ways(self.ends.index_select(0, bond).long(), ptr.index_select(0, bond_molecule)),
            edge_attr=torch.cat([features, features], dim=1).long().view(-1, features.size(1)),
            batch=molecule,
            ptr=ptr,
            num_graphs=len(indices),
            atom_columns={name: values.index_select(0, atom) for name, values in atom_columns.items()},
        )


def _extent(offsets: Index, indices: Index) -> tuple[Index, Index]:
    start = offsets[indices]
    return start, offsets[indices + 1] - start


def _both_ways(ends: Tensor, shift: Tensor) -> Tensor:
    """``2 x 2B`` edges from packed bonds; the two directions of a bond are neighbours."""
    first, second = (ends & 0xFFFF).add_(shift), (ends >> 16).bitwise_and_(0xFFFF).add_(shift)
    return torch.stack([torch.stack([first, second], dim=1), torch.stack([second, first], dim=1)]).view(2, -1)


def _expand(start: Tensor, count: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor]:
    """First item of each molecule in the batch, molecule of each item, position of each item in the stored arrays."""
    ptr = torch.nn.functional.pad(count.cumsum(0), (1, 0))
    molecule = torch.repeat_interleave(torch.arange(len(count), device=count.device), count, output_size=total)
    position = torch.arange(total, device=count.device) + (start - ptr[:-1]).index_select(0, molecule)
    return ptr, molecule, position
