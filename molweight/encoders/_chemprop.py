"""The directed message passing network of chemprop 2, with its features, so that its weights can be loaded."""

from collections.abc import Sequence
from typing import Final, Unpack

import torch
from torch import Tensor, nn

from molweight.encoders._dmpnn import DMPNN
from molweight.encoders._embedding import Codes
from molweight.encoders._message_passing import CommonOptions
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.graphs import ATOM_SIZES, BOND_SIZES

__all__ = ["ATOM_WIDTH", "BOND_WIDTH", "Chemprop"]

ATOM_WIDTH: Final = 72
"""Entries of chemprop's vector of an atom."""
BOND_WIDTH: Final = 14
"""Entries of chemprop's vector of a bond."""

_ELEMENTS: Final = (*range(1, 37), 53)
_CHARGES: Final = (-1, -2, 1, 2, 0)
_HYBRIDIZATIONS: Final = (1, 2, 4, 5, 6, 0)
"""Index in chemprop's list (s, sp, sp2, sp2d, sp3, sp3d, sp3d2) of sp, sp2, sp3, sp3d, sp3d2 and of all others.

The others are almost always atoms without neighbours, such as sodium ions, whose hybridisation is s.
"""
_BOND_STEREO: Final = (0, 2, 3, 4, 5, 1)
"""Index in chemprop's list (none, any, Z, E, cis, trans) of none, Z, E, cis, trans, any."""
_CHIRALITY_AT: Final = 51
_STEREO_AT: Final = 7
_IN_RING_AT: Final = 6
_MASSES: Final = (
    *(1.008, 4.003, 6.941, 9.012, 10.812, 12.011, 14.007, 15.999, 18.998, 20.18, 22.99, 24.305, 26.982, 28.086),
    *(30.974, 32.067, 35.453, 39.948, 39.098, 40.078, 44.956, 47.867, 50.944, 51.996, 54.938, 55.845, 58.933, 58.693),
    *(63.546, 65.39, 69.723, 72.61, 74.922, 78.96, 79.904, 83.8, 85.468, 87.62, 88.906, 91.224, 92.906, 95.94, 98.0),
    *(101.07, 102.906, 106.42, 107.868, 112.412, 114.818, 118.711, 121.76, 127.6, 126.904, 131.29, 132.905, 137.328),
    *(138.906, 140.116, 140.908, 144.24, 145.0, 150.36, 151.964, 157.25, 158.925, 162.5, 164.93, 167.26, 168.934),
    *(173.04, 174.967, 178.49, 180.948, 183.84, 186.207, 190.23, 192.217, 195.078, 196.967, 200.59, 204.383, 207.2),
    *(208.98, 209.0, 210.0, 222.0, 223.0, 226.0, 227.0, 232.038, 231.036, 238.029, 237.0, 244.0, 243.0, 247.0, 247.0),
    *(251.0, 252.0, 257.0, 258.0, 259.0, 262.0, 267.0, 268.0, 269.0, 270.0, 269.0, 278.0, 281.0, 281.0, 285.0, 284.0),
    *(289.0, 288.0, 293.0, 292.0, 294.0, 0.0),
)
"""Atomic weights from RDKit, starting with hydrogen; the last one is for non-elements."""


@register("chemprop")
class Chemprop(DMPNN):
    """Directed message passing as in chemprop 2, with its 72 atom features and 14 bond features.

    With the same weights it returns the same vectors as chemprop, except for isotopes (whose mass is that of the
    element), for dummy atoms, and for metals without a hybridisation in RDKit. It differs from ``dmpnn`` in its fixed
    features, and in the term that each round adds, which is taken before the first activation:
    ``h^0 = W_i [x_v, e_vw]``, ``h^t = relu(h^0 + W_h m^t)``, ``h_v = relu(W_o [x_v, sum_k h_kv] + b)``. A virtual node
    and jumping knowledge start from ``relu(W_o [x_v, 0] + b)``.

    Source: Heid et al., *Chemprop: A Machine Learning Package for Chemical Property Prediction*, J. Chem. Inf. Model.
    64, 9 (2024); Yang et al., J. Chem. Inf. Model. 59, 3370 (2019).

    Args:
        layers: Number of rounds, chemprop's ``depth``.
        norm: ``"batch"``, ``"layer"`` or ``"none"`` (chemprop's), for the vectors of atoms.
        **options: ``width``, ``dropout``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.
    """

    def __init__(self, *, layers: int = 3, norm: str = "none", **options: Unpack[CommonOptions]) -> None:
        """Create the maps; features have no parameters."""
        super().__init__(layers=layers, norm=norm, **options)
        width = self.node_width
        del self.atoms, self.bonds
        self.features_of_atoms, self.features_of_bonds = _Features(_atom_table()), _Features(_bond_table())
        self.start = nn.Linear(ATOM_WIDTH + BOND_WIDTH, width, bias=False)
        self.finish = nn.Linear(ATOM_WIDTH + width, width)

    def embed(self, graphs: object, topology: Topology) -> Tensor:  # noqa: ARG002 - the codes of the topology serve
        """Chemprop's features of the atoms, ``N x 72``."""
        features: Tensor = self.features_of_atoms(topology.atoms, self.start.weight.dtype)
        return features

    def begin(self, nodes: Tensor, topology: Topology) -> tuple[Tensor, Tensor]:
        """``W_i [x_v, e_vw]`` and its activation; see :meth:`DMPNN.begin`."""
        bonds = self.features_of_bonds(topology.bonds, nodes.dtype).clone()
        bonds[:, _IN_RING_AT] = topology.in_ring.to(bonds)
        first = self.start(torch.cat([nodes.index_select(0, topology.edge_index[0]), bonds], dim=1))
        return first, first.relu()

    def own(self, nodes: Tensor) -> Tensor:
        """Final vector of an atom without neighbours, ``N x d``."""
        lone: Tensor = self.finish(nn.functional.pad(nodes, (0, self.node_width)))
        return lone.relu()

    @property
    def merges(self) -> bool:
        """False, because the search for equal atoms does not consider whether a bond is in a ring."""
        return False

    @torch.no_grad()
    def merge_hands(self) -> None:
        """Give both hands of an atom the same features, and merge bond values that only one set of features has."""
        for weight in (self.start.weight, self.finish.weight):
            tags = weight[:, _CHIRALITY_AT + 1 : _CHIRALITY_AT + 5]
            tags.copy_(tags[:, :2].mean(1, keepdim=True).expand_as(tags))
        pair = self.start.weight[:, ATOM_WIDTH + _STEREO_AT + 4 : ATOM_WIDTH + _STEREO_AT + 6]
        pair.copy_(pair.mean(1, keepdim=True).expand_as(pair))


class _Features(nn.Module):
    """Fixed vectors of items by their discrete features; masked items have zeros.

    Args:
        table: Contribution of each value of each feature, ``values x width``.
    """

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        """Store the table, which is neither a parameter nor saved."""
        super().__init__()
        self.register_buffer("table", table, persistent=False)

    def forward(self, codes: Codes, dtype: torch.dtype) -> Tensor:
        """The vectors, ``n x width``."""
        rows = codes.hot.to(dtype) @ self.table.to(dtype)
        return rows if codes.items is None else rows.index_select(0, codes.items)


def _atom_table() -> Tensor:
    """Columns: element, degree, charge, chirality, hydrogens, hybridisation, aromaticity, mass."""
    elements = [_ELEMENTS.index(n) if n in _ELEMENTS else len(_ELEMENTS) for n in range(1, ATOM_SIZES[0] + 1)]
    charges = [_CHARGES.index(n) if n in _CHARGES else len(_CHARGES) for n in range(-5, 7)]
    degrees = [min(n, 6) for n in range(ATOM_SIZES[2])]
    hydrogens = [min(n, 5) for n in range(ATOM_SIZES[4])]
    places: list[Sequence[int | None]] = [
        elements,
        [_CHIRALITY_AT + n for n in range(ATOM_SIZES[1])],
        [38 + n for n in degrees],
        [45 + n for n in charges],
        [56 + n for n in hydrogens],
        [None] * ATOM_SIZES[5],
        [62 + n for n in _HYBRIDIZATIONS],
        [None, 70],
        [None] * ATOM_SIZES[8],
    ]
    table = _hot(places, ATOM_WIDTH)
    table[: len(_MASSES), -1] = 0.01 * torch.tensor(_MASSES)
    return table


def _bond_table() -> Tensor:
    """Columns: no bond, type, conjugation, in a ring (filled in later), stereochemistry."""
    types = [1, 2, 3, 4, *[None] * (BOND_SIZES[0] - 4)]
    return _hot([types, [_STEREO_AT + n for n in _BOND_STEREO], [None, 5]], BOND_WIDTH)


def _hot(places: Sequence[Sequence[int | None]], width: int) -> Tensor:
    """A one-hot table with a row for each value of each feature, and a row for the mask after each feature."""
    values = [place for feature in places for place in (*feature, None)]
    table = torch.zeros(len(values), width)
    for row, place in enumerate(values):
        if place is not None:
            table[row, place] = 1.0
    return table
