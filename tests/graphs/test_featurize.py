"""Features against OGB's own reader, and what happens to rows without a molecule."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from molweight.datasets import load, load_corpus
from molweight.graphs import ATOM_SIZES, BOND_SIZES, Featuriser, Molecules, featurize
from molweight.graphs._binary import decode
from molweight.graphs._reference import read_molecule

OGB = Featuriser("ogb")
TABLES = ["freesolv", "esol", "lipophilicity", "bbbp", "bace", "clintox", "sider", "tox21"]
AWKWARD = [
    "C",
    "[Na+].[Cl-]",
    "C~C",
    "*CC*",
    "[5*]C",
    "CC[*:1]",
    "[CH2:1][CH3:2]",
    "[13CH4:7]",
    "[2H]O[2H]",
    "[H][H]",
    "[U]",
    "C->[Fe]",
    "F/C=C\\F",
    "C[C@](F)(Cl)Br",
    "F[S](F)(F)(F)(F)F",
    "Cl[Pt@SP1](Cl)(N)N",
    "[Fe+2]",
    "[O]",
    "C" * 300,
    "c1ccccc1" * 20,
]


def _graph(molecules: Molecules, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    atoms = slice(*molecules.atom_offsets[index : index + 2])
    bonds = slice(*molecules.bond_offsets[index : index + 2])
    return molecules.atoms[atoms], molecules.ends[bonds], molecules.bonds[bonds]


def _assert_equal_to_ogb(smiles: Sequence[str], molecules: Molecules) -> None:
    from ogb.utils import smiles2graph

    for index, text in enumerate(smiles):
        with rdBase.BlockLogs():
            expected = smiles2graph(text)
        atoms, ends, bonds = _graph(molecules, index)
        both = np.stack([ends, ends[:, ::-1]], axis=1).reshape(-1, 2).T
        assert np.array_equal(atoms, expected["node_feat"]), text
        assert np.array_equal(both, expected["edge_index"]), text
        assert np.array_equal(np.repeat(bonds, 2, axis=0), expected["edge_feat"]), text


@pytest.mark.parametrize("name", TABLES)
def test_molecules_of_the_table_equal_ogb(name: str) -> None:
    """All of a small table, and at least 1,000 of a larger one: OGB's reader takes a millisecond per molecule."""
    whole = load(name)
    data = whole.subset(range(0, len(whole), max(1, len(whole) // 1_000))).with_featuriser(OGB)
    _assert_equal_to_ogb(list(data.smiles), data.molecules)


def test_corpus_equals_ogb() -> None:
    corpus = load_corpus("zinc", size=1000).with_featuriser(OGB)
    _assert_equal_to_ogb(list(corpus.smiles), corpus.molecules)


@pytest.mark.parametrize("smiles", AWKWARD)
def test_awkward_molecule_equals_the_reference(smiles: str) -> None:
    molecules, rejects = featurize([smiles, "CCO"], featuriser=OGB)
    assert rejects == []
    reference = read_molecule(Chem.MolFromSmiles(smiles))
    for got, expected in zip(_graph(molecules, 0), reference, strict=True):
        assert np.array_equal(got, np.asarray(expected))
    assert len(_graph(molecules, 1)[0]) == 3


@pytest.mark.parametrize("featuriser", [OGB, Featuriser()], ids=str)
def test_values_stay_inside_their_vocabulary(featuriser: Featuriser) -> None:
    molecules, _ = featurize(AWKWARD, featuriser=featuriser)
    assert (molecules.atoms < np.array(ATOM_SIZES)).all()
    assert (molecules.bonds < np.array(BOND_SIZES)).all()


def test_element_outside_the_vocabulary_takes_the_last_place() -> None:
    molecules, _ = featurize(["*"])
    assert molecules.atoms[0, 0] == ATOM_SIZES[0] - 1


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("", "empty SMILES"),
        ("  ", "empty SMILES"),
        ("FAIL", "not a valid SMILES"),
        ("C1CC", "ring 1 is not closed"),
        ("CC(C", "a bracket ( is not closed"),
        ("CC\u0421", "'\\u0421' is not a character of SMILES"),  # Cyrillic; RDKit reads ethane
        ("\u00e4CC", "'\\xe4' is not a character of SMILES"),
        ("CC\ufffd", "'\\ufffd' is not a character of SMILES"),
        ("CC\x01", "'\\x01' is not a character of SMILES"),
        ("CC\udcff", "'\\udcff' is an incomplete character"),
        ("CC \ud800", "'\\ud800' is an incomplete character"),
        ("C(C)(C)(C)(C)C", "Explicit valence for atom # 0 C, 5, is greater than permitted"),
        ("c1cccc1", "Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4"),
    ],
)
def test_reject_names_row_and_reason(smiles: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    molecules, rejects = featurize(["CCO", smiles, "C"])
    assert [(reject.row, reject.smiles, reject.reason) for reject in rejects] == [(1, smiles, reason)]
    assert molecules.rows.tolist() == [0, 2]
    assert list(molecules.smiles) == ["CCO", "C"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("smiles", ["\ufeffCCO", "CCO\xa0", "\u200bCCO", "CCO \u00e4thanol", "CCO\r\n", "\tCCO"])
def test_what_is_around_a_smiles_is_no_harm(smiles: str) -> None:
    molecules, rejects = featurize([smiles], featuriser=Featuriser())
    assert (molecules.atom_offsets.tolist(), rejects) == ([0, 3], [])


def test_not_a_string_is_rejected() -> None:
    _, rejects = featurize(["C", float("nan")])  # type: ignore[list-item]  # an empty cell of a table
    assert rejects[0].reason == "not a string but float"


def test_nothing_in_nothing_out() -> None:
    molecules, rejects = featurize([])
    assert len(molecules) == 0
    assert rejects == []


def test_chunks_and_processes_change_nothing() -> None:
    smiles = ["CCO", "C1CC", "c1ccccc1N", "*C", "[Na+].[Cl-]"] * 2000
    one, rejects_one = featurize(smiles, n_jobs=1)
    two, rejects_two = featurize(smiles, n_jobs=2)
    assert rejects_one == rejects_two
    assert [reject.row for reject in rejects_one] == list(range(1, 10_000, 5))
    assert np.array_equal(one.atoms, two.atoms)
    assert np.array_equal(one.rows, two.rows)
    assert list(one.smiles) == list(two.smiles)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="CNOc1()=[]+-H.#n2*", max_size=12), max_size=12))
def test_any_text_is_a_molecule_or_a_reject(smiles: list[str]) -> None:
    molecules, rejects = featurize(smiles)
    assert sorted([*molecules.rows.tolist(), *(reject.row for reject in rejects)]) == list(range(len(smiles)))
    assert list(molecules.smiles) == [smiles[row] for row in molecules.rows]


WHOLE = Chem.MolFromSmiles("CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O").ToBinary(0)


@pytest.mark.parametrize("length", range(0, len(WHOLE), 3))
def test_truncated_binary_is_not_misread(length: int) -> None:
    decoded = decode([WHOLE, WHOLE[:length], WHOLE])
    assert decoded.understood[[0, 2]].all()
    if decoded.understood[1]:
        assert np.array_equal(decoded.atoms[15:30], decoded.atoms[:15])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    decoded = decode([WHOLE, WHOLE[:30] + noise])
    assert decoded.understood[0]
    assert len(decoded.atoms) == decoded.num_atoms.sum()


def test_another_layout_version_is_left_to_the_reference() -> None:
    binary = bytearray(Chem.MolFromSmiles("CCO").ToBinary(0))
    binary[8] = 17
    assert not decode([bytes(binary)]).understood[0]
