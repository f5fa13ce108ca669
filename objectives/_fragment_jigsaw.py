"""Fragment jigsaw: predict the order in which a molecule's fragments were rejoined."""

from dataclasses import dataclass, replace
from itertools import permutations
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.errors import OptionError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import Encode, Objective, check_share, column_of, draw_seed, register
from molweight.objectives._rdkit_brics import cut_places

__all__ = ["CUT_PLACES", "FragmentJigsaw", "JoinedAgain", "nested_orders"]

CUT_PLACES: Final = TargetSpec("brics_places", version=1, dim=2, dtype="int16", compute=cut_places, per="atom")
"""Number of each atom's BRICS fragment, and whether it is the fragment's head or tail."""


@dataclass(frozen=True)
class JoinedAgain:
    """Molecules whose fragments may have been rejoined in another order.

    Args:
        graphs: The molecules.
        orders: Number of the order, ``G`` int64; 0 for an unchanged molecule.
        counted: 1 for molecules of two or more fragments, ``G``; the others have only one order.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    orders: Tensor
    counted: Tensor
    seed: int


def nested_orders(count: int) -> list[tuple[int, ...]]:
    """The first ``count`` permutations of a list whose first ``m!`` entries permute ``m`` items, for every ``m``.

    Args:
        count: Number of orders; order 0 is the identity.

    Returns:
        Permutations of the smallest number of items with at least ``count`` permutations.

    Example:
        >>> nested_orders(4)
        [(0, 1, 2), (1, 0, 2), (0, 2, 1), (1, 2, 0)]
    """
    found: list[tuple[int, ...]] = [(0,)]
    while len(found) < count:
        last = len(found[0])
        found = [(*order, last) for order in found] + [
            order for order in permutations(range(last + 1)) if order[-1] != last
        ]
    return found[:count]


@register("fragment_jigsaw")
class FragmentJigsaw(Objective):
    """Predict from a molecule's vector the order in which its fragments were rejoined.

    The BRICS bonds cut a molecule into ``m`` fragments, numbered from the smallest to the largest (ties by RDKit's
    canonical ranks), so that the numbers do not depend on how the SMILES is written. An order is a permutation of these
    numbers; order 0 leaves the molecule unchanged. For any other order the cut bonds are removed and the fragments are
    joined into a chain in that order, by single bonds from the tail of each fragment to the head of the next. The head
    of a fragment is its lowest-ranking atom at a cut bond, the tail its highest-ranking other one, so that a chain
    differs from its reverse. Atom features are unchanged, as are parts of a molecule without a cut bond, such as
    counter-ions.

    There are ``orders`` orders in a list whose first ``m!`` entries permute the first ``m`` fragments only
    (:func:`molweight.objectives.building_blocks.nested_orders`), so a molecule of ``m`` fragments takes one of the
    first ``min(orders, m!)``: order 0 with probability ``identity``, else one of them at random. The loss is the
    cross-entropy over all orders, averaged over the molecules of two or more fragments; the head is linear.

    Source: Zeng et al., *Accurate prediction of molecular properties and drug targets using a self-supervised image
    representation learning framework* (ImageMol), Nature Machine Intelligence 2022: jigsaw puzzle prediction (JPP),
    here on graphs.

    Args:
        width: Size of the encoder's vectors.
        orders: Number of orders, ``P``.
        identity: Probability of leaving a molecule unchanged, in addition to that of drawing order 0.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> FragmentJigsaw(width=8).table.shape
        torch.Size([100, 5])
    """

    family: ClassVar[str] = "motif"
    paper: ClassVar[str] = "Zeng et al., Nature Machine Intelligence 2022 (ImageMol)"
    targets: tuple[TargetSpec, ...] = (CUT_PLACES,)

    table: Tensor
    choices: Tensor

    def __init__(self, width: int, *, orders: int = 100, identity: float = 0.2) -> None:
        """Create the head and the list of orders."""
        super().__init__(width)
        check_share("fragment_jigsaw", "identity", identity)
        if orders < 2:  # noqa: PLR2004 - one order is nothing to tell apart
            raise OptionError("orders", orders, "must be at least 2", owner="objective 'fragment_jigsaw'")
        self.identity = identity
        self.head = nn.Linear(width, orders)
        self.register_buffer("table", torch.tensor(nested_orders(orders)), persistent=False)
        ways = torch.arange(self.table.size(1) + 1).clamp(min=1).cumprod(0).clamp(max=orders)
        self.register_buffer("choices", ways, persistent=False)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> JoinedAgain:
        """Choose an order for each molecule and join its fragments."""
        places = column_of(batch, CUT_PLACES).long()
        count = batch.ptr.new_zeros(batch.num_graphs).scatter_reduce(0, batch.batch, places[:, 0], "amax")
        random = torch.rand(2, batch.num_graphs, generator=generator, device=batch.device, dtype=torch.float64)
        chosen = (random[0] * self.choices[count.clamp(max=len(self.choices) - 1)]).long()
        orders = torch.where(random[1] < self.identity, 0, chosen)
        counted = (count > 1).to(self.head.weight.dtype)
        return JoinedAgain(self._join(batch, places, count, orders), orders, counted, draw_seed(generator))

    def loss(self, encoder: Encode, views: JoinedAgain) -> Tensor:
        """Cross-entropy of the orders."""
        guesses = self.head(encoder(views.graphs, seed=views.seed).graphs)
        each = functional.cross_entropy(guesses, views.orders, reduction="none")
        return (each * views.counted).sum() / views.counted.sum().clamp(min=1)

    def _join(self, batch: GraphBatch, places: Tensor, count: Tensor, orders: Tensor) -> GraphBatch:
        moved = orders > 0
        cut = places[batch.edge_index, 0].diff(dim=0).squeeze(0) != 0
        kept = (~(cut & moved[batch.batch[batch.edge_index[0]]])).nonzero().squeeze(1)
        ends = self._chain(batch, places, count, orders)
        both = torch.stack([ends, ends.flip(0)], dim=2).flatten(1)  # the two directions of a bond are adjacent
        single = batch.edge_attr.new_zeros(both.size(1), batch.edge_attr.size(1))
        return replace(
            batch,
            edge_index=torch.cat([batch.edge_index[:, kept], both], dim=1),
            edge_attr=torch.cat([batch.edge_attr[kept], single]),
            y=None,
            columns={},
            atom_columns={},
        )

    def _chain(self, batch: GraphBatch, places: Tensor, count: Tensor, orders: Tensor) -> Tensor:
        """Ends of the bonds that join the fragments of the reordered molecules, ``2 x B``."""
        first = functional.pad(count.cumsum(0), (1, 0))
        molecule = torch.repeat_interleave(count)
        place = torch.arange(len(molecule), device=batch.device) - first[molecule]
        size = self.table.size(1)
        content = torch.where(place < size, self.table[orders[molecule], place.clamp(max=size - 1)], place)
        fragment = first[batch.batch] + places[:, 0] - 1
        head, tail = (torch.empty_like(molecule) for _ in range(2))
        for role, atoms in ((1, head), (2, tail)):
            at = (places[:, 1] & role).nonzero().squeeze(1)
            atoms[fragment[at]] = at
        content = content + first[molecule]
        joined = ((molecule[1:] == molecule[:-1]) & (orders[molecule[1:]] > 0)).nonzero().squeeze(1)
        return torch.stack([tail[content[joined]], head[content[joined + 1]]])
