"""Pretraining objectives: tasks that need no labels beyond what is computed from the molecule.

``available()`` lists the names, ``build("graphcl", width=encoder.width)`` creates one. Every objective first draws its
views of a batch (:meth:`Objective.draw`: masks, augmentations, targets; all randomness), then computes a loss that is a
pure function of parameters and views (:meth:`Objective.loss`).

Example:
    An objective of your own, here the number of atoms, is a class; registering it is enough to use it everywhere.

    >>> import torch
    >>> from dataclasses import dataclass
    >>> from molweight.objectives import Objective, draw_seed, register
    >>> @dataclass(frozen=True)
    ... class Sized:
    ...     graphs: object
    ...     sizes: torch.Tensor
    ...     seed: int
    >>> @register("atom_count")
    ... class AtomCount(Objective):
    ...     family, paper = "property", "this page"
    ...     def __init__(self, width):
    ...         super().__init__(width)
    ...         self.head = torch.nn.Linear(width, 1)
    ...     def draw(self, batch, generator):
    ...         return Sized(batch, batch.ptr.diff().float(), draw_seed(generator))
    ...     def loss(self, encoder, views):
    ...         guess = self.head(encoder(views.graphs, views.seed).graphs).squeeze(1)
    ...         return torch.nn.functional.mse_loss(guess, views.sizes.log())

    >>> from molweight import encoders, objectives
    >>> from molweight.graphs import build_dataset
    >>> encoder = encoders.build("gin", layers=2, width=8)
    >>> objective = objectives.build("atom_count", width=encoder.width)
    >>> batch = build_dataset(["CCO", "c1ccccc1"], cache=False).graphs([0, 1])
    >>> loss = objective(encoder, objective.draw(batch, torch.Generator().manual_seed(0)))
    >>> loss.shape, bool(loss.isfinite())
    (torch.Size([]), True)
"""

if __name__ != "molweight.objectives":
    raise ImportError("import molweight.objectives, not objectives: the repository root is on sys.path")

from molweight.objectives._attribute_masking import AttributeMasking, MaskedAtoms
from molweight.objectives._augment import (
    AUGMENTATIONS,
    Edit,
    apply,
    attribute_mask,
    edge_perturb,
    node_drop,
    random_edit,
    subgraph,
)
from molweight.objectives._base import FAMILIES, Encode, Objective, column_of, draw_seed
from molweight.objectives._contrast import nt_xent
from molweight.objectives._descriptors import DESCRIPTOR_VALUES, Descriptors, MaskedTargets
from molweight.objectives._functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, LabelledGraphs
from molweight.objectives._graphcl import GraphCL, TwoViews
from molweight.objectives._registry import available, build, get, register
from molweight.objectives._segments import offsets, random_subset, ranks

__all__ = [
    "AUGMENTATIONS",
    "DESCRIPTOR_VALUES",
    "FAMILIES",
    "FUNCTIONAL_GROUPS",
    "AttributeMasking",
    "Descriptors",
    "Edit",
    "Encode",
    "FunctionalGroups",
    "GraphCL",
    "LabelledGraphs",
    "MaskedAtoms",
    "MaskedTargets",
    "Objective",
    "TwoViews",
    "apply",
    "attribute_mask",
    "available",
    "build",
    "column_of",
    "draw_seed",
    "edge_perturb",
    "get",
    "node_drop",
    "nt_xent",
    "offsets",
    "random_edit",
    "random_subset",
    "ranks",
    "register",
    "subgraph",
]
