"""Stereochemical features depend on the molecule alone."""

import logging
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdinchi

from molweight import encoders
from molweight.datasets import load
from molweight.errors import ConfigError, DataError
from molweight.graphs import CHIRALITY, Featuriser, MoleculeDataset, build_dataset, featurize
from molweight.graphs import _stereo as stereo
from molweight.graphs.internal import BOND_STEREO

LABELS = {
    "N[C@@H](C)C(=O)O": ("L-alanine", ["S"]),
    "N[C@H](C)C(=O)O": ("D-alanine", ["R"]),
    "C[C@@H](C(=O)O)O": ("L-lactic acid", ["S"]),
    "C[S@](=O)c1ccccc1": ("sulfoxide: RDKit's older labels say R", ["S"]),
    "C[C@H]1CC[C@@H](C)CC1": ("cis or trans on a ring, pseudoasymmetric", ["s", "s"]),
    "C[C@H]1CC[C@H](C)CC1": ("", ["r", "r"]),
    "C[C@@H](O)[C@@H](C)[C@H](C)O": ("pseudoasymmetric between R and S", ["R", "s", "S"]),
    "O[C@H](C(=O)O)[C@@H](O)C(=O)O": ("meso", ["S", "R"]),
    "CC=[C@]=CC": ("allene, which RDKit does not know", []),
    "C[C@H:1]([CH3:2])O": ("no centre but for the atom map", []),
    "C[C@H](O)CC |&1:1|": ("racemate", []),
    "N[C@@H](CC(O)[C@H](C)O)C(=O)O |o1:5|": ("relative, next to an absolute one", ["S"]),
    "Cl[Pt@SP1](Cl)(N)N": ("not tetrahedral: CIP labels are not implemented", []),
}
CIS, TRANS = "C[C@H]1CC[C@@H](C)CC1", "C[C@H]1CC[C@H](C)CC1"
BONDS = {
    "C/C=C/C": ["E"],
    "C/C=C\\C": ["Z"],
    "CC=CC": [],
    "C/C(C)=C/C": [],
    "C1CC/C=C/CCC1": ["E"],
    "C/C=N/O": ["E"],
    "F/C(Cl)=C(/F)Cl": ["E"],
    "C(/[C@H](C)O)=C(/[C@H](C)O)[C@@H](C)O": ["E"],
}
ATOM_VALUES = {0: "", 1: "R", 2: "S", 3: "r", 4: "s"}
BOND_VALUES = {0: "", 1: "Z", 2: "E", 3: "M", 4: "P"}
HARD = [
    *LABELS,
    *BONDS,
    "O[C@H]1[C@H](O)[C@@H](O)[C@H](O)[C@H](O)[C@@H]1O",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "[C@H]12[C@@H]3[C@H]4[C@@H]1C5[C@H]2C345",
    "CC1(C)[C@@H]2CC[C@@]1(C)C(=O)C2",
    "C[N@]1C[C@@H]1C",
    "C[P@](=O)(O)c1ccccc1",
    "[2H][C@](C)(O)[H]",
    "C/C=C/C=C(/C=C/C)\\C=C\\C",
    "N[C@@H](C)C(=O)N[C@H](C)C(=O)O",
]


def labels(smiles: str) -> list[str]:
    molecules, _ = featurize([smiles])
    return [ATOM_VALUES[value] for value in molecules.atoms[:, CHIRALITY].tolist() if value]


@pytest.mark.parametrize("smiles", LABELS)
def test_atoms_carry_cip_labels(smiles: str) -> None:
    assert labels(smiles) == LABELS[smiles][1]


@pytest.mark.parametrize("smiles", BONDS)
def test_double_bonds_carry_z_and_e(smiles: str) -> None:
    molecules, _ = featurize([smiles])
    assert [BOND_VALUES[value] for value in molecules.bonds[:, BOND_STEREO].tolist() if value] == BONDS[smiles]


def test_axes_carry_m_and_p() -> None:
    biaryl = Chem.MolFromSmiles("Cc1cccc(F)c1-c1c(C)cccc1Cl")
    rdDepictor.Compute2DCoords(biaryl)
    block = Chem.MolToMolBlock(biaryl)
    found = []
    for wedge in (1, 6):
        drawn = Chem.MolFromMolBlock(re.sub(r"^  8  2  (\d)  0$", rf"  8  2  \1  {wedge}", block, flags=re.MULTILINE))
        molecules, _ = featurize([Chem.MolToCXSmiles(drawn)])
        found += [BOND_VALUES[value] for value in molecules.bonds[:, BOND_STEREO].tolist() if value]
    assert sorted(found) == ["M", "P"]


def spellings(smiles: str, rng: np.random.Generator) -> list[str]:
    """The same molecule in other words: orders of atoms, Kekule form, explicit hydrogens, maps, a mol block.

    RDKit writes some explicit hydrogens at double bonds of rings with the wrong mark; InChI tells these texts apart.
    """
    inchi = _inchi(smiles)
    return [text for text in _spellings(Chem.MolFromSmiles(smiles), rng) if _inchi(text) == inchi]


def _inchi(smiles: str) -> str:
    molecule = Chem.MolFromSmiles(smiles)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    return str(rdinchi.MolToInchi(molecule)[0])


def _spellings(molecule: Chem.Mol, rng: np.random.Generator) -> Iterator[str]:
    write = Chem.MolToCXSmiles if molecule.GetStereoGroups() else Chem.MolToSmiles
    # RDKit's doRandom changes the configuration of some symmetric rings, e.g. of inositols; new numbers do not.
    for _ in range(6):
        order = [int(atom) for atom in rng.permutation(molecule.GetNumAtoms())]
        yield write(Chem.RenumberAtoms(molecule, order), canonical=False)
    kekule = Chem.Mol(molecule)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    yield write(kekule)
    yield write(Chem.AddHs(molecule))
    yield write(molecule, allHsExplicit=True, allBondsExplicit=True)
    mapped = Chem.Mol(molecule)
    for atom, number in zip(mapped.GetAtoms(), rng.permutation(mapped.GetNumAtoms()), strict=True):
        atom.SetAtomMapNum(int(number) + 1)
    yield write(mapped)
    wedged = not molecule.HasSubstructMatch(Chem.MolFromSmarts("[Pt]"))  # square-planar centres have no wedges
    if wedged and not molecule.GetStereoGroups():
        drawn = Chem.Mol(molecule)
        rdDepictor.Compute2DCoords(drawn)
        yield Chem.MolToSmiles(Chem.MolFromMolBlock(Chem.MolToMolBlock(drawn)))


def vectors(smiles: list[str]) -> torch.Tensor:
    """Vectors of an untrained encoder, which differ where any features do, in float64."""
    torch.manual_seed(0)
    encoder = encoders.create("gin", layers=4, width=16).double().eval()
    data = build_dataset(smiles, cache=False, n_jobs=1)
    assert data.rejects == []
    with torch.no_grad():
        return encoder(data.graphs(range(len(data)))).graphs


def spread(smiles: str, rng: np.random.Generator) -> float:
    others = spellings(smiles, rng)
    assert len(others) >= 8, smiles
    found = vectors([smiles, *others])
    return float((found - found[0]).abs().max())


@pytest.mark.parametrize("smiles", HARD)
def test_every_spelling_has_the_same_features(smiles: str) -> None:
    assert spread(smiles, np.random.default_rng(0)) < 1e-9


@pytest.mark.parametrize("name", ["bace", "bbbp", "sider", "freesolv", "lipophilicity"])
def test_every_spelling_has_the_same_features_in_tables(name: str) -> None:
    rng = np.random.default_rng(1)
    marked = [text for text in load(name).smiles if not {"@", "/"}.isdisjoint(text)]
    worst = {text: spread(text, rng) for text in rng.choice(marked, 15, replace=False)}
    assert max(worst.values()) < 1e-9, worst


def test_stereoisomers_differ() -> None:
    for pair in (
        ("C[C@H](O)F", "C[C@@H](O)F"),
        ("C/C=C/C", "C/C=C\\C"),
        ("C[C@H]1CC[C@@H](C)CC1", "C[C@H]1CC[C@H](C)CC1"),
    ):
        first, second = vectors(list(pair))
        assert float((first - second).abs().max()) > 1e-3, pair


def test_ogb_features_depend_on_the_spelling() -> None:
    data = build_dataset(["C[C@H](O)F", "O[C@@H](C)F"], featuriser=Featuriser("ogb"), cache=False)
    first, second = (Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in data.smiles)
    assert first == second
    assert data[0].x[1, CHIRALITY] != data[1].x[1, CHIRALITY]


def test_too_many_comparisons_leave_the_labels_out_and_say_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stereo, "_FIRST_LIMIT", 1)
    assert labels("C[C@@H](O)[C@@H](C)[C@H](C)O") == ["R", "s", "S"]  # in canonical order, with the last limit
    monkeypatch.setattr(stereo, "_LAST_LIMIT", 1)
    with caplog.at_level(logging.WARNING):
        assert labels("C[C@@H](O)[C@@H](C)[C@H](C)O") == []
    assert "need more than 1 comparisons" in caplog.text


@pytest.mark.parametrize("smiles", HARD)
def test_labels_in_canonical_order_are_the_same(smiles: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = featurize([smiles])
    monkeypatch.setattr(stereo, "_FIRST_LIMIT", 1)
    again, _ = featurize([smiles])
    assert np.array_equal(plain.atoms, again.atoms)
    assert np.array_equal(plain.bonds, again.bonds)


def test_ignoring_stereochemistry() -> None:
    data = build_dataset(["C[C@H](O)F", "C/C=C/C", "CCO"], [[1.0], [2.0], [3.0]], task="regression", cache=False)
    blind = data.with_featuriser(Featuriser(stereo="ignore"))
    before, after = data.graphs([0, 1, 2]), blind.graphs([0, 1, 2])
    assert before.x[:, CHIRALITY].any()
    assert before.edge_attr[:, BOND_STEREO].any()
    assert not after.x[:, CHIRALITY].any()
    assert not after.edge_attr[:, BOND_STEREO].any()
    assert torch.equal(before.x[:, 2:], after.x[:, 2:])
    assert torch.equal(data.graphs([0]).x, before.x[:4]), "the arrays of the other dataset are unchanged"
    assert blind.subset([0]).featuriser == blind.featuriser
    assert not blind.subset([0]).graphs([0]).x[:, CHIRALITY].any()
    assert after.y is not None


def test_features_are_exchanged_with_labels_rows_and_cache(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    data = build_dataset(["O[C@@H](C)F", "?", "CCO"], [[1.0], [2.0], [3.0]], task="regression")
    tagged = data.with_featuriser(Featuriser("ogb"))
    assert (tagged.rows.tolist(), tagged.targets.ravel().tolist()) == ([0, 2], [1.0, 3.0])
    assert tagged.folder != data.folder
    direct = build_dataset(["O[C@@H](C)F", "CCO"], featuriser=Featuriser("ogb"), cache=False)
    assert np.array_equal(tagged.molecules.atoms, direct.molecules.atoms)
    assert tagged.with_featuriser(Featuriser()).folder != tagged.folder
    assert data.with_featuriser(Featuriser()) is data


def test_molecules_that_cannot_be_featurised_again_are_named() -> None:
    molecules, _ = featurize(["CCO"])
    text = np.frombuffer(b"CCN=", dtype=np.uint8)
    for size, message in ((4, "cannot be computed"), (2, "a different number of atoms")):
        broken = type(molecules)(
            **{**vars(molecules), "smiles_data": text[:size], "smiles_offsets": np.array([0, size])}
        )
        with pytest.raises(DataError, match=message):
            MoleculeDataset(broken).with_featuriser(Featuriser("ogb"))


def test_featuriser_is_stored_and_checked() -> None:
    for featuriser in (Featuriser(), Featuriser("ogb"), Featuriser(stereo="ignore")):
        assert Featuriser.from_description(featuriser.describe()) == featuriser
    assert Featuriser.from_description(1) == Featuriser("ogb")
    with pytest.raises(ConfigError, match="features='cpi' is unknown; did you mean 'cip'"):
        Featuriser("cpi")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ConfigError, match="the features are of version 3"):
        Featuriser.from_description({"version": 3, "features": "cip", "stereo": "use"})
