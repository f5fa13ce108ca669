"""Keys of the molecules that a model was trained on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import BoolArray
from molweight.datasets import Splits
from molweight.datasets.internal import ROLES, molecule_keys
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.graphs.internal import as_smiles

__all__ = ["seen_among", "trained_keys"]


def trained_keys(data: MoleculeDataset, splits: Splits) -> Tensor:
    """The sorted keys of the molecules of all roles except ``test``; see :func:`molecule_keys`.

    If the features leave stereochemistry out, stereoisomers are one molecule.

    Args:
        data: The table.
        splits: Its roles.
    """
    roles = splits.roles()
    places = np.unique(np.concatenate([roles[role] for role in ROLES if role != "test"]))
    smiles = [data.smiles[int(place)] for place in places]
    return torch.from_numpy(np.unique(molecule_keys(smiles, stereo=data.featuriser.stereo == "use")))


def seen_among(smiles: Sequence[str], keys: Tensor, featuriser: Featuriser) -> BoolArray:
    """Whether each molecule is among those of :func:`trained_keys`.

    Args:
        smiles: ``n`` SMILES or RDKit molecules.
        keys: The keys.
        featuriser: The features of the model.
    """
    texts, known = as_smiles(smiles, "smiles"), keys.numpy()
    found: BoolArray = np.isin(molecule_keys(texts), known)
    if featuriser.stereo == "ignore":  # earlier versions stored keys with stereochemistry, so both kinds are compared
        found |= np.isin(molecule_keys(texts, stereo=False), known)
    return found
