"""Keys of the molecules that a model was trained on."""

import numpy as np
import torch
from torch import Tensor

from molweight.datasets import Splits
from molweight.datasets.internal import ROLES, molecule_keys
from molweight.graphs import MoleculeDataset

__all__ = ["trained_keys"]


def trained_keys(data: MoleculeDataset, splits: Splits) -> Tensor:
    """The sorted keys of the molecules of all roles except ``test``; see :func:`molecule_keys`.

    Args:
        data: The table.
        splits: Its roles.
    """
    roles = splits.roles()
    places = np.unique(np.concatenate([roles[role] for role in ROLES if role != "test"]))
    return torch.from_numpy(np.unique(molecule_keys([data.smiles[int(place)] for place in places])))
