"""Context prediction: predict whether a neighbourhood belongs to given surroundings."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from molweight import encoders
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch
from molweight.objectives._augment import hops, take
from molweight.objectives._base import Encode, Objective, draw_seed, register
from molweight.objectives._contrast import discrimination
from molweight.objectives._segments import random_item, random_partner, segment_mean

__all__ = ["ContextPrediction", "NeighbourhoodAndContext"]


@dataclass(frozen=True)
class NeighbourhoodAndContext:
    """The two parts around a random atom of each molecule that is large enough, ``P`` molecules.

    Args:
        neighbourhood: The atoms near the random atom.
        centres: The random atoms, positions in ``neighbourhood``, ``P``.
        context: The atoms of the ring around it.
        anchors: The atoms of both parts, positions in ``context``.
        partner: For each molecule, the one whose context is the negative, ``P``; ``None`` if there is no other.
        pairs: ``P``, or 0 if no molecule is large enough and a single atom is a placeholder.
        seed: Seed of the encoder's dropout.
    """

    neighbourhood: GraphBatch
    centres: Tensor
    context: GraphBatch
    anchors: Tensor
    partner: Tensor | None
    pairs: int
    seed: int


@register("context_prediction")
class ContextPrediction(Objective):
    """Distinguish the context of an atom's neighbourhood from that of another molecule.

    Around a random atom of each molecule, the neighbourhood is the subgraph of the atoms within ``hops`` bonds, and the
    context that of the atoms more than ``inner`` and at most ``outer`` bonds away. They share the atoms at more than
    ``inner`` and at most ``hops`` bonds. The encoder computes the random atom's vector in the neighbourhood. A separate
    GNN, a GIN with ``outer - inner`` layers, encodes the context as the mean vector of the shared atoms. The score is
    the dot product of the two vectors. The loss is the mean binary cross-entropy with the right context plus that with
    the context of another molecule, chosen by a random shift within the batch.

    A molecule in which no atom is more than ``inner`` bonds away has no context and is left out, as in the published
    method; for a batch of only such molecules the loss is 0.

    Source: Hu et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020; mean of the context ("cbow"), one
    negative context.

    Args:
        width: Size of the encoder's vectors.
        hops: Radius of the neighbourhood, in bonds; equal to the encoder's receptive field, one bond per layer.
        inner: Inner radius of the context, exclusive.
        outer: Outer radius of the context.

    Raises:
        ConfigError: If not ``0 <= inner < hops <= outer``.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["C" * 12, "CC"], cache=False).graphs([0, 1])
        >>> views = ContextPrediction(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> views.neighbourhood.num_graphs, views.context.num_graphs, views.partner
        (1, 1, None)
    """

    family: ClassVar[str] = "structure"
    paper: ClassVar[str] = "Hu et al., ICLR 2020"

    def __init__(self, width: int, *, hops: int = 5, inner: int = 4, outer: int = 7) -> None:
        """Create the GNN of the context."""
        super().__init__(width)
        if not 0 <= inner < hops <= outer:
            raise ConfigError(
                f"objective 'context_prediction': inner={inner}, hops={hops} and outer={outer} must satisfy "
                "0 <= inner < hops <= outer."
            )
        self.hops, self.inner, self.outer = hops, inner, outer
        self.context = encoders.create("gin", layers=outer - inner, width=width)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> NeighbourhoodAndContext:
        """Choose the atoms and cut out the parts around them."""
        distance = hops(batch, random_item(batch.ptr, generator), self.outer)
        near = distance <= self.hops
        ring = (distance > self.inner) & (distance <= self.outer)
        reached = torch.zeros(batch.num_graphs, dtype=torch.bool, device=batch.device)
        reached = reached.index_fill(0, batch.batch[ring], True)  # noqa: FBT003 - positional only
        pairs = int(reached.sum())
        if pairs == 0:
            reached[0] = True
            near = ring = distance == 0
        member = reached[batch.batch]
        near, ring = near & member, ring & member
        return NeighbourhoodAndContext(
            neighbourhood=take(batch, near),
            centres=(distance == 0)[near].nonzero().squeeze(1),
            context=take(batch, ring),
            anchors=near[ring].nonzero().squeeze(1),
            partner=random_partner(pairs, generator),
            pairs=pairs,
            seed=draw_seed(generator),
        )

    def loss(self, encoder: Encode, views: NeighbourhoodAndContext) -> Tensor:
        """Binary cross-entropy of the positive and negative contexts."""
        centres = encoder(views.neighbourhood, seed=views.seed).nodes[views.centres]
        nodes = self.context(views.context).nodes[views.anchors]
        contexts = segment_mean(nodes, views.context.batch[views.anchors], views.context.num_graphs)
        right = (centres * contexts).sum(1)[: views.pairs]
        wrong = right[:0] if views.partner is None else (centres * contexts[views.partner]).sum(1)
        return discrimination(right, wrong)
