"""Real molecules with the targets of all objectives."""

import functools
from collections.abc import Callable, Sequence

import pytest

from molweight import objectives
from molweight.datasets import load_corpus
from molweight.graphs import GraphBatch, MoleculeDataset, TargetSpec, attach_targets, build_dataset
from molweight.objectives import building_blocks

AWKWARD = [
    "C",  # one atom
    "[Na+].[Cl-]",  # no bonds, two components
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[N+](C)(C)C.[Br-]",
    "CC",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "[Fe]",
    r"C/C=C\C",
]

Make = Callable[[Sequence[str]], GraphBatch]


def all_specs() -> list[TargetSpec]:
    needed = [spec for name in objectives.available() for spec in objectives.get(name).targets]
    return [*needed, building_blocks.fingerprint_spec("path")]


@pytest.fixture(scope="session")
def corpus() -> MoleculeDataset:
    """256 molecules of ZINC; the processes of a session compute their targets once."""
    return attach_targets(load_corpus("zinc", size=256, n_jobs=1), all_specs())


@pytest.fixture(scope="session")
def make() -> Make:
    """A function from SMILES to a batch with all targets, which are computed once: many tests ask for the same few."""

    @functools.cache
    def made(smiles: tuple[str, ...]) -> GraphBatch:
        data = build_dataset(list(smiles), name="test", cache=False, n_jobs=1)
        return attach_targets(data, all_specs()).graphs(range(len(smiles)))

    return lambda smiles: made(tuple(smiles))


@pytest.fixture(scope="session")
def awkward(make: Make) -> GraphBatch:
    """Molecules with everything that is easy to get wrong."""
    return make(AWKWARD)
