"""The audit against counts that are known of the published tables, and against pairs made by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcNumRings

from molweight.datasets import (
    audit,
    from_csv,
    from_smiles,
    load_corpus,
    split,
    split_by_indices,
    split_by_roles,
    without,
)
from molweight.datasets._audit_read import read_audit
from molweight.datasets.internal import format_audit
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset

Load = Callable[[str], MoleculeDataset]


@pytest.mark.parametrize(
    ("name", "extra", "groups", "conflicting"),
    [("bbbp", 64, 60, 10), ("clintox", 19, 19, 19), ("esol", 11, 11, 6), ("freesolv", 0, 0, 0)],
)
def test_duplicates_are_those_known_of_the_tables(
    name: str, extra: int, groups: int, conflicting: int, table: Load
) -> None:
    data = table(name)
    found = audit(data, n_jobs=1).duplicates
    assert (found.extra, found.groups, found.conflicting) == (extra, groups, conflicting)
    of_row = dict(zip(data.rows.tolist(), data.smiles, strict=True))
    for rows in found.rows:
        assert len({Chem.MolToSmiles(Chem.MolFromSmiles(of_row[row])) for row in rows}) == 1
    assert sum(map(len, found.rows)) == extra + groups


def test_undefined_stereocentres_and_acyclic_molecules_are_those_known_of_the_tables(table: Load) -> None:
    bace = audit(table("bace"), n_jobs=1)
    assert 100 * bace.undefined_stereo / bace.molecules == pytest.approx(71.2, abs=0.1)
    part = table("tox21").subset(range(500))
    tox21 = audit(part, n_jobs=1)
    assert tox21.acyclic == sum(CalcNumRings(Chem.MolFromSmiles(text)) == 0 for text in part.smiles) > 0
    assert [item.missing for item in tox21.labels] == np.isnan(part.targets).sum(axis=0).tolist()


FORMS = [
    ("CC(=O)O", "CC(=O)[O-].[Na+]"),  # acid and salt
    ("C[C@H](N)C(=O)O", "C[C@@H]([NH3+])C(=O)[O-]"),  # stereoisomer and zwitterion
    ("Oc1ccccn1", "O=c1cccc[nH]1"),  # tautomers
]


@pytest.mark.parametrize(("left", "right"), FORMS)
def test_forms_of_a_compound_are_one_compound_and_two_molecules(left: str, right: str) -> None:
    found = audit(from_smiles([left, right], [0.0, 1.0], cache=False), n_jobs=1)
    assert (found.duplicates.extra, found.duplicates.conflicting) == (0, 0)
    assert (found.duplicate_compounds.extra, found.duplicate_compounds.conflicting) == (1, 1)


@pytest.mark.parametrize(("left", "right"), [("CCO", "CC=O"), ("c1ccccc1", "C1CCCCC1"), ("CCC", "CCCC"), ("CN", "CO")])
def test_other_compounds_are_others(left: str, right: str) -> None:
    assert audit(from_smiles([left, right], cache=False), n_jobs=1).duplicate_compounds.extra == 0


def test_missing_labels_do_not_conflict() -> None:
    labels = np.array([[0.0, np.nan], [np.nan, 1.0], [0.0, 1.0], [1.0, 0.0]])
    smiles = ["CCO", "OCC", "C(O)C", "C"]
    assert audit(from_smiles(smiles, labels, cache=False), n_jobs=1).duplicates.conflicting == 0
    labels[2, 0] = 1.0
    assert audit(from_smiles(smiles, labels, cache=False), n_jobs=1).duplicates.conflicting == 1


def test_leakage_is_counted_per_pair_of_roles() -> None:
    smiles = ["CCO", "Cc1ccccc1", "OCC", "Clc1ccccc1", "CC(=O)O", "CC(=O)[O-]"]
    data = from_smiles(smiles, name="six", cache=False)
    splits = split_by_indices(data, {"train": [0, 1], "meta": [2], "select": [3, 4], "test": [5]})
    found = {(leak.other, leak.role): leak for leak in audit(data, splits, n_jobs=1).leaks}
    assert len(found) == 6
    assert (found["train", "meta"].molecules, found["train", "meta"].scaffold) == (1, 0)
    assert (found["train", "select"].molecules, found["train", "select"].scaffold) == (0, 1)
    assert (found["select", "test"].molecules, found["select", "test"].compounds) == (0, 1)
    paper = split_by_indices(data, {"train": [0, 1], "valid": [2, 3], "test": [5]}, "paper")
    assert [(leak.other, leak.role) for leak in audit(data, paper, n_jobs=1).leaks] == [
        ("train", "meta"),
        ("train", "test"),
        ("meta", "test"),
    ]


def test_a_scaffold_split_leaks_no_scaffold_and_a_random_one_does(table: Load) -> None:
    data = table("freesolv")
    assert all(leak.scaffold == 0 for leak in audit(data, split(data), n_jobs=1).leaks)
    assert any(leak.scaffold > 0 for leak in audit(data, split(data, "random"), n_jobs=1).leaks)


def test_molecules_of_the_table_are_found_in_the_corpus_and_taken_out(table: Load) -> None:
    data = table("freesolv")
    splits = split(data)
    test = [data.smiles[place] for place in splits.test.tolist()[:5]]
    others = list(load_corpus("zinc", size=30).smiles)
    mixed = [Chem.MolToSmiles(Chem.MolFromSmiles(text), doRandom=True) for text in test]
    corpus = from_smiles([*others, *mixed, others[0]], name="mixed", cache=False)
    overlap = audit(data, splits, corpus, n_jobs=1).overlap
    assert overlap is not None
    assert (overlap.size, overlap.duplicates, overlap.found["test"], overlap.found["table"]) == (36, 1, 5, 5)
    assert list(without(corpus, data, splits.test, n_jobs=1).smiles) == [*others, others[0]]
    assert without(corpus, data, splits.train, n_jobs=1) is corpus
    assert len(without(corpus, data, same="molecule", n_jobs=1)) == 31
    with pytest.raises(ConfigError, match="same='molecules' is unknown; did you mean 'molecule'"):
        without(corpus, data, same="molecules")  # type: ignore[arg-type]  # what a user may type


def test_forms_that_only_inchi_recognises_are_taken_out_of_a_corpus() -> None:
    data = from_smiles(["COc1ccccc1", "CS(=O)C", "CCN"], cache=False)
    forms = ["[2H]C([2H])([2H])Oc1ccccc1", "[13CH3]Oc1ccccc1", "C[33S](=O)C"]
    corpus = from_smiles([*forms, "[2H]C([2H])([2H])CN", "CCOc1ccccc1"], cache=False)
    assert list(without(corpus, data, [0, 1], n_jobs=1).smiles) == list(corpus.smiles)[3:]
    assert list(without(corpus, data, n_jobs=1).smiles) == ["CCOc1ccccc1"]
    assert without(corpus, data, same="molecule", n_jobs=1) is corpus


def test_an_audit_counts_what_is_removed_from_a_corpus() -> None:
    data = from_smiles(["COc1ccccc1", "CS(=O)C", "CCN", "CCO", "CCF"], np.arange(5.0), name="five", cache=False)
    splits = split_by_roles(data, ["test", "test", "train", "meta", "select"])
    forms = ["[2H]C([2H])([2H])Oc1ccccc1", "COc1ccccc1", "COc1ccccc1.Cl", "C[33S](=O)C"]
    corpus = from_smiles([*forms, "CC[NH3+]", "CCOc1ccccc1"], name="six", cache=False)
    plain, counted = (audit(data, splits, corpus, forms=forms, n_jobs=1) for forms in (False, True))
    assert plain.overlap is not None
    assert counted.overlap is not None
    assert counted.overlap.forms is not None
    for role, positions in splits.roles().items():
        assert counted.overlap.forms[role] == len(corpus) - len(without(corpus, data, positions, n_jobs=1))
    assert (counted.overlap.forms["test"], counted.overlap.forms["table"]) == (4, 5)
    line = "1 of 2 molecules of test are in it, 1 as compounds; 4 of its molecules are forms of them, with isotopes"
    assert line in format_audit(counted)
    stored = json.loads(json.dumps(counted.to_dict()))
    assert read_audit(stored) == counted
    del stored["overlap"]["forms"]  # as earlier versions wrote it
    assert read_audit(stored) == plain


def test_text_and_json_say_the_same(table: Load) -> None:
    data = table("bbbp")
    found = audit(data, split(data), load_corpus("zinc", size=30), n_jobs=1)
    text = format_audit(found)
    for part in (
        "bbbp: 2039 molecules, 11 rows without a molecule",
        "64 repeated molecules: 60 groups, 10 with conflicting labels",
        "p_np: 2039 known, 0 missing, mean 0.765, from 0 to 1",
        "test in train: 0 of 204 molecules",
        "zinc: 30 molecules, 0 of them repeated",
    ):
        assert part in text
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["duplicates"]["extra"] == 64
    assert stored["sizes"]["test"] == 204


def test_rows_that_were_merged_are_counted(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("smiles,y\nCCO,1\nOCC,2\nCCN,3\nCCC,4.5\n")
    data = from_csv(tmp_path / "my.csv", duplicates="mean")
    found = audit(data, n_jobs=1)
    assert (found.merged, found.duplicates.extra) == (1, 0)
    assert "duplicates  1 row was merged with an earlier row of the same molecule; after that:" in format_audit(found)


def test_a_table_without_labels_and_a_target_without_any() -> None:
    plain = format_audit(audit(from_smiles(["C", "CC"], name="two", cache=False), n_jobs=1))
    assert "\nlabels" not in plain
    assert "\nsplit" not in plain
    data = from_smiles(["C", "CC"], [[0.0], [1.0]], target_names=["a"], cache=False)
    data.targets[:] = np.nan
    assert "a: 0 known, 2 missing" in format_audit(audit(data, n_jobs=1))
