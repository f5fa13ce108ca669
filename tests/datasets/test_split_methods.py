"""Every way to split: its rule against the published one, and what stays together."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.ML.Cluster import Butina

from molweight.datasets import (
    SPLITTERS,
    Splits,
    from_csv,
    from_smiles,
    load_splits,
    save_splits,
    split,
    split_by_indices,
    split_by_roles,
)
from molweight.datasets._butina import _clusters
from molweight.datasets._scaffold import ScaffoldKind, murcko_scaffold
from molweight.datasets._scaffold_balanced import _fill_each
from molweight.datasets._scaffold_random import _fill_train_last
from molweight.datasets.internal import read_column
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import MoleculeDataset

Load = Callable[[str], MoleculeDataset]
OURS = sorted(
    set(SPLITTERS.available()) - {"tests_in_file_order", "ogb", "column", "none"}
)  # ogb and column are given with the data; none has no test set
KIND: dict[str, ScaffoldKind] = {
    "scaffold": "chiral",
    "scaffold_achiral": "achiral",
    "scaffold_generic": "generic",
    "random_scaffold": "chiral",
    "scaffold_balanced": "achiral",
}


@pytest.fixture(scope="module")
def few(table: Load) -> MoleculeDataset:
    """Four hundred molecules of a table, labelled 0 or 1."""
    data = table("bbbp")
    return data.subset(np.random.default_rng(0).permutation(len(data))[:400])


def assert_partition(splits: Splits, total: int) -> None:
    assert sorted(np.concatenate(list(splits.roles().values())).tolist()) == list(range(total))


@pytest.mark.parametrize("method", OURS)
def test_every_method_gives_each_molecule_one_role_of_about_its_share(method: str, few: MoleculeDataset) -> None:
    splits = split(few, method, frozen=False)
    assert_partition(splits, len(few))
    assert splits.name == method
    assert splits.definition
    assert len(splits.meta) == pytest.approx(0.1 * len(few), abs=0.05 * len(few))
    assert len(splits.test) == pytest.approx(0.1 * len(few), abs=0.05 * len(few))
    paper = split(few, method, protocol="paper", frozen=False)
    assert np.array_equal(paper.meta, paper.select)
    assert np.array_equal(paper.test, splits.test)
    assert set(paper.train) == set(splits.train) | set(splits.select)


@pytest.mark.parametrize("method", OURS)
def test_the_seed_decides_what_is_drawn_and_nothing_else(method: str, few: MoleculeDataset) -> None:
    first, again, other = (set(split(few, method, seed=seed, frozen=False).test) for seed in (0, 0, 1))
    assert first == again
    drawn = method in ("random", "random_scaffold", "scaffold_balanced", "stratified")
    assert (first != other) == drawn


@pytest.mark.parametrize("method", KIND)
def test_a_scaffold_is_in_one_role(method: str, few: MoleculeDataset) -> None:
    role_of: dict[str, str] = {}
    for role, positions in split(few, method, seed=3, frozen=False).roles().items():
        for position in positions.tolist():
            scaffold = murcko_scaffold(few.smiles[position], KIND[method])
            assert role_of.setdefault(scaffold, role) == role


def test_the_kinds_of_scaffold_are_nested() -> None:
    left, right, pyridine = "C[C@H]1CCO[C@@H]1c1ccccc1", "C[C@H]1CCO[C@H]1c1ccccc1", "C[C@H]1CCO[C@H]1c1ccccn1"
    assert murcko_scaffold(left) != murcko_scaffold(right)
    assert murcko_scaffold(left, "achiral") == murcko_scaffold(right, "achiral") != murcko_scaffold(pyridine, "achiral")
    assert murcko_scaffold(left, "generic") == murcko_scaffold(pyridine, "generic") == "C1CCC(C2CCCC2)CC1"


@pytest.mark.parametrize("smiles", ["[Fe]12345678C9C1C2C3C49.C15C6C7C81", "C1CC[Co]23(N1)(NCCN2)NCCN3"])
def test_an_atom_with_many_neighbours_has_a_skeleton_that_is_the_same_for_all_spellings(smiles: str) -> None:
    found = murcko_scaffold(smiles, "generic")
    spellings = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), 20, randomSeed=1)
    assert {murcko_scaffold(text, "generic") for text in spellings} == {found}
    assert set(found) <= set("[C]()0123456789%.")


def test_metals_do_not_stop_a_split(table: Load) -> None:
    assert split(table("clintox"), "scaffold_generic").sizes["test"] > 100


Sizes = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def _groups(sizes: list[int]) -> list[np.ndarray]:
    ends = np.cumsum(sizes)
    return [np.arange(end - size, end, dtype=np.int64) for size, end in zip(sizes, ends, strict=True)]


@settings(max_examples=100, deadline=None)
@given(Sizes)
def test_random_scaffolds_are_filled_as_published(sizes: list[int]) -> None:
    """The rule as ``random_scaffold_split`` of pretrain-gnns states it."""
    total, train, valid, test = sum(sizes), [], [], []  # type: ignore[var-annotated]  # lists of positions
    for group in _groups(sizes):
        if len(valid) + len(group) <= int(np.floor(0.1 * total)):
            valid.extend(group)
        elif len(test) + len(group) <= int(np.floor(0.1 * total)):
            test.extend(group)
        else:
            train.extend(group)
    filling = _fill_train_last(_groups(sizes), total, (0.8, 0.1, 0.1))
    for part, expected in zip((filling.train, filling.valid, filling.test), (train, valid, test), strict=True):
        assert np.concatenate([[], *part]).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(Sizes)
def test_balanced_scaffolds_are_filled_as_published(sizes: list[int]) -> None:
    """The rule as chemprop's ``scaffold_split`` states it, for groups in a given order."""
    total, train, valid, test = sum(sizes), [], [], []  # type: ignore[var-annotated]  # lists of positions
    for group in _groups(sizes):
        if len(train) + len(group) <= 0.8 * total:
            train += group.tolist()
        elif len(valid) + len(group) <= 0.1 * total:
            valid += group.tolist()
        else:
            test += group.tolist()
    filling = _fill_each(_groups(sizes), total, (0.8, 0.1, 0.1))
    for part, expected in zip((filling.train, filling.valid, filling.test), (train, valid, test), strict=True):
        assert np.concatenate([[], *part]).tolist() == expected


def test_balanced_puts_every_large_scaffold_into_train(few: MoleculeDataset) -> None:
    splits = split(few, "scaffold_balanced")
    scaffolds = [murcko_scaffold(text, "achiral") for text in few.smiles]
    large = {name for name in scaffolds if scaffolds.count(name) > 0.05 * len(few)}
    assert large
    outside = {scaffolds[place] for place in (*splits.meta, *splits.test)}
    assert not large & outside


@pytest.mark.parametrize("protocol", ["four-role", "paper"])
def test_stratified_keeps_the_share_of_a_class(protocol: str, table: Load) -> None:
    data = table("bbbp")
    share = data.targets.mean()
    splits = split(data, "stratified", protocol=protocol)  # type: ignore[arg-type]  # from a list
    for positions in splits.roles().values():
        assert abs(data.targets[positions].sum() - share * len(positions)) <= 1


def test_stratified_keeps_the_ranges_of_a_number(table: Load) -> None:
    data = table("freesolv")
    splits = split(data, "stratified", options={"bins": 5})
    ranks = data.targets[:, 0].argsort().argsort() * 5 // len(data)
    for positions in splits.roles().values():
        counts = np.bincount(ranks[positions], minlength=5)
        assert counts.max() - counts.min() <= 2
    assert "5 ranges of 'expt'" in splits.definition


def test_stratified_keeps_the_share_of_each_class_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    words = ["cat", "dog", "dog", "ant", "ant"] * 20
    path.write_text("smiles,animal\n" + "".join(f"{'C' * size},{word}\n" for size, word in enumerate(words, 1)))
    data = from_csv(path, targets="animal", task="multiclass", cache=False)
    for options in ({}, {"target": "animal"}):
        splits = split(data, "stratified", options=options)
        assert data.targets[splits.test].sum(axis=0).tolist() == [4, 2, 4]
        assert "the classes of 'animal'" in splits.definition


def test_stratified_counts_missing_labels_as_a_class(table: Load) -> None:
    data = table("tox21")
    splits = split(data, "stratified", options={"target": "NR-AR"})
    missing = np.isnan(data.targets[:, 0])
    for positions in splits.roles().values():
        assert missing[positions].mean() == pytest.approx(missing.mean(), abs=2 / len(positions))


def test_butina_clusters_are_those_of_rdkit(few: MoleculeDataset) -> None:
    """Against RDKit's clustering of a list of distances, made another way."""
    some = few.subset(range(120))
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in some.smiles]
    distances = [1 - DataStructs.TanimotoSimilarity(prints[i], prints[j]) for i in range(120) for j in range(i)]
    expected = Butina.ClusterData(  # type: ignore[no-untyped-call]  # untyped in RDKit
        distances, 120, 0.6, isDistData=True
    )
    found = [group.tolist() for group in _clusters(some, 0.6)]
    assert sorted(found) == sorted(sorted(group) for group in expected)
    assert [len(group) for group in found] == sorted((len(group) for group in expected), reverse=True)
    assert len(found) < 120


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("butina", {"cutof": 0.5}, "has no option 'cutof'; did you mean 'cutoff'"),
        ("butina", {"cutoff": 1.5}, "must be a Tanimoto distance"),
        ("scaffold", {"cutoff": 0.5}, "split 'scaffold' has no option 'cutoff'"),
        ("stratified", {"target": "p_n"}, "target='p_n' is not a label of bbbp; did you mean 'p_np'"),
        ("stratified", {"bins": 1}, "bins=1 must be at least 2"),
    ],
)
def test_wrong_options_are_refused(method: str, options: dict[str, object], message: str, few: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        split(few, method, options=options)
    assert method != "stratified" or isinstance(refused.value, OptionError)


def test_stratified_asks_for_a_label_and_for_enough_molecules(table: Load, few: MoleculeDataset) -> None:
    with pytest.raises(OptionError, match=r"must name a label, as clintox has 2 labels.*FDA_APPROVED, CT_TOX"):
        split(table("clintox"), "stratified")
    with pytest.raises(DataError, match="cannot give every role its share"):
        split(
            few.subset([*np.flatnonzero(few.targets[:, 0] == 1)[:30], np.flatnonzero(few.targets[:, 0] == 0)[0]]),
            "stratified",
        )


ROWS = ["C", "CC", "no molecule", "CCC", "CCCC", "C", "CCO"]
ROLES = ["Train", " train", "test", "valid", "TEST", "select", ""]


@pytest.fixture
def seven() -> MoleculeDataset:
    return from_smiles(ROWS, name="seven", cache=False)


def test_given_roles_count_the_rows_of_the_source(seven: MoleculeDataset) -> None:
    splits = split_by_roles(seven, ROLES)
    assert {role: part.tolist() for role, part in splits.roles().items()} == {
        "train": [0, 1],
        "meta": [2],
        "select": [4],
        "test": [3],
    }
    assert splits.definition == "given by roles"
    indices = {"training": [0, 1], "dev": [3], "select": [5], "holdout": [2, 4]}
    for role, part in split_by_indices(seven, indices).roles().items():
        assert part.tolist() == splits.roles()[role].tolist()


def test_roles_that_are_not_given_are_held_out_of_train() -> None:
    data = from_smiles(["C" * size for size in range(1, 101)], cache=False)
    splits = split_by_indices(data, {"train": range(80), "test": range(80, 100)})
    assert splits.sizes == {"train": 60, "meta": 10, "select": 10, "test": 20}
    assert_partition(splits, 100)
    assert "meta, which was not given, is every n-th molecule of train" in splits.definition
    paper = split_by_indices(data, {"train": range(80), "test": range(80, 100)}, "paper")
    assert paper.sizes == {"train": 70, "meta": 10, "select": 10, "test": 20}


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (ROLES[:5], "roles: 5 roles for 7 rows of seven"),
        (["trian", *ROLES[1:]], "roles, row 0: 'trian' is not a role; did you mean 'train'"),
        (["train"] * 7, "leaves no molecule for test: the roles are given, and no molecule of the table has this"),
    ],
)
def test_wrong_roles_are_refused(roles: list[str], message: str, seven: MoleculeDataset) -> None:
    with pytest.raises(DataError, match=message):
        split_by_roles(seven, roles)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ({"train": [0, 7]}, "7 in role 'train' is not a row; rows are numbered 0 to 6"),
        ({"train": [-1]}, "-1 in role 'train' is not a row"),
        ({"train": ["a"]}, "'a' in role 'train' is not a row"),
        ({"train": [0, 1], "test": [1]}, "row 1 is in the roles 'train' and 'test'"),
    ],
)
def test_wrong_indices_are_refused(indices: dict[str, list[int]], message: str, seven: MoleculeDataset) -> None:
    with pytest.raises(DataError, match=message):
        split_by_indices(seven, indices)


def test_a_molecule_averaged_over_rows_has_one_role() -> None:
    data = from_smiles(["CCO", "CC", "CCC", "CCCC", "OCC"], [1.0, 2.0, 3.0, 4.0, 9.0], duplicates="mean", cache=False)
    with pytest.raises(DataError, match=r"rows 0 and 4 .* have the roles 'train' and 'test'"):
        split_by_roles(data, ["Training", "train", "valid", "test", "te"])
    for roles in (["train", "train", "valid", "test", "tr"], ["", "train", "valid", "test", "train"]):
        assert split_by_roles(data, roles, "paper").train.tolist() == [0, 1]


def test_select_of_ones_own_and_the_protocol_of_the_paper_do_not_go_together(seven: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match="contains the role 'select', but protocol='paper'"):
        split_by_roles(seven, ROLES, "paper")


def test_a_column_of_a_table_is_a_split(tmp_path: Path) -> None:
    rows = [f"{text},{place},{role}" for place, (text, role) in enumerate(zip(ROWS, ROLES, strict=True))]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["smiles,y,fold", *rows]))
    data = from_csv(path, targets="y", duplicates="keep", cache=False)
    splits = split_by_roles(data, read_column(path, "fold"))
    assert data.targets[splits.test, 0].tolist() == [4]
    assert data.targets[splits.select, 0].tolist() == [5]


@pytest.mark.parametrize("protocol", ["four-role", "paper"])
def test_a_saved_split_outlives_lost_and_reordered_rows(protocol: str, few: MoleculeDataset, tmp_path: Path) -> None:
    splits = split(few, "random", protocol=protocol)  # type: ignore[arg-type]  # from a list
    save_splits(splits, few, tmp_path / "a" / "split.json")
    role_of: dict[str, str] = {}
    for role, positions in splits.roles().items():
        role_of |= {few.smiles[place]: role for place in positions.tolist()}
    fewer = few.subset(np.random.default_rng(1).permutation(len(few))[:250])
    loaded = load_splits(tmp_path / "a" / "split.json", fewer)
    assert (loaded.name, loaded.protocol, loaded.definition) == (splits.name, splits.protocol, splits.definition)
    for role, positions in loaded.roles().items():
        if protocol == "four-role" or role in ("train", "test"):
            assert {role_of[fewer.smiles[place]] for place in positions.tolist()} == {role}
    assert_same(load_splits(tmp_path / "a" / "split.json", few), splits)


def assert_same(left: Splits, right: Splits) -> None:
    for role, positions in left.roles().items():
        assert sorted(positions.tolist()) == sorted(right.roles()[role].tolist()), role


def test_equal_smiles_in_two_roles_keep_both(tmp_path: Path) -> None:
    data = from_smiles(["C", "CC", "C", "CCC", "C"], cache=False)
    splits = split_by_indices(data, {"train": [0], "meta": [1], "test": [2, 4], "select": [3]})
    save_splits(splits, data, tmp_path / "split.json")
    assert_same(load_splits(tmp_path / "split.json", data), splits)


def saved(roles: object, smiles: object) -> str:
    """A file of a split that was edited by hand."""
    about = {"format": 1, "split": "mine", "definition": "", "protocol": "paper", "sha256": ""}
    return json.dumps({**about, "roles": roles, "smiles": smiles})


def test_lists_of_rows_on_disk_are_a_split(seven: MoleculeDataset, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"train": [0, 1], "valid": [3], "test": [4]}))
    assert load_splits(path, seven, "paper").sizes == {"train": 2, "meta": 1, "select": 1, "test": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as a split"),
        ("[1, 2]", "is not a split"),
        ('{"train": 3}', "is not a split"),
        ('{"roles": "T", "smiles": ["C"]}', r"is not a split of format 1 \(missing: sha256, split"),
        (saved("T", [1]), r"is not a split of format 1\. Save it again"),
        (saved(1, ["C"]), r"is not a split of format 1\. Save it again"),
        (saved("TT", ["C"]), r"is not a split of format 1\. Save it again"),
    ],
)
def test_wrong_split_files_are_refused(content: str, message: str, seven: MoleculeDataset, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_splits(path, seven)


def test_damage_and_strangers_are_noticed(few: MoleculeDataset, seven: MoleculeDataset, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    save_splits(split(few, "random"), few, path)
    with pytest.raises(DataError, match=r"holds no role for \d of 6 molecules of seven"):
        load_splits(path, seven)
    stored = json.loads(path.read_text())
    stored["roles"] = stored["roles"][::-1]
    path.write_text(json.dumps(stored))
    with pytest.raises(DataError, match="is damaged"):
        load_splits(path, few)
    with pytest.raises(DataError, match="there is no such file"):
        load_splits(tmp_path / "none.json", few)
