"""Auxiliary tables: what is read of them, and what is left out because the task holds it out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight import datasets
from molweight.datasets import Splits, _rdkit_identity, from_smiles, split_by_roles
from molweight.datasets._skeletons import skeletons
from molweight.datasets.internal import compound_forms, identities, read_sources, without_isotopes
from molweight.errors import DataError, UnknownNameError
from molweight.graphs import MoleculeDataset, target_column
from molweight.graphs.internal import tasks_of

ALKANES = ["C" * length for length in range(1, 25)]


@pytest.fixture
def task() -> MoleculeDataset:
    smiles = ["CC(=O)O", "C[C@H](N)C(=O)O", "CCO", "c1ccccc1O", "CCN", "CCCl"]
    return from_smiles(smiles, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], name="task", target_names=["logP"], cache=False)


@pytest.fixture
def splits(task: MoleculeDataset) -> Splits:
    return split_by_roles(task, ["meta", "select", "test", "train", "train", "train"])


def test_every_form_of_a_held_out_compound_is_left_out(task: MoleculeDataset, splits: Splits) -> None:
    forms = ["CC(=O)[O-].[Na+]", "C[C@@H](N)C(=O)O", "CC([NH3+])C(=O)[O-]", "OCC"]
    kept = ["CCN", "Oc1ccccc1", *ALKANES[2:]]
    table = from_smiles([*forms, *kept], np.arange(len(forms + kept), dtype=float), name="other", cache=False)
    (source,) = read_sources([table], task, splits)
    assert list(source.data.smiles) == kept
    assert (source.use.molecules, source.use.held_out, source.use.shared) == (len(forms + kept), len(forms), 2)


def test_the_inchi_skeleton_finds_forms_that_the_compound_key_does_not(task: MoleculeDataset, splits: Splits) -> None:
    # A sulfoxide drawn with charges: InChI normalises it, the hash of tautomers counts the charges.
    task = from_smiles(["CS(=O)C", *ALKANES[9:14]], np.arange(6.0), name="task", cache=False)
    splits = split_by_roles(task, ["test", "meta", "select", "train", "train", "train"])
    drawn = ["C[S+]([O-])C", *ALKANES[13:24], "CCCCO", "CCCO"]
    assert skeletons(["CS(=O)C"]) == skeletons([drawn[0]])
    (source,) = read_sources([from_smiles(drawn, np.arange(14.0), name="other", cache=False)], task, splits)
    assert drawn[0] not in list(source.data.smiles)


ISOTOPES = ["[2H]OCC", "[2H]C([2H])([2H])CO", "[3H]CCO", "[13CH3]CO"]


def test_isotopes_of_a_held_out_compound_are_left_out(task: MoleculeDataset, splits: Splits) -> None:
    smiles = [*ISOTOPES, "[2H]C([2H])([2H])CN", *ALKANES[2:]]
    table = from_smiles(smiles, np.arange(len(smiles), dtype=float), name="other", cache=False)
    (source,) = read_sources([table], task, splits)
    assert list(source.data.smiles) == smiles[len(ISOTOPES) :]
    assert source.use.held_out == len(ISOTOPES)


SALTS = ["[13CH3]C(=O)[O-].[Na+]", "CC(=O)[O-].[K+]", "[2H]OC(C)=O.CCN", "[2H]C([2H])([2H])[13C](=O)[O-].[Na+]"]


@pytest.mark.parametrize("held_out", ["CC(=O)O", "[13CH3]C(=O)O", "[2H]OC(C)=O", "C[13C](=O)[O-].[Na+]"])
def test_salts_of_isotopes_are_the_held_out_compound(held_out: str) -> None:
    task = from_smiles([held_out, "CCCl", "CCF", "CCBr"], np.arange(4.0), name="task", cache=False)
    splits = split_by_roles(task, ["test", "meta", "select", "train"])
    others = ["[13CH3]CC(=O)[O-].[Na+]", "[2H]C([2H])([2H])N.Cl", *ALKANES[2:]]
    table = from_smiles([*SALTS, "CC(=O)O", *others], np.arange(29.0), name="other", cache=False)
    (source,) = read_sources([table], task, splits)
    assert list(source.data.smiles) == others
    (forms,) = compound_forms(task.subset([0]), table, identities(table)[:, 1])
    assert forms.tolist() == [0, 1, 2, 3, 4]


def test_isotopes_do_not_merge_different_compounds() -> None:
    smiles = ["[2H][2H]", "[2H]n1cccc1", "[2H]O[2H]", "[13CH3]/C=C/[2H]", "[13cH]1ccccc1", "[2H]c1ccccc1O"]
    plain = ["[H][H]", "c1cc[nH]c1", "O", "CC=C", "c1ccccc1", "Oc1ccccc1"]
    table, natural = (from_smiles(part, cache=False) for part in (smiles, plain))
    keys = without_isotopes(table, identities(table)[:, 1])
    assert keys.tolist() == identities(natural)[:, 1].tolist()
    assert len(set(keys.tolist())) == len(smiles)


def test_the_marks_of_double_bonds_to_hydrogen_do_not_make_a_compound() -> None:
    """RDKit keeps the hydrogen of an imine whose configuration is marked as an atom."""
    imines = ["CC(N)=N", "CC(=N)N", "[H]/N=C(/C)N", r"[H]/N=C(\C)N", "[H]/[NH+]=C(/C)N.[Cl-]"]
    others = ["[H]/N=N/[H]", "N=N", "[H][H]"]
    compounds = identities(from_smiles([*imines, *others], duplicates="keep", cache=False))[:, 1].tolist()
    assert len(set(compounds[:5])) == 1
    assert compounds[5] == compounds[6]
    assert len(set(compounds)) == 3


def test_the_largest_part_of_a_mixture_does_not_depend_on_stereochemistry() -> None:
    forms = ["CCC(N)C.CCC(O)C", "CC[C@H](N)C.CCC(O)C", "CCC(N)C.CC[C@@H](O)C", "CC[C@@H](O)C.CC[C@H](N)C"]
    assert len(set(identities(from_smiles(forms, cache=False))[:, 1].tolist())) == 1


def test_isotopes_are_forms_of_a_compound() -> None:
    data, table = from_smiles(["CCO", "CCN"], cache=False), from_smiles([*ISOTOPES, "CCC"], cache=False)
    first, second = compound_forms(data, table, identities(table)[:, 1])
    assert (first.tolist(), second.tolist()) == ([0, 1, 2, 3], [])


def test_repeated_molecules_are_merged_and_contradictions_counted(task: MoleculeDataset, splits: Splits) -> None:
    smiles = [*ALKANES[2:14], "CCC", "CCCC"]
    labels = [[0, 1.0], *[[i % 2, float(i)] for i in range(1, 12)], [0, 3.0], [1 - 1 % 2, np.nan]]
    table = from_smiles(smiles, labels, task="classification,regression", name="other", duplicates="keep", cache=False)
    (source,) = read_sources([table], task, splits)
    assert (len(source.data), source.use.repeated, source.use.conflicting) == (12, 2, 2)
    assert source.data.targets[0].tolist() == [0.0, 2.0]  # the mean of 1 and 3
    assert np.isnan(source.data.targets[1, 0])  # classes that tie are no label


def test_molecules_on_which_rdkit_does_not_finish_are_not_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_three(*args: Any, **options: Any) -> np.ndarray:
        keys = target_column(*args, **options).copy()
        keys[:3] = 0  # the value of a molecule that was given up
        return keys

    monkeypatch.setattr(_rdkit_identity, "target_column", without_three)
    table = from_smiles(ALKANES, np.arange(24.0), name="other", cache=False)
    (source,) = read_sources([table])
    assert (len(source.data), source.use.repeated) == (24, 0)


def test_labels_that_contradict_the_task_are_counted(task: MoleculeDataset, splits: Splits) -> None:
    smiles = ["CCN", "CCCl", *ALKANES[2:]]
    labels = [5.1, 60.0, *range(22)]
    table = from_smiles(smiles, labels, target_names=["logP"], name="other", cache=False)
    assert read_sources([table], task, splits)[0].use.against_task == 1


def test_columns_without_enough_labels_are_dropped(task: MoleculeDataset, splits: Splits) -> None:
    labels = np.full((24, 3), np.nan)
    labels[:, 0], labels[:9, 1], labels[:, 2] = np.arange(24), np.arange(9), 1.0
    table = from_smiles(ALKANES, labels, target_names=["good", "few", "same"], task="regression", name="t", cache=False)
    (source,) = read_sources([table], task, splits)
    assert (source.data.target_names, source.use.dropped) == (["good"], 2)
    with pytest.raises(DataError, match="no column has 10 labels that are not all equal"):
        read_sources([from_smiles(ALKANES, [1.0] * 24, task="regression", name="t", cache=False)])


def test_columns_of_one_table_are_one_source() -> None:
    first, second = read_sources(["clintox:CT_TOX", "freesolv", "clintox:FDA_APPROVED"])
    assert (first.data.target_names, second.data.name) == (["CT_TOX", "FDA_APPROVED"], "freesolv")


def test_files_are_read_and_two_of_a_name_are_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{smiles},{place * place / 10}" for place, smiles in enumerate(ALKANES))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.csv").write_text(f"smiles,logP\n{rows}\n")
    one, two = (str(tmp_path / folder / "mine.csv") for folder in ("a", "b"))
    assert read_sources([f"{one}:logP"])[0].data.target_names == ["logP"]
    with pytest.raises(DataError, match="two auxiliary tables are called 'mine'"):
        read_sources([one, two])
    with pytest.raises(UnknownNameError, match="tox21"):
        read_sources(["tox12"])


def test_columns_of_both_kinds_of_a_file_are_learned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "aux.csv"
    rows = [f"{smiles},{place % 2},{place % 7}.5,{place}" for place, smiles in enumerate(ALKANES)]
    path.write_text("\n".join(["smiles,hERG,Ki (nM),id", *rows]))
    (found,) = read_sources([str(path)])
    assert f"aux.csv: 2 columns are used as labels: 'hERG', 'Ki (nM)'. To choose others: aux=['{path}:COLUMN']" in (
        caplog.text
    )
    (named,) = read_sources([f"{path}:hERG", f"{path}:Ki (nM)"])
    for data in (found.data, named.data):
        assert data.target_names == ["hERG", "Ki (nM)"]
        assert tasks_of(data.task, 2) == ["classification", "regression"]
    np.testing.assert_array_equal(found.data.targets, named.data.targets)


def test_a_file_that_is_refused_says_how_to_name_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "aux.csv"
    rows = [f"{smiles},{place}.5" for place, smiles in enumerate(ALKANES)]
    path.write_text("\n".join(["smiles,Ki", *rows, "CCO,strong"]))
    with pytest.raises(DataError, match=r"'strong' is not a number.* \(aux=\['.*aux\.csv:COLUMN'\]\)"):
        read_sources([str(path)])


def test_two_tables_in_memory_of_a_name_are_refused() -> None:
    first, second = (
        from_smiles(ALKANES, np.arange(24.0) / 7, name="frame", target_names=[name], cache=False) for name in "ab"
    )
    with pytest.raises(DataError, match=r"two auxiliary tables are called 'frame'.*name='frame2'"):
        read_sources([first, second])
    assert [source.data.target_names for source in read_sources([first, first])] == [["a"]]
    esol = from_smiles(ALKANES, np.arange(24.0) / 7, name="esol", cache=False)
    pairs: list[list[str | MoleculeDataset]] = [[esol, "esol"], ["esol", esol]]
    for sources in pairs:
        with pytest.raises(DataError, match="two auxiliary tables are called 'esol'"):
            read_sources(sources)


def test_the_table_of_the_task_is_a_source_of_its_train_molecules() -> None:
    data = datasets.load("freesolv")
    splits = datasets.split(data)
    (source,) = read_sources(["freesolv"], data, splits)
    assert set(source.data.rows) <= set(data.rows[splits.train])
    assert source.use.against_task == 0
