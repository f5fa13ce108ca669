"""One molecule in many words."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor, rdinchi

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


@dataclass(frozen=True)
class Spelling:
    """A molecule in other words.

    Args:
        kind: What was done.
        text: The SMILES.
        atoms: For each atom of the text, the atom of the first SMILES; ``None`` where this is not known.
    """

    kind: str
    text: str
    atoms: list[int] | None = None


def spellings(smiles: str, seed: int = 0) -> list[Spelling]:
    """Other texts for the same molecule; that it is the same is checked by InChI."""
    key = _inchi(smiles)
    found = [item for item in _spellings(Chem.MolFromSmiles(smiles), seed) if _inchi(item.text) == key]
    assert {item.kind for item in found} >= {"order", "canonical", "kekule", "hydrogens", "maps", "cxsmiles", "inchi"}
    return found


def _spellings(molecule: Chem.Mol, seed: int) -> Iterator[Spelling]:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        order = [int(atom) for atom in rng.permutation(molecule.GetNumAtoms())]
        renumbered = Chem.RenumberAtoms(molecule, order)
        text = Chem.MolToSmiles(renumbered, canonical=False)
        written = list(renumbered.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"])
        yield Spelling("order", text, [order[place] for place in written])
    yield Spelling("canonical", Chem.MolToSmiles(molecule))
    kekule = Chem.Mol(molecule)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    yield Spelling("kekule", Chem.MolToSmiles(kekule))
    yield Spelling("hydrogens", Chem.MolToSmiles(Chem.AddHs(molecule)))
    yield Spelling("hydrogens", Chem.MolToSmiles(molecule, allHsExplicit=True, allBondsExplicit=True))
    mapped = Chem.Mol(molecule)
    for atom, number in zip(mapped.GetAtoms(), rng.permutation(mapped.GetNumAtoms()), strict=True):
        atom.SetAtomMapNum(int(number) + 1)
    yield Spelling("maps", Chem.MolToSmiles(mapped))
    yield Spelling("cxsmiles", f"{Chem.MolToSmiles(molecule)} |$_AV:{';' * (molecule.GetNumAtoms() - 1)}$|")
    with rdBase.BlockLogs():
        yield Spelling("inchi", Chem.MolToSmiles(rdinchi.InchiToMol(rdinchi.MolToInchi(molecule)[0])[0]))


def _inchi(smiles: str) -> str:
    molecule = Chem.MolFromSmiles(smiles)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    with rdBase.BlockLogs():
        return str(rdinchi.MolToInchi(molecule)[0])


def mol_block(smiles: str) -> str:
    """A record of an SD file, drawn with wedges."""
    molecule = Chem.MolFromSmiles(smiles)
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
    path.write_text("".join(map(mol_block, MOLECULES)))
    return str(path)
