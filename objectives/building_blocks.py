"""Building blocks of objectives, for authors of new ones: edits of molecules, segments, contrastive losses, targets.

A batch of molecules is one graph, with one segment per molecule: ``offsets``, ``ranks`` and the ``random_*`` functions
work on segments, ``take`` and ``join`` create new batches from parts, and the augmentations return an :class:`Edit` for
:func:`apply`.
"""

from molweight.descriptors.internal import FUNCTIONAL_GROUPS, GROUPS
from molweight.objectives._augment import (
    AUGMENTATIONS,
    Edit,
    apply,
    attribute_mask,
    edge_perturb,
    grow,
    hops,
    join,
    node_drop,
    random_edit,
    subgraph,
    take,
)
from molweight.objectives._base import Encode, corpus_column
from molweight.objectives._brics_motifs import BRICS_CODES
from molweight.objectives._conformers import CONFORMERS
from molweight.objectives._contrast import discrimination, ebm_nce, info_nce, nt_xent
from molweight.objectives._descriptors import DESCRIPTOR_VALUES
from molweight.objectives._edge_prediction import sample_non_bonds
from molweight.objectives._fingerprint import fingerprint_spec
from molweight.objectives._fingerprint_clusters import MACCS_KEYS
from molweight.objectives._fragment_jigsaw import CUT_PLACES, nested_orders
from molweight.objectives._graph_mae import scaled_cosine_error
from molweight.objectives._graphmvp_generative import VariationalMap
from molweight.objectives._masked_consistency import embedding_rank, embedding_spread
from molweight.objectives._segments import offsets, random_item, random_partner, random_subset, ranks, segment_mean

__all__ = [
    "AUGMENTATIONS",
    "BRICS_CODES",
    "CONFORMERS",
    "CUT_PLACES",
    "DESCRIPTOR_VALUES",
    "FUNCTIONAL_GROUPS",
    "GROUPS",
    "MACCS_KEYS",
    "Edit",
    "Encode",
    "VariationalMap",
    "apply",
    "attribute_mask",
    "corpus_column",
    "discrimination",
    "ebm_nce",
    "edge_perturb",
    "embedding_rank",
    "embedding_spread",
    "fingerprint_spec",
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
    "sample_non_bonds",
    "scaled_cosine_error",
    "segment_mean",
    "subgraph",
    "take",
]
