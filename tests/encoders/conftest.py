"""Real molecules as batches."""

from collections.abc import Callable, Sequence

import pytest
import torch

from molweight.graphs import GraphBatch, build_dataset

AWKWARD = [
    "C",  # one atom
    "[Na+].[Cl-]",  # no bonds, two components
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[N+](C)(C)C.[Br-]",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "N[C@@H](C)C(=O)O",
    r"C/C=C\C",
]

Make = Callable[[Sequence[str]], GraphBatch]


@pytest.fixture(scope="session")
def make() -> Make:
    """A function from SMILES to a batch."""

    def batch(smiles: Sequence[str]) -> GraphBatch:
        return build_dataset(list(smiles), name="test", cache=False, n_jobs=1).graphs(range(len(smiles)))

    return batch


@pytest.fixture
def molecules(make: Make) -> GraphBatch:
    """Molecules with everything that is easy to get wrong."""
    torch.manual_seed(0)
    return make(AWKWARD)
