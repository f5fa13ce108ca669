"""GraphMAE: reconstruct masked atoms through a decoder that does not see their codes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.encoders import FeatureEmbedding
from molweight.encoders.building_blocks import bond_codes
from molweight.errors import OptionError
from molweight.graphs import ATOM_SIZES, BOND_SIZES, GraphBatch
from molweight.objectives._augment import mask_tokens, share
from molweight.objectives._base import Encode, Objective, check_share, draw_seed, register
from molweight.objectives._segments import random_subset

__all__ = ["GraphMAE", "MaskedNeighbours", "scaled_cosine_error"]


def scaled_cosine_error(guess: Tensor, target: Tensor, power: float = 1.0) -> Tensor:
    r"""Mean over the rows of ``(1 - cos(guess, target))^power``; 0 without rows.

    Source: Hou et al., *GraphMAE: Self-Supervised Masked Graph Autoencoders*, KDD 2022, eq. 2.

    Args:
        guess: ``n x d``.
        target: ``n x d``.
        power: At least 1; larger values reduce the weight of good guesses.

    Returns:
        A scalar between 0 and ``2^power``.

    Example:
        >>> right, angle = torch.eye(2), torch.tensor([[2.0, 0.0], [5.0, 0.0]])
        >>> scaled_cosine_error(angle, right).item()
        0.5
    """
    cosine = (functional.normalize(guess, dim=1) * functional.normalize(target, dim=1)).sum(1)
    # Rounding may make the cosine exceed 1, and the power NaN.
    error = (1 - cosine).clamp(min=0)
    # A power between 1 and 2 has no second derivative at zero: an exact guess counts as constant.
    exact = error == 0
    scaled = torch.where(exact, error * (power == 1), torch.where(exact, 1.0, error).pow(power))
    return scaled.sum() / max(len(guess), 1)


@dataclass(frozen=True)
class MaskedNeighbours:
    """A batch with masked atoms, their elements, and the edges to them.

    Args:
        graphs: The batch with mask tokens.
        atoms: Positions of the masked atoms, ``M``.
        elements: Their elements, ``M``.
        edges: Positions of the edges that lead to a masked atom, ``K``.
        slots: Which of the masked atoms each of them leads to, ``K``.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    atoms: Tensor
    elements: Tensor
    edges: Tensor
    slots: Tensor
    seed: int


class _Decoder(nn.Module):
    """One round of message passing from the codes of the atoms to the elements of the masked ones.

    A GIN layer, with the codes of masked atoms set to 0, computed only for the masked atoms.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.activation = nn.PReLU()
        self.project = nn.Linear(width, width, bias=False)
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, ATOM_SIZES[0]))

    def forward(self, nodes: Tensor, views: MaskedNeighbours) -> Tensor:
        codes = self.project(self.activation(nodes)).index_fill(0, views.atoms, 0.0)
        sources = views.graphs.edge_index[0, views.edges]
        bonds = self.bonds(bond_codes(views.graphs.edge_attr[views.edges]))
        messages = (codes.index_select(0, sources) + bonds).relu()
        collected = codes.new_zeros(len(views.atoms), codes.size(1)).index_add(0, views.slots, messages)
        logits: Tensor = self.mlp(collected)
        return logits


@register("graph_mae")
class GraphMAE(Objective):
    """Mask ``floor(rate n) + 1`` of a molecule's ``n`` atoms and reconstruct their elements through a small decoder.

    All nine features of a masked atom are replaced by the mask token. The codes of the masked atoms are set to 0 again
    before the decoder (a PReLU, a linear map and a GIN layer), so that an element must be reconstructed from the codes
    of the neighbours. The loss is :func:`scaled_cosine_error` between the decoder's output and the element as a one-hot
    vector, over the masked atoms of the batch.

    Source: Hou et al., *GraphMAE: Self-Supervised Masked Graph Autoencoders*, KDD 2022, with the settings of their
    experiments on molecules.

    Args:
        width: Size of the encoder's vectors.
        rate: Share of atoms to mask.
        power: Exponent of the scaled cosine error, at least 1.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCCO", "c1ccccc1"], cache=False).graphs([0, 1])
        >>> views = GraphMAE(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> torch.bincount(batch.batch[views.atoms]).tolist()
        [2, 2]
    """

    family: ClassVar[str] = "masking"
    paper: ClassVar[str] = "Hou et al., KDD 2022"
    learnable: ClassVar[Mapping[str, tuple[float, float]]] = {"power": (1.0, 4.0)}

    def __init__(self, width: int, *, rate: float = 0.25, power: float = 1.0) -> None:
        """Create the decoder."""
        super().__init__(width)
        check_share("graph_mae", "rate", rate)
        if power < 1:
            raise OptionError("power", power, "must be at least 1", owner="objective 'graph_mae'")
        self.rate, self.power = rate, power
        self.decoder = _Decoder(width)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> MaskedNeighbours:
        """Choose and mask atoms."""
        masked = random_subset(batch.batch, batch.ptr, share(batch.ptr, self.rate) + 1, generator)
        atoms = masked.nonzero().squeeze(1)
        target = batch.edge_index[1]
        edges = masked[target].nonzero().squeeze(1)
        slots = (masked.cumsum(0) - 1)[target[edges]]
        graphs = replace(batch, x=mask_tokens(batch.x, masked))
        return MaskedNeighbours(graphs, atoms, batch.x[atoms, 0], edges, slots, draw_seed(generator))

    def loss(self, encoder: Encode, views: MaskedNeighbours) -> Tensor:
        """Scaled cosine error of the masked elements."""
        guess = self.decoder(encoder(views.graphs, seed=views.seed).nodes, views)
        target = functional.one_hot(views.elements, ATOM_SIZES[0]).to(guess.dtype)
        return scaled_cosine_error(guess, target, self.power)
