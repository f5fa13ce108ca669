"""Each operation on single molecules is done in a process that can be killed, whatever RDKit does with the molecule."""

import os
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from molweight import datasets, features, objectives
from molweight.benchmark._classical import ecfp_bits
from molweight.datasets._butina import _far
from molweight.datasets._parse import parsable
from molweight.datasets._read_sdf import structure
from molweight.datasets._replicates import all_canonical
from molweight.datasets._scaffold import group_by_scaffold
from molweight.graphs import TargetSpec, build_dataset, featurize, target_column
from molweight.report._rdkit_draw import draw_molecule, draw_shares
from molweight.runs._surrogate import surrogate_features

PEPTIDE = "NCC(=O)" * 30 + "O"
"""30 glycines: a plain molecule of more than 160 characters."""
CAGE = "C12C3C4C1C5C2C3C45.C12C3C4C1C5C2C3C45.C12C3C4C1C5C2C3C45"
"""Three cubanes: short, with more than ten rings."""
LARGE = {"long": PEPTIDE, "rings": CAGE}
SMALL = "CCO"

OPERATIONS: dict[str, Callable[[str], object]] = {
    "reading": lambda smiles: featurize([smiles], n_jobs=1),
    "recognising": lambda smiles: parsable([smiles]),
    "canonical SMILES": lambda smiles: list(all_canonical([smiles], 1)),
    "scaffold": lambda smiles: group_by_scaffold([smiles]),
    "salts and charges": lambda smiles: datasets.standardize([smiles], ["salts", "charges"], n_jobs=1),
    "tautomers": lambda smiles: datasets.standardize([smiles], ["tautomers"], n_jobs=1),
    "drawing": lambda smiles: draw_molecule(smiles, "a", ""),
    "drawing shares": lambda smiles: draw_shares(smiles, np.array([1.0, -0.5, 0.25]), "a", ""),
    "fingerprints of a split": lambda smiles: _far(build_dataset([smiles], cache=False), 0.6),
    "fingerprints of a forest": lambda smiles: ecfp_bits([smiles]),
    "features of a screen": lambda smiles: surrogate_features([smiles]),
}


def _targets() -> dict[str, TargetSpec]:
    """Targets of all objectives, conformers and BRICS among them, and features without another package."""
    known = {spec.name: spec for name in objectives.available() for spec in objectives.get(name).targets}
    own = {name: features.get(name).spec for name in features.available() if name != "minimol"}
    return {**known, **own}


def _column(spec: TargetSpec, smiles: str) -> object:
    return target_column(build_dataset([smiles], cache=False), spec, n_jobs=1)


EVERY: dict[str, Callable[[str], object]] = {
    **OPERATIONS,
    **{name: partial(_column, spec) for name, spec in _targets().items()},
}


def _forks(monkeypatch: pytest.MonkeyPatch, operation: Callable[[str], object], smiles: str) -> int:
    """How many processes an operation starts; they are the real ones."""
    started: list[int] = []
    fork = os.fork

    def counted() -> int:
        pid = fork()
        started.append(pid)
        return pid

    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", counted)
        operation(smiles)
    return len(started)


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE.keys())
@pytest.mark.parametrize("name", EVERY)
def test_a_large_molecule_is_given_to_a_process_of_its_own(
    name: str, large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_least = 2 if name in _targets() or name == "fingerprints of a split" else 1  # their molecules are read first
    assert _forks(monkeypatch, EVERY[name], large) >= at_least


@pytest.mark.parametrize("name", ["tautomers", "etkdg_conformer"])
def test_what_may_be_slow_for_small_molecules_is_done_in_another_process_for_all(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _forks(monkeypatch, EVERY[name], SMALL) == 1


def test_small_molecules_are_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _forks(monkeypatch, EVERY["reading"], SMALL) == 0


def test_a_large_record_of_an_sd_file_is_read_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from rdkit import Chem

    lines = Chem.MolToMolBlock(Chem.MolFromSmiles(PEPTIDE)).splitlines()
    assert structure(lines)[0].startswith("NCC(=O)NCC(=O)")
    assert _forks(monkeypatch, lambda _: structure(lines), "") == 1
