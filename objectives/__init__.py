"""Pretraining objectives: tasks whose labels are computed from the molecule itself.

``available()`` lists the names, ``create("graphcl", width=encoder.width)`` creates one. Every objective first draws its
views of a batch (:meth:`Objective.draw`: masks, augmentations, targets; all randomness), then computes a loss that is a
pure function of parameters and views (:meth:`Objective.loss`).

Example:
    A new objective, here the number of atoms, is a class; once registered, it can be used everywhere.

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
    >>> encoder = encoders.create("gin", layers=2, width=8)
    >>> objective = objectives.create("atom_count", width=encoder.width)
    >>> batch = build_dataset(["CCO", "c1ccccc1"], cache=False).graphs([0, 1])
    >>> loss = objective(encoder, objective.draw(batch, torch.Generator().manual_seed(0)))
    >>> loss.shape, bool(loss.isfinite())
    (torch.Size([]), True)
"""

if __name__ != "molweight.objectives":
    raise ImportError("import molweight.objectives, not objectives: the repository root is on sys.path")

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.objectives._assay_labels import AssayLabels
from molweight.objectives._attribute_masking import AttributeMasking
from molweight.objectives._base import Objective, available, column_of, create, draw_seed, get, register
from molweight.objectives._base import build as build
from molweight.objectives._brics_motifs import BricsMotifs
from molweight.objectives._context_prediction import ContextPrediction
from molweight.objectives._descriptors import Descriptors
from molweight.objectives._edge_prediction import EdgePrediction
from molweight.objectives._fingerprint import Fingerprint
from molweight.objectives._fingerprint_clusters import FingerprintClusters
from molweight.objectives._fragment_jigsaw import FragmentJigsaw
from molweight.objectives._functional_groups import FunctionalGroups
from molweight.objectives._graph_mae import GraphMAE
from molweight.objectives._graphcl import GraphCL
from molweight.objectives._graphmvp_contrastive import GraphMVPContrastive
from molweight.objectives._graphmvp_generative import GraphMVPGenerative
from molweight.objectives._infomax import Infomax
from molweight.objectives._masked_consistency import MaskedConsistency
from molweight.objectives._molclr import MolCLR
from molweight.objectives._rationality import Rationality
from molweight.objectives._source import Source

__all__ = [
    "AssayLabels",
    "AttributeMasking",
    "BricsMotifs",
    "ContextPrediction",
    "Descriptors",
    "EdgePrediction",
    "Fingerprint",
    "FingerprintClusters",
    "FragmentJigsaw",
    "FunctionalGroups",
    "GraphCL",
    "GraphMAE",
    "GraphMVPContrastive",
    "GraphMVPGenerative",
    "Infomax",
    "MaskedConsistency",
    "MolCLR",
    "Objective",
    "Rationality",
    "Source",
    "available",
    "column_of",
    "create",
    "draw_seed",
    "get",
    "register",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(
        __name__,
        "internal",
        "_assay_labels",
        "_attribute_masking",
        "_brics_motifs",
        "_conformers",
        "_context_prediction",
        "_descriptors",
        "_edge_prediction",
        "_fingerprint_clusters",
        "_fragment_jigsaw",
        "_functional_groups",
        "_graph_mae",
        "_graphcl",
        "_graphmvp_contrastive",
        "_graphmvp_generative",
        "_infomax",
        "_rationality",
        "building_blocks",
    )
