"""The encoder of chemprop: its features, and vectors that chemprop itself computed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from molweight import encoders
from molweight.encoders._chemprop import _MASSES
from molweight.encoders._ring_edges import ring_edges
from molweight.encoders.internal import merge_handedness
from molweight.graphs import ATOM_SIZES, Featuriser, build_dataset

KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "chemprop.json").read_text())
NAMES = {"W_i": "start", "W_h": "pass_on", "W_o": "finish"}


def taken_over() -> encoders.Encoder:
    """An encoder with the weights of the file."""
    encoder = encoders.create("chemprop", layers=KNOWN["depth"], width=6).double()
    weights = {name: torch.tensor(value, dtype=torch.float64) for name, value in KNOWN["weights"].items()}
    encoder.load_state_dict({f"{NAMES[name[:3]]}{name[3:]}": value for name, value in weights.items()})
    return encoder


def vectors(encoder: encoders.Encoder, smiles: list[str], features: str) -> Tensor:
    featuriser = Featuriser.from_description({"version": 2, "features": features, "stereo": "use"})
    data = build_dataset(smiles, featuriser=featuriser, cache=False)
    with torch.no_grad():
        return encoder.eval()(data.graphs(np.arange(len(smiles)))).graphs


def test_vectors_are_those_of_chemprop() -> None:
    """Of rings and bonds between them, both kinds of stereochemistry, ions, all kinds of bonds, and a single atom."""
    found = vectors(taken_over(), KNOWN["smiles"], "ogb")
    torch.testing.assert_close(found, torch.tensor(KNOWN["vectors"], dtype=torch.float64), rtol=0, atol=2e-7)


def test_with_labels_of_the_molecule_both_hands_begin_alike() -> None:
    """Z and E keep what chemprop learned of them."""
    encoder = taken_over()
    merge_handedness(encoder)
    places = [KNOWN["smiles"].index(text) for text in ("N[C@@H](C)C(=O)O", "N[C@H](C)C(=O)O", "C/C=C/C", "C/C=C\\C")]
    one, other, *bonds = vectors(encoder, [KNOWN["smiles"][place] for place in places], "cip")
    known = torch.tensor(KNOWN["vectors"], dtype=torch.float64)[places]
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    assert (known[0] - known[1]).abs().max() > 1e-4
    torch.testing.assert_close(torch.stack(bonds), known[2:], rtol=0, atol=2e-7)


def test_every_element_has_a_mass() -> None:
    assert len(_MASSES) == ATOM_SIZES[0]


def parts(edges: list[tuple[int, int]]) -> int:
    """Into how many parts ten nodes fall."""
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    count: int = connected_components(coo_array((np.ones(len(edges)), ends), shape=(10, 10)), directed=False)[0]
    return count


@settings(max_examples=60)
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=16), st.randoms())
def test_edges_in_rings_are_those_without_which_nothing_falls_apart(pairs: set[tuple[int, int]], random: Any) -> None:
    bonds = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    edges = [edge for bond in bonds for edge in (bond, bond[::-1])]
    random.shuffle(edges)
    in_ring = {bond for bond in bonds if parts([other for other in bonds if other != bond]) == parts(bonds)}
    found = ring_edges(torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T, 10)
    assert found.tolist() == [(min(edge), max(edge)) in in_ring for edge in edges]


@pytest.mark.parametrize("smiles", ["c1ccccc1-c1ccccc1", "C1CC2(C1)CCC2", "C1CC1CC1CC1", "CC", "[Na+].[Cl-]"])
def test_bonds_in_rings_are_those_of_rdkit(smiles: str) -> None:
    from rdkit import Chem

    graphs = build_dataset([smiles, smiles], cache=False).graphs([0, 1])
    once = [bond.IsInRing() for bond in Chem.MolFromSmiles(smiles).GetBonds() for _ in range(2)]
    assert ring_edges(graphs.edge_index, len(graphs.batch)).tolist() == 2 * once
