"""Functional groups against RDKit's own counts."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import Fragments

from molweight.datasets import load, load_corpus
from molweight.descriptors._rdkit_groups import GROUPS
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset, build_dataset
from molweight.objectives import FunctionalGroups
from molweight.objectives.building_blocks import FUNCTIONAL_GROUPS

EXTRA = ["C", "[Na+].[Cl-]", "[Fe]", "C" * 300, "*CC(=O)*", "[2H]OC", "O=C(O)" + "CO" * 290, "c1ccccc1" * 12]


def test_names_are_rdkits() -> None:
    assert list(GROUPS) == [name for name, _ in Fragments.fns]
    assert FUNCTIONAL_GROUPS.dim == 85


@pytest.mark.parametrize("source", ["zinc", "sider", "bace"])
def test_counts_are_rdkits(source: str) -> None:
    data = load_corpus("zinc", size=150, cache=False, n_jobs=1) if source == "zinc" else None
    smiles = [*data.smiles[:150]] if data else [*load(source, cache=False, n_jobs=1).smiles[:400:4]]
    smiles = smiles if data else smiles + EXTRA
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    expected = np.array([[function(molecule) for _, function in Fragments.fns] for molecule in molecules])
    assert np.array_equal(FUNCTIONAL_GROUPS(smiles), np.minimum(expected, 255))


def test_labels_are_presence(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(16))
    views = FunctionalGroups(width=4).draw(batch, torch.Generator())
    assert torch.equal(views.labels, (batch.columns["functional_groups"] > 0).float())
    assert 0 < views.labels.mean() < 0.5


def test_a_missing_column_is_named() -> None:
    bare = build_dataset(["CCO"], cache=False)
    with pytest.raises(DataError, match=r"no column 'functional_groups'.*attach_targets"):
        FunctionalGroups(width=4).draw(bare.graphs([0]), torch.Generator())


def test_unparsable_molecules_are_named() -> None:
    with pytest.raises(DataError, match="'C1CC'"):
        FUNCTIONAL_GROUPS(["C", "C1CC"])
