"""Encoders that learned one meaning of the stereochemical features and are used with another."""

import torch
from torch import Tensor, nn

from molweight.encoders._embedding import FeatureEmbedding
from molweight.graphs import ATOM_SIZES, BOND_SIZES, CHIRALITY
from molweight.graphs.internal import BOND_STEREO

__all__ = ["merge_handedness"]

_HANDS = (1, 2)
"""Values of ``chirality`` of both hands: clockwise and counter-clockwise, or R and S."""


@torch.no_grad()
def merge_handedness(model: nn.Module) -> None:
    """Give both hands of a stereocentre the same vector, in place, in all embeddings of atoms and bonds.

    An encoder that was trained on RDKit's tags (``features="ogb"``) knows nothing of R and S, and the other way round:
    the vectors it learned for one must not be read as the other. What they have in common, that there is a
    stereocentre, is kept as their mean. Training can separate them again. Z and E mean the same in both sets of
    features and are kept; values of bonds that only one set has (cis and trans, or M and P) are merged likewise.

    Args:
        model: The encoder, with or without heads. Embeddings other than :class:`FeatureEmbedding` are not changed.

    Example:
        >>> from molweight import encoders
        >>> encoder = encoders.create("gin", layers=1, width=2)
        >>> merge_handedness(encoder)
        >>> table = encoder.atoms.weight
        >>> bool((table[121] == table[122]).all()), bool((table[120] == table[121]).all())
        (True, False)
    """
    for module in model.modules():
        if not isinstance(module, FeatureEmbedding):
            continue
        if module.sizes == ATOM_SIZES:
            rows = _rows(module, CHIRALITY)
            rows[1:-1] = rows[list(_HANDS)].mean(0)
        elif module.sizes == BOND_SIZES:
            rows = _rows(module, BOND_STEREO)
            rows[3:5] = rows[3:5].mean(0)


def _rows(embedding: FeatureEmbedding, feature: int) -> Tensor:
    """A view of the vectors of one feature: of each of its values, then of the mask."""
    tables = torch.split(embedding.weight, [size + 1 for size in embedding.sizes])
    return tables[feature]
