"""A batch of molecular graphs as plain tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import Int64Array
from molweight.graphs._blocks import unchecked, verify_rows
from molweight.graphs._molecules import Molecules
from molweight.graphs._vocabulary import BOND_STEREO, CHIRALITY

__all__ = ["GraphBatch", "Resident"]


@dataclass(frozen=True)
class GraphBatch:
    """``G`` molecules with ``N`` atoms and ``E`` directed edges in all, under the names PyG uses.

    Code that reads ``x, edge_index, edge_attr, batch`` from a PyG batch also works with this class. It exists in
    addition to PyG's class because objectives build several views in every step: it is typed, immutable, and cheap to
    create. :meth:`molweight.graphs.MoleculeDataset.batch` returns a PyG ``Batch``.

    Args:
        x: Atom features, ``N x 9`` int64.
        edge_index: Source and target atom of each edge, ``2 x E`` int64; the two directions of a bond are adjacent.
        edge_attr: Bond features, ``E x 3`` int64.
        batch: Molecule of each atom, ``N`` int64, ascending.
        ptr: First atom of each molecule and the total, ``G + 1`` int64.
        num_graphs: ``G``.
        y: Labels, ``G x tasks`` float32 with NaN for missing; ``None`` without labels.
        columns: Further values per molecule, each with first dimension ``G``, e.g. the targets of objectives.
        atom_columns: Further values per atom, each with first dimension ``N``, e.g. positions in space.
        padding: Number of padding molecules at the end; see :func:`molweight.graphs.internal.pad_batch`.

    Example:
        >>> one = torch.zeros(1, 9, dtype=torch.long)
        >>> methane = GraphBatch.of(one, torch.empty(2, 0, dtype=torch.long), torch.empty(0, 3, dtype=torch.long))
        >>> methane.num_graphs, methane.num_nodes, methane.ptr.tolist()
        (1, 1, [0, 1])
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    batch: Tensor
    ptr: Tensor
    num_graphs: int
    y: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    atom_columns: Mapping[str, Tensor] = field(default_factory=dict)
    padding: int = 0

    @classmethod
    def of(cls, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> "GraphBatch":
        """A batch of one molecule from its own arrays."""
        batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
        ptr = torch.tensor([0, len(x)], device=x.device)
        return cls(x, edge_index, edge_attr, batch, ptr, 1)

    @property
    def num_nodes(self) -> int:
        """``N``, the number of atoms."""
        return self.x.size(0)

    @property
    def num_edges(self) -> int:
        """``E``, the number of directed edges: twice the number of bonds."""
        return self.edge_index.size(1)

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.x.device

    def to(self, device: torch.device | str) -> "GraphBatch":
        """The same batch on another device."""
        return replace(
            self,
            x=self.x.to(device),
            edge_index=self.edge_index.to(device),
            edge_attr=self.edge_attr.to(device),
            batch=self.batch.to(device),
            ptr=self.ptr.to(device),
            y=None if self.y is None else self.y.to(device),
            columns={name: column.to(device) for name, column in self.columns.items()},
            atom_columns={name: column.to(device) for name, column in self.atom_columns.items()},
        )


@dataclass(frozen=True)
class Resident:
    """The arrays of all molecules on one device, and the offsets of the molecules on the host.

    Sizes are looked up on the host, because allocation needs them; everything else is gathered on the device, so a
    batch costs one small transfer and no synchronisation.

    Args:
        atoms: ``A x 9`` uint8.
        ends: ``B`` int32; the first end of each bond in the lower 16 bits, the second in the upper.
        bonds: ``B x 3`` uint8.
        atom_offsets: ``n + 1``, on the host.
        bond_offsets: ``n + 1``, on the host.
        stereo: Whether batches contain the stereochemical features; otherwise these are 0.
        source: The molecules, if blocks of their arrays are verified by checksum on first access.
    """

    atoms: Tensor
    ends: Tensor
    bonds: Tensor
    atom_offsets: Int64Array
    bond_offsets: Int64Array
    stereo: bool = True
    source: Molecules | None = None

    @classmethod
    def of(cls, molecules: Molecules, device: torch.device, *, stereo: bool = True) -> "Resident":
        """Place the arrays of molecules on a device; on the CPU nothing is copied."""
        on_host = device.type == "cpu"
        taken = unchecked if on_host else np.asarray  # a copy to another device reads, and so verifies, every block
        return cls(
            atoms=torch.from_numpy(taken(molecules.atoms)).to(device),
            ends=torch.from_numpy(taken(molecules.ends).view("<i4").reshape(-1)).to(device),
            bonds=torch.from_numpy(taken(molecules.bonds)).to(device),
            atom_offsets=np.asarray(molecules.atom_offsets),
            bond_offsets=np.asarray(molecules.bond_offsets),
            stereo=stereo,
            source=molecules if on_host else None,
        )

    def batch(self, indices: Int64Array, atom_columns: Mapping[str, Tensor]) -> GraphBatch:
        """The molecules at ``indices``, in that order, as one batch on the device.

        Args:
            indices: Positions of the molecules.
            atom_columns: Further values of all atoms, each ``A x dim``, on the device.
        """
        atom_start, atom_count = _extent(self.atom_offsets, indices)
        bond_start, bond_count = _extent(self.bond_offsets, indices)
        if self.source is not None:
            verify_rows(self.source.atoms, atom_start, atom_count)
            verify_rows(self.source.ends, bond_start, bond_count)
            verify_rows(self.source.bonds, bond_start, bond_count)
        layout = torch.from_numpy(np.stack([atom_start, atom_count, bond_start, bond_count])).to(self.atoms.device)
        ptr, molecule, atom = _expand(layout[0], layout[1], int(atom_count.sum()))
        _, bond_molecule, bond = _expand(layout[2], layout[3], int(bond_count.sum()))
        atoms, features = self.atoms.index_select(0, atom), self.bonds.index_select(0, bond)
        if not self.stereo:
            atoms[:, CHIRALITY] = 0
            features[:, BOND_STEREO] = 0
        ends, shift = self.ends.index_select(0, bond).long(), ptr.index_select(0, bond_molecule)
        # A bond's ends are packed into one number; its two directions become adjacent.
        first, second = (ends & 0xFFFF).add_(shift), (ends >> 16).bitwise_and_(0xFFFF).add_(shift)
        edges = torch.stack([torch.stack([first, second], dim=1), torch.stack([second, first], dim=1)])
        return GraphBatch(
            x=atoms.long(),
            edge_index=edges.view(2, -1),
            edge_attr=torch.cat([features, features], dim=1).long().view(-1, features.size(1)),
            batch=molecule,
            ptr=ptr,
            num_graphs=len(indices),
            atom_columns={name: values.index_select(0, atom) for name, values in atom_columns.items()},
        )


def _extent(offsets: Int64Array, indices: Int64Array) -> tuple[Int64Array, Int64Array]:
    start = offsets[indices]
    return start, offsets[indices + 1] - start


def _expand(start: Tensor, count: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor]:
    """First item of each molecule in the batch, molecule of each item, position of each item in the stored arrays."""
    ptr = torch.nn.functional.pad(count.cumsum(0), (1, 0))
    molecule = torch.repeat_interleave(torch.arange(len(count), device=count.device), count, output_size=total)
    position = torch.arange(total, device=count.device) + (start - ptr[:-1]).index_select(0, molecule)
    return ptr, molecule, position
