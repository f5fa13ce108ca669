"""Pretraining objectives: tasks that need no labels beyond what is computed from the molecule.

``available()`` lists the names, ``create("graphcl", width=encoder.width)`` creates one. Every objective first draws its
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
    >>> encoder = encoders.create("gin", layers=2, width=8)
    >>> objective = objectives.create("atom_count", width=encoder.width)
    >>> batch = build_dataset(["CCO", "c1ccccc1"], cache=False).graphs([0, 1])
    >>> loss = objective(encoder, objective.draw(batch, torch.Generator().manual_seed(0)))
    >>> loss.shape, bool(loss.isfinite())
    (torch.Size([]), True)
"""

if __name__ != "molweight.objectives":
    raise ImportError("import molweight.objectives, not objectives: the repository root is on sys.path")

from molweight.objectives._assay_labels import AssayedMolecules, AssayLabels
from molweight.objectives._attribute_masking import AttributeMasking, MaskedAtoms
from molweight.objectives._augment import (
    AUGMENTATIONS,
    Edit,
    apply,
    attribute_mask,
    edge_perturb,
    join,
    node_drop,
    random_edit,
    subgraph,
    take,
)
from molweight.objectives._base import FAMILIES, Encode, Objective, column_of, corpus_column, draw_seed
from molweight.objectives._brics_motifs import BRICS_CODES, BricsMotifs, Motifs
from molweight.objectives._conformers import CONFORMERS, Embedded
from molweight.objectives._context_prediction import ContextPrediction, NeighbourhoodAndContext
from molweight.objectives._contrast import discrimination, ebm_nce, info_nce, nt_xent
from molweight.objectives._descriptors import DESCRIPTOR_VALUES, Descriptors, MaskedTargets
from molweight.objectives._edge_prediction import AtomPairs, EdgePrediction, sample_non_bonds
from molweight.objectives._fingerprint import Fingerprint, fingerprint_spec
from molweight.objectives._fingerprint_clusters import MACCS_KEYS, ClusteredGraphs, FingerprintClusters
from molweight.objectives._fragment_jigsaw import CUT_PLACES, FragmentJigsaw, JoinedAgain, nested_orders
from molweight.objectives._functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, LabelledGraphs
from molweight.objectives._graph_mae import GraphMAE, MaskedNeighbours, scaled_cosine_error
from molweight.objectives._graphcl import GraphCL, TwoViews
from molweight.objectives._graphmvp_contrastive import GraphAndConformer, GraphMVPContrastive
from molweight.objectives._graphmvp_generative import GraphMVPGenerative, NoisyConformers, VariationalMap
from molweight.objectives._infomax import Infomax, PairedGraphs
from molweight.objectives._masked_consistency import MaskedConsistency, embedding_rank, embedding_spread
from molweight.objectives._molclr import MolCLR
from molweight.objectives._rationality import IntactAndCorrupted, Rationality
from molweight.objectives._rdkit_groups import GROUPS
from molweight.objectives._registry import available, create, get, register
from molweight.objectives._registry import build as build
from molweight.objectives._segments import offsets, random_item, random_partner, random_subset, ranks, segment_mean
from molweight.objectives._subgraph import grow, hops

__all__ = [
    "AUGMENTATIONS",
    "BRICS_CODES",
    "CONFORMERS",
    "CUT_PLACES",
    "DESCRIPTOR_VALUES",
    "FAMILIES",
    "FUNCTIONAL_GROUPS",
    "GROUPS",
    "MACCS_KEYS",
    "AssayLabels",
    "AssayedMolecules",
    "AtomPairs",
    "AttributeMasking",
    "BricsMotifs",
    "ClusteredGraphs",
    "ContextPrediction",
    "Descriptors",
    "EdgePrediction",
    "Edit",
    "Embedded",
    "Encode",
    "Fingerprint",
    "FingerprintClusters",
    "FragmentJigsaw",
    "FunctionalGroups",
    "GraphAndConformer",
    "GraphCL",
    "GraphMAE",
    "GraphMVPContrastive",
    "GraphMVPGenerative",
    "Infomax",
    "IntactAndCorrupted",
    "JoinedAgain",
    "LabelledGraphs",
    "MaskedAtoms",
    "MaskedConsistency",
    "MaskedNeighbours",
    "MaskedTargets",
    "MolCLR",
    "Motifs",
    "NeighbourhoodAndContext",
    "NoisyConformers",
    "Objective",
    "PairedGraphs",
    "Rationality",
    "TwoViews",
    "VariationalMap",
    "apply",
    "attribute_mask",
    "available",
    "column_of",
    "corpus_column",
    "create",
    "discrimination",
    "draw_seed",
    "ebm_nce",
    "edge_perturb",
    "embedding_rank",
    "embedding_spread",
    "fingerprint_spec",
    "get",
    "grow",
    "hops",
    "info_nce",
    "join",
    "nested_orders",
    "node_drop",
    "nt_xent",
    "offsets",
    "random_edit",
    "random_item",
    "random_partner",
    "random_subset",
    "ranks",
    "register",
    "sample_non_bonds",
    "scaled_cosine_error",
    "segment_mean",
    "subgraph",
    "take",
]
