"""Attribute masking: predict the element of masked atoms from their surroundings."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.graphs import ATOM_SIZES, BOND_MASK, BOND_SIZES, GraphBatch
from molweight.objectives._augment import bond_ends, mask_tokens, share
from molweight.objectives._base import Encode, Objective, check_share, draw_seed, register
from molweight.objectives._segments import random_subset

__all__ = ["AttributeMasking", "MaskedAtoms"]


@dataclass(frozen=True)
class MaskedAtoms:
    """A batch with masked atoms, and the values that were masked.

    Args:
        graphs: The batch with mask tokens.
        atoms: Positions of the masked atoms, ``M``.
        elements: Their elements, ``M``.
        bonds: End atoms of the masked bonds, ``2 x B``; ``None`` if bonds are not masked.
        bond_types: Their types, ``B``; ``None`` likewise.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    atoms: Tensor
    elements: Tensor
    bonds: Tensor | None
    bond_types: Tensor | None
    seed: int


@register("attribute_masking")
class AttributeMasking(Objective):
    """Mask ``floor(rate n) + 1`` of a molecule's ``n`` atoms and predict their elements from the atoms' vectors.

    All nine features of a masked atom are replaced by the mask token. The loss is the cross-entropy over the masked
    atoms of the batch; with ``mask_bonds``, the bonds at masked atoms are masked as well, and the cross-entropy of
    their types, predicted from the sum of their end atoms' vectors, is added.

    Source: Hu et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020 (their code masks no bonds by
    default).

    Args:
        width: Size of the encoder's vectors.
        rate: Share of atoms to mask.
        mask_bonds: Whether to mask bonds too.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCO", "c1ccccc1"], cache=False).graphs([0, 1])
        >>> views = AttributeMasking(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> len(views.atoms), views.elements.max().item() <= 7
        (2, True)
    """

    family: ClassVar[str] = "masking"
    paper: ClassVar[str] = "Hu et al., ICLR 2020"

    def __init__(self, width: int, *, rate: float = 0.15, mask_bonds: bool = False) -> None:
        """Create a linear head for elements and, with ``mask_bonds``, one for bond types."""
        super().__init__(width)
        check_share("attribute_masking", "rate", rate)
        self.rate = rate
        self.atom_head = nn.Linear(width, ATOM_SIZES[0])
        self.bond_head = nn.Linear(width, BOND_SIZES[0]) if mask_bonds else None

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> MaskedAtoms:
        """Choose and mask atoms."""
        masked = random_subset(batch.batch, batch.ptr, share(batch.ptr, self.rate) + 1, generator)
        atoms = masked.nonzero().squeeze(1)
        graphs = replace(batch, x=mask_tokens(batch.x, masked))
        bonds = types = None
        if self.bond_head is not None:
            touched = masked[batch.edge_index].any(0)
            once = touched[::2].nonzero().squeeze(1)
            bonds, types = bond_ends(batch)[:, once], batch.edge_attr[once * 2, 0]
            token = torch.tensor(BOND_MASK, device=batch.device)
            graphs = replace(graphs, edge_attr=torch.where(touched[:, None], token, batch.edge_attr))
        return MaskedAtoms(graphs, atoms, batch.x[atoms, 0], bonds, types, draw_seed(generator))

    def loss(self, encoder: Encode, views: MaskedAtoms) -> Tensor:
        """Cross-entropy of the masked elements, plus that of the masked bond types."""
        nodes = encoder(views.graphs, seed=views.seed).nodes
        loss = functional.cross_entropy(self.atom_head(nodes[views.atoms]), views.elements)
        if self.bond_head is None or views.bonds is None or views.bond_types is None:
            return loss
        ends = nodes[views.bonds[0]] + nodes[views.bonds[1]]
        total = functional.cross_entropy(self.bond_head(ends), views.bond_types, reduction="sum")
        return loss + total / max(len(views.bond_types), 1)
