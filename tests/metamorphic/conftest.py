"""One molecule in many words."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor, rdinchi

from molweight import datasets
from molweight.datasets._read_sdf import structure

MOLECULES = [
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "C/C=C/C(=O)OC[C@@H](C)c1ccc2occc2c1",
    "CN1C[C@@H]2C[C@H]1C[C@H](O2)c1ccncc1",
    "C[C@H]1CC[C@@H](C)CC1",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "C[S@](=O)c1ccc(Cl)cc1",
    "C[N+](C)(C)CCO",
    "O=[N+]([O-])c1ccccc1/C=N\\O",
    "Clc1ccc2c(c1)[nH]c1ccccc12",
    "CCCCCC",
]
"""Centres, double bonds, rings, charges; no tautomers that InChI merges, and no salts."""


KINDS = ("order", "canonical", "kekule", "hydrogens", "maps", "cxsmiles", "inchi", "drawing")


@dataclass(frozen=True)
class Spelling:
    """A molecule in other words.

    Args:
        kind: What was done.
        text: The SMILES.
        atoms: For each atom of the text, an atom of the first SMILES that is its counterpart, up to symmetry.
    """

    kind: str
    text: str
    atoms: list[int]


def spellings(smiles: str, seed: int = 0) -> list[Spelling]:
    """Other texts for the same molecule; that it is the same is checked by InChI."""
    key, first = _inchi(smiles), Chem.MolFromSmiles(smiles)
    texts = [(kind, text) for kind, text in _texts(first, seed) if _inchi(text) == key]
    found = [
        Spelling(kind, text, list(first.GetSubstructMatch(_plain(text), useChirality=True))) for kind, text in texts
    ]
    assert {item.kind for item in found} == set(KINDS)
    assert all(sorted(item.atoms) == list(range(first.GetNumAtoms())) for item in found)
    return found


def other_texts(smiles: str, seed: int = 0) -> dict[str, str]:
    """A text of each kind, where it is the same molecule by InChI and, as InChI merges tautomers, the same tautomer."""
    keys = _inchi(smiles), _connections(smiles)
    texts = _texts(Chem.MolFromSmiles(smiles), seed)
    return {kind: text for kind, text in texts if keys == (_inchi(text), _connections(text))}


def _connections(smiles: str) -> str:
    return str(Chem.MolToSmiles(Chem.RemoveHs(_plain(smiles)), isomericSmiles=False))


def _texts(molecule: Chem.Mol, seed: int) -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        yield "order", Chem.MolToSmiles(_shuffled(molecule, rng), canonical=False)
    yield "canonical", Chem.MolToSmiles(molecule)
    kekule = Chem.Mol(molecule)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    yield "kekule", Chem.MolToSmiles(kekule)
    yield "hydrogens", Chem.MolToSmiles(Chem.AddHs(molecule))
    yield "hydrogens", Chem.MolToSmiles(molecule, allHsExplicit=True, allBondsExplicit=True)
    mapped = Chem.Mol(molecule)
    for atom, number in zip(mapped.GetAtoms(), rng.permutation(mapped.GetNumAtoms()), strict=True):
        atom.SetAtomMapNum(int(number) + 1)
    yield "maps", Chem.MolToSmiles(mapped)
    yield "cxsmiles", f"{Chem.MolToSmiles(molecule)} |$_AV:{';' * (molecule.GetNumAtoms() - 1)}$|"
    with rdBase.BlockLogs():
        yield "inchi", Chem.MolToSmiles(rdinchi.InchiToMol(rdinchi.MolToInchi(molecule)[0])[0])
    for drawn in (_shuffled(molecule, rng), Chem.AddHs(molecule)):
        yield "drawing", structure(mol_block(drawn).splitlines())[0]


def _shuffled(molecule: Chem.Mol, rng: np.random.Generator) -> Chem.Mol:
    return Chem.RenumberAtoms(molecule, [int(atom) for atom in rng.permutation(molecule.GetNumAtoms())])


def _plain(smiles: str) -> Chem.Mol:
    molecule = Chem.MolFromSmiles(smiles)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    return molecule


def _inchi(smiles: str) -> str:
    with rdBase.BlockLogs():
        return str(rdinchi.MolToInchi(_plain(smiles))[0])


def mol_block(molecule: Chem.Mol) -> str:
    """A record of an SD file, drawn with wedges."""
    rdDepictor.Compute2DCoords(molecule)
    return str(Chem.MolToMolBlock(molecule)) + "$$$$\n"


@pytest.fixture(scope="session")
def molecules() -> list[str]:
    """The molecules."""
    return MOLECULES


@pytest.fixture(scope="session")
def written() -> dict[str, list[Spelling]]:
    """Each molecule in other words."""
    return {smiles: spellings(smiles, seed) for seed, smiles in enumerate(MOLECULES)}


@pytest.fixture(scope="session")
def sd_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The molecules as an SD file with wedges."""
    path = tmp_path_factory.mktemp("sd") / "drawn.sdf"
    path.write_text("".join(mol_block(Chem.MolFromSmiles(smiles)) for smiles in MOLECULES))
    return str(path)


@pytest.fixture(scope="session")
def rewritten() -> dict[str, list[str]]:
    """Rows of a table, and the same rows in other words, by what was done."""
    rows = list(datasets.load("esol").smiles)[:150]
    others = [other_texts(smiles, seed) for seed, smiles in enumerate(rows)]
    for kind in KINDS:
        assert sum(kind in texts for texts in others) > 100, "InChI and drawings change few of these molecules"
    return {"as it is": rows, **{kind: [texts.get(kind, texts["order"]) for texts in others] for kind in KINDS}}
