"""Random changes to the molecules of a batch, for objectives that compare views.

Each augmentation changes a share ``strength`` of every molecule, rounded down: as masks over atoms and edges first
(:class:`Edit`), so that several can be combined before :func:`apply` makes a batch of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from molweight.errors import DataError
from molweight.graphs import ATOM_MASK, GraphBatch
from molweight.objectives._segments import offsets, random_subset, ranks

__all__ = [
    "AUGMENTATIONS",
    "Edit",
    "apply",
    "attribute_mask",
    "bond_ends",
    "edge_perturb",
    "grow",
    "hops",
    "join",
    "mask_tokens",
    "node_drop",
    "random_edges",
    "random_edit",
    "share",
    "subgraph",
    "take",
]

_FAR = 1e6
_STRIDE = 8


def grow(batch: GraphBatch, size: Tensor, generator: torch.Generator) -> Tensor:
    """Grow a connected subgraph from a random atom of each molecule until it has the requested size.

    Each bond gets a random length, and the atoms nearest to the root are kept (first-passage growth). The result is
    connected, because every atom on the path to a kept atom is nearer to the root. When a component is exhausted,
    growth continues from an atom of another one.

    Args:
        batch: The molecules.
        size: Number of atoms to keep of each, ``G``; larger numbers keep all.
        generator: Source of randomness.

    Returns:
        Whether each atom is kept, ``N`` bool.

    Example:
        >>> x, bonds = torch.zeros(3, 9).long(), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> chain = GraphBatch.of(x, bonds, torch.zeros(4, 3).long())
        >>> kept = [grow(chain, torch.tensor([2]), torch.Generator().manual_seed(seed)).tolist() for seed in range(20)]
        >>> [True, False, True] in kept
        False
    """
    distance = _first_passage(batch, _starts(batch, generator), generator)
    keys = distance / (distance.max() + 1) if len(distance) else distance
    return ranks(keys, batch.batch, batch.ptr) < size[batch.batch]


def hops(batch: GraphBatch, roots: Tensor, limit: int) -> Tensor:
    """Number of bonds between each atom and the nearest root.

    Args:
        batch: The molecules.
        roots: Positions of atoms.
        limit: The largest distance of interest, at least 0.

    Returns:
        ``N`` int64; ``limit + 1`` for atoms that are farther away or cannot be reached.

    Example:
        >>> x, bonds = torch.zeros(4, 9).long(), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> hops(GraphBatch.of(x, bonds, torch.zeros(4, 3).long()), torch.tensor([0]), limit=4)
        tensor([0, 1, 2, 5])
    """
    source, target = batch.edge_index
    start = torch.full((batch.num_nodes,), limit + 1, device=batch.device)
    distance = start.index_fill(0, roots, 0)
    for _ in range(limit):
        distance = distance.scatter_reduce(0, target, distance[source] + 1, "amin")
    return distance


def _starts(batch: GraphBatch, generator: torch.Generator) -> Tensor:
    """Initial distances: 0 at the roots, else so large that growth starts there only in components without root."""
    random = torch.rand(
        batch.num_graphs + batch.num_nodes, dtype=torch.float64, generator=generator, device=batch.device
    )
    count = batch.ptr[1:] - batch.ptr[:-1]
    offset = torch.minimum((random[: batch.num_graphs] * count).long(), count - 1)
    start = (1 + random[batch.num_graphs :]) * _FAR
    return start.index_fill(0, batch.ptr[:-1] + offset, 0.0)


def _first_passage(batch: GraphBatch, distance: Tensor, generator: torch.Generator) -> Tensor:
    """Shortest distances from the starts under random bond lengths, by relaxing all bonds at once."""
    source, target = batch.edge_index
    length = torch.empty(batch.num_edges, dtype=torch.float64, device=batch.device).exponential_(generator=generator)
    for _ in range(0, batch.num_nodes, _STRIDE):  # no path is longer; the slow test is made rarely
        before = distance
        for _ in range(_STRIDE):
            distance = distance.scatter_reduce(0, target, distance[source] + length, "amin")
        if torch.equal(distance, before):
            break
    return distance


@dataclass(frozen=True)
class Edit:
    """Changes to a batch; ``None`` for no change of that kind.

    Args:
        drop_atoms: Atoms to remove, with their bonds, ``N`` bool.
        drop_edges: Edges to remove, equal for both directions of a bond, ``E`` bool.
        mask_atoms: Atoms whose features are replaced by the mask token, ``N`` bool.
    """

    drop_atoms: Tensor | None = None
    drop_edges: Tensor | None = None
    mask_atoms: Tensor | None = None


Augmentation = Callable[[GraphBatch, float, torch.Generator], Edit]


def share(ptr: Tensor, strength: float) -> Tensor:
    """The fraction ``strength`` of each segment's number of items, rounded down.

    Example:
        >>> share(torch.tensor([0, 1, 11, 31]), 0.2).tolist()
        [0, 2, 4]
    """
    # The small number compensates for the rounding of products such as .2 * 15, which should be integers.
    return ((ptr[1:] - ptr[:-1]) * strength + 1e-6).long()


def node_drop(batch: GraphBatch, strength: float, generator: torch.Generator) -> Edit:
    """Remove random atoms with their bonds."""
    return Edit(drop_atoms=random_subset(batch.batch, batch.ptr, share(batch.ptr, strength), generator))


def subgraph(batch: GraphBatch, strength: float, generator: torch.Generator) -> Edit:
    """Keep a connected part around a random atom, with as many atoms as :func:`node_drop` keeps."""
    size = batch.ptr[1:] - batch.ptr[:-1] - share(batch.ptr, strength)
    return Edit(drop_atoms=~grow(batch, size, generator))


def edge_perturb(batch: GraphBatch, strength: float, generator: torch.Generator) -> Edit:
    """Remove random bonds in both directions; no bonds are added, because they would have no type."""
    return Edit(drop_edges=random_edges(batch, strength, generator))


def random_edges(batch: GraphBatch, strength: float, generator: torch.Generator) -> Tensor:
    """A random part of each molecule's bonds, as a mask over edges, ``E`` bool, equal for both directions."""
    molecule = batch.batch[bond_ends(batch)[0]]
    ptr = offsets(molecule, batch.num_graphs)
    chosen = random_subset(molecule, ptr, share(ptr, strength), generator)
    return chosen.repeat_interleave(2)


def attribute_mask(batch: GraphBatch, strength: float, generator: torch.Generator) -> Edit:
    """Replace the features of random atoms by the mask token."""
    return Edit(mask_atoms=random_subset(batch.batch, batch.ptr, share(batch.ptr, strength), generator))


AUGMENTATIONS: dict[str, Augmentation] = {
    "node_drop": node_drop,
    "subgraph": subgraph,
    "edge_perturb": edge_perturb,
    "attribute_mask": attribute_mask,
}


def random_edit(batch: GraphBatch, kinds: tuple[str, ...], strength: float, generator: torch.Generator) -> Edit:
    """Change each molecule by one augmentation, chosen at random.

    Args:
        batch: The molecules.
        kinds: Names in :data:`AUGMENTATIONS` to choose from.
        strength: Share of atoms or bonds to change.
        generator: Source of randomness.

    Returns:
        The changes.
    """
    kind = torch.randint(len(kinds), (batch.num_graphs,), generator=generator, device=batch.device)
    of_atom = kind[batch.batch]
    drop, mask = (torch.zeros(batch.num_nodes, dtype=torch.bool, device=batch.device) for _ in range(2))
    drop_edges = torch.zeros(batch.num_edges, dtype=torch.bool, device=batch.device)
    for number, name in enumerate(kinds):
        edit = AUGMENTATIONS[name](batch, strength, generator)
        chosen = of_atom == number
        if edit.drop_atoms is not None:
            drop |= edit.drop_atoms & chosen
        if edit.mask_atoms is not None:
            mask |= edit.mask_atoms & chosen
        if edit.drop_edges is not None:
            drop_edges |= edit.drop_edges & chosen[batch.edge_index[0]]
    return Edit(drop, drop_edges, mask)


def bond_ends(batch: GraphBatch) -> Tensor:
    """The two end atoms of every bond, ``2 x E/2``: every second column of ``edge_index``.

    Raises:
        DataError: If the two directions of a bond are not adjacent in ``edge_index`` (checked on CPU only).
    """
    bonds = batch.edge_index[:, ::2]
    if batch.device.type == "cpu" and not torch.equal(bonds, batch.edge_index[:, 1::2].flip(0)):
        raise DataError(
            "the two directions of a bond are not neighbours in edge_index, as they are in a GraphBatch. Make batches "
            "with MoleculeDataset.graphs."
        )
    return bonds


def mask_tokens(x: Tensor, masked: Tensor) -> Tensor:
    """Atom features with those of the masked atoms replaced by the mask token."""
    return torch.where(masked[:, None], torch.tensor(ATOM_MASK, device=x.device), x)


def apply(batch: GraphBatch, edit: Edit) -> GraphBatch:
    """Apply changes to the molecules of a batch.

    Args:
        batch: The molecules; not modified.
        edit: The changes.

    Returns:
        A batch with as many molecules, without labels and columns per molecule.
    """
    out = replace(batch, y=None, columns={})
    if edit.mask_atoms is not None:
        out = replace(out, x=mask_tokens(out.x, edit.mask_atoms))
    keep_edges = None if edit.drop_edges is None else ~edit.drop_edges
    if edit.drop_atoms is None:
        return out if keep_edges is None else _select_edges(out, keep_edges)
    return _select_atoms(out, ~edit.drop_atoms, keep_edges)


def _select_edges(batch: GraphBatch, keep: Tensor) -> GraphBatch:
    kept = keep.nonzero().squeeze(1)
    return replace(batch, edge_index=batch.edge_index[:, kept], edge_attr=batch.edge_attr[kept])


def _select_atoms(batch: GraphBatch, keep: Tensor, keep_edges: Tensor | None) -> GraphBatch:
    both = keep[batch.edge_index].all(0)
    edges = _select_edges(batch, both if keep_edges is None else both & keep_edges)
    before = torch.nn.functional.pad(keep.cumsum(0), (1, 0))  # number of kept atoms before each position
    kept = keep.nonzero().squeeze(1)
    return replace(
        edges,
        x=batch.x[kept],
        atom_columns={name: column[kept] for name, column in batch.atom_columns.items()},
        batch=batch.batch[kept],
        ptr=before[batch.ptr],
        edge_index=before[edges.edge_index],
    )


def take(batch: GraphBatch, keep: Tensor) -> GraphBatch:
    """A batch of some of the atoms and the bonds between them; molecules without any of these atoms are left out.

    Args:
        batch: The molecules; not modified.
        keep: Atoms to keep, ``N`` bool; at least one.

    Returns:
        A batch of at most as many molecules, in the same order, without labels and columns.

    Example:
        >>> x, none = torch.zeros(3, 9).long(), torch.empty(2, 0).long()
        >>> apart = GraphBatch(x, none, torch.empty(0, 3).long(), torch.arange(3), torch.arange(4), 3)
        >>> part = take(apart, torch.tensor([True, False, True]))
        >>> part.num_graphs, part.batch.tolist(), part.ptr.tolist()
        (2, [0, 1], [0, 1, 2])
    """
    part = apply(batch, Edit(drop_atoms=~keep))
    left = part.ptr.diff() > 0
    number = left.cumsum(0) - 1
    ptr = torch.cat([part.ptr[:1], part.ptr[1:][left]])
    return replace(part, batch=number[part.batch], ptr=ptr, num_graphs=len(ptr) - 1)


def join(first: GraphBatch, second: GraphBatch) -> GraphBatch:
    """The molecules of two batches as one batch, without labels and columns.

    Example:
        >>> x, none = torch.zeros(1, 9).long(), torch.empty(2, 0).long()
        >>> atom = GraphBatch.of(x, none, torch.empty(0, 3).long())
        >>> join(atom, atom).ptr.tolist()
        [0, 1, 2]
    """
    return GraphBatch(
        x=torch.cat([first.x, second.x]),
        edge_index=torch.cat([first.edge_index, second.edge_index + first.num_nodes], dim=1),
        edge_attr=torch.cat([first.edge_attr, second.edge_attr]),
        batch=torch.cat([first.batch, second.batch + first.num_graphs]),
        ptr=torch.cat([first.ptr, second.ptr[1:] + first.num_nodes]),
        num_graphs=first.num_graphs + second.num_graphs,
    )
