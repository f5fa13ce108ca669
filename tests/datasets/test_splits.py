"""Splits: published sizes, whole groups, frozen roles that survive lost rows."""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molweight import datasets
from molweight.datasets import Request, Splits, _split, from_groups, from_smiles, split
from molweight.datasets._embedded import read_embedded_split
from molweight.datasets._scaffold import group_by_scaffold, murcko_scaffold
from molweight.datasets._splits import fill, hold_out
from molweight.datasets.internal import EMBEDDED
from molweight.errors import ConfigError, DataError, DuplicateNameError, UnknownNameError
from molweight.graphs import MoleculeDataset

Load = Callable[[str], MoleculeDataset]
TABLES = ["bace", "bbbp", "clintox", "esol", "freesolv", "lipophilicity", "sider", "tox21"]
PUBLISHED = {"bbbp": (1631, 204, 204), "freesolv": (513, 64, 65)}


def assert_partition(splits: Splits, total: int) -> None:
    """Every molecule has exactly one role."""
    joined = np.concatenate(list(splits.roles().values()))
    assert joined.dtype == np.int64
    assert sorted(joined.tolist()) == list(range(total))


def assert_same(left: Splits, right: Splits) -> None:
    for role, positions in left.roles().items():
        assert sorted(positions.tolist()) == sorted(right.roles()[role].tolist()), role


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("frozen", [True, False])
def test_sizes_are_the_published_ones(name: str, frozen: bool, table: Load) -> None:
    splits = split(table(name), protocol="paper", frozen=frozen)
    assert (len(splits.train), len(splits.meta), len(splits.test)) == PUBLISHED[name]
    assert np.array_equal(splits.meta, splits.select)
    assert splits.frozen is frozen


@pytest.mark.parametrize("name", TABLES)
def test_frozen_roles_are_the_computed_ones(name: str, table: Load) -> None:
    for protocol in ("four-role", "paper"):
        frozen, computed = split(table(name), protocol=protocol), split(table(name), protocol=protocol, frozen=False)
        assert frozen.frozen
        assert not computed.frozen
        assert frozen.definition == computed.definition
        assert_same(frozen, computed)


@pytest.mark.parametrize("name", TABLES)
def test_roles_share_no_molecule_and_no_scaffold(name: str, table: Load) -> None:
    data = table(name)
    splits = split(data)
    assert_partition(splits, len(data))
    scaffolds = {
        role: {murcko_scaffold(data.smiles[i]) for i in positions.tolist()}
        for role, positions in splits.roles().items()
    }
    for role, others in {"train": ("meta", "select", "test"), "meta": ("select", "test"), "select": ("test",)}.items():
        for other in others:
            assert not scaffolds[role] & scaffolds[other], (role, other)


@pytest.mark.parametrize("name", ["bace", "bbbp", "clintox"])
def test_every_role_has_both_classes(name: str, table: Load, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        split(table(name))
    assert not caplog.records


@pytest.mark.parametrize("name", TABLES)
def test_select_is_a_useful_share_of_train(name: str, table: Load) -> None:
    four, paper = split(table(name)), split(table(name), protocol="paper")
    assert 0.06 * len(table(name)) <= len(four.select) <= 0.1 * len(table(name))
    assert set(four.train) | set(four.select) == set(paper.train)
    assert np.array_equal(four.meta, paper.meta)
    assert np.array_equal(four.test, paper.test)


def test_dropping_and_shuffling_rows_keeps_each_molecule_in_its_role(table: Load) -> None:
    data = table("bbbp")
    role_of = {data.smiles[i]: role for role, positions in split(data).roles().items() for i in positions.tolist()}
    rng = np.random.default_rng(0)
    kept = rng.permutation(len(data))[:1500]
    fewer = from_smiles([data.smiles[i] for i in kept.tolist()], data.targets[kept], name="bbbp", cache=False, n_jobs=1)
    splits = split(fewer)
    assert splits.frozen
    assert_partition(splits, 1500)
    for role, positions in splits.roles().items():
        assert {role_of[fewer.smiles[i]] for i in positions.tolist()} == {role}


def test_molecules_that_were_not_published_make_it_compute(table: Load) -> None:
    data = table("freesolv")
    other = from_smiles([*data.smiles[:641], "FC(F)(F)c1ccncc1CCCCCCN"], name="freesolv", cache=False, n_jobs=1)
    assert not split(other).frozen


def test_other_fractions_are_computed(table: Load) -> None:
    splits = split(table("freesolv"), fractions=(0.6, 0.2, 0.2))
    assert not splits.frozen
    assert_partition(splits, 642)
    assert len(splits.train) + len(splits.select) <= 0.6 * 642


def test_a_table_of_ones_own_by_the_name_of_a_large_one_asks_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOLWEIGHT_DATA", raising=False)
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    data = from_smiles([f"C1{'C' * size}1" for size in range(2, 12)], name="hiv", cache=False)
    assert not split(data).frozen


def test_a_frozen_split_of_another_table_is_refused(
    table: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    shutil.copytree(EMBEDDED, tmp_path, dirs_exist_ok=True)
    stored = read_embedded_split("esol", "scaffold", tmp_path)
    monkeypatch.setattr(_split, "read_embedded_split", lambda *_: stored)
    with pytest.raises(DataError, match="another version of the table"):
        split(table("freesolv"))


@pytest.fixture
def fresh() -> Iterator[None]:
    """Frozen splits are read again, before and after."""
    _split._published.cache_clear()
    yield
    _split._published.cache_clear()


def test_scaffold_ignores_the_seed_and_random_obeys_it(table: Load) -> None:
    data = table("freesolv")
    assert_same(split(data, frozen=False, seed=0), split(data, frozen=False, seed=7))
    assert_same(split(data, "random", seed=7), split(data, "random", seed=7))
    assert set(split(data, "random", seed=0).test) != set(split(data, "random", seed=7).test)
    assert split(data, "random").sizes == {"train": 449, "meta": 64, "select": 64, "test": 65}


def test_ties_go_as_in_the_published_code() -> None:
    """Of groups of equal size, the one whose first molecule comes last is placed first."""
    rings = ["C1CC1", "C1CCC1", "C1CCCC1", "C1CCCCC1"]
    assert [group.tolist() for group in group_by_scaffold([*rings, "C1CC1C"])] == [[0, 4], [3], [2], [1]]


def test_scaffolds_keep_chirality_and_acyclic_molecules_share_one() -> None:
    left, right = "C[C@H]1CCO[C@@H]1c1ccccc1", "C[C@H]1CCO[C@H]1c1ccccc1"
    assert murcko_scaffold(left) != murcko_scaffold(right)
    assert murcko_scaffold("CCO") == murcko_scaffold("[Na+].[Cl-]") == murcko_scaffold("C") == ""


def _deepchem(groups: list[np.ndarray], fractions: tuple[float, float, float]) -> tuple[list[int], ...]:
    """The rule as DeepChem's ScaffoldSplitter states it, to compare with."""
    total = sum(map(len, groups))
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for group in groups:
        if len(train) + len(group) > round(fractions[0] * total, 6):
            full = len(train) + len(valid) + len(group) > round((fractions[0] + fractions[1]) * total, 6)
            (test if full else valid).extend(group.tolist())
        else:
            train.extend(group.tolist())
    return train, valid, test


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.sampled_from([(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.1, 0.1, 0.8)]),
)
def test_filling_keeps_groups_whole_and_within_their_shares(
    sizes: list[int], fractions: tuple[float, float, float]
) -> None:
    ends = np.cumsum(sizes)
    groups = [np.arange(end - size, end, dtype=np.int64) for size, end in zip(sizes, ends, strict=True)]
    groups.sort(key=len, reverse=True)
    total = int(ends[-1])
    filling = fill(groups, total, fractions)
    assert sum(map(len, filling.train)) <= round(fractions[0] * total, 6)
    for part, expected in zip((filling.train, filling.valid, filling.test), _deepchem(groups, fractions), strict=True):
        assert np.concatenate([[], *part]).tolist() == expected
    splits = from_groups("synthetic", "", groups, Request(fractions=fractions))
    assert_partition(splits, total)
    role_of = {int(i): role for role, positions in splits.roles().items() for i in positions.tolist()}
    for group in groups:
        assert len({role_of[int(i)] for i in group}) == 1
    if len(filling.train) > 1:
        assert splits.sizes["select"] > 0
        assert splits.sizes["train"] > 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=80), st.floats(1, 50))
def test_holding_out_takes_no_more_than_asked(sizes: list[int], most: float) -> None:
    groups = [np.zeros(size, dtype=np.int64) for size in sorted(sizes, reverse=True)]
    stay, taken = hold_out(groups, most)
    assert stay
    assert taken
    assert len(stay) + len(taken) == len(groups)
    assert sum(map(len, taken)) <= most or len(taken) == 1


@pytest.mark.parametrize("fractions", [(0.7, 0.2, 0.1), (0.7, 0.1, 0.2), (0.8, 0.1, 0.1), (0.56, 0.15, 0.29)])
def test_rounding_moves_no_molecule_to_another_part(fractions: tuple[float, float, float]) -> None:
    data = from_smiles(["C" * size for size in range(1, 101)], cache=False)
    sizes = split(data, "random", "paper", fractions).sizes
    assert [sizes[role] for role in ("train", "meta", "test")] == [round(100 * share) for share in fractions]


def test_small_tables_work_or_are_refused_in_words() -> None:
    rings = [f"C1{'C' * size}1" for size in range(2, 12)]
    splits = split(from_smiles(rings, name="rings", cache=False))
    assert splits.sizes == {"train": 7, "meta": 1, "select": 1, "test": 1}
    chains = from_smiles(["C" * size for size in range(1, 30)], name="chains", cache=False)
    with pytest.raises(
        DataError, match=r"chains: the split 'scaffold' leaves no molecule for train, meta or select: .*'random'"
    ):
        split(chains)
    assert split(chains, "random").sizes["test"] == 3
    with pytest.raises(DataError, match=r"leaves no molecule for .*: 2 molecules are too few"):
        split(from_smiles(["C", "CC"], name="two", cache=False), "random")


def test_a_role_with_one_class_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    labels = np.tile([0.0, 1.0], (40, 1))
    labels[::2, 0] = 1
    labels[:3, 1] = 0
    data = from_smiles(["C" * size for size in range(1, 41)], labels, target_names=["a", "b"], cache=False)
    with caplog.at_level(logging.WARNING):
        split(data, "random", seed=3)
    assert any("in role 'test'" in record.message and record.message.endswith(": b") for record in caplog.records)


@pytest.mark.parametrize(
    "fractions", [(0.8, 0.1), (0.8, 0.2, 0.0), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), None, (0.8, "x", 0.1)]
)
def test_impossible_fractions_are_refused(fractions: tuple[float, float, float], table: Load) -> None:
    with pytest.raises(ConfigError, match="three positive numbers that sum to 1"):
        split(table("freesolv"), fractions=fractions)


def test_unknown_choices_name_the_nearest(table: Load) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'scaffold'"):
        split(table("freesolv"), "scafold")
    with pytest.raises(ConfigError, match="protocol='papers' is unknown; did you mean 'paper'"):
        split(table("freesolv"), protocol="papers")  # type: ignore[arg-type]  # what a user may type


@pytest.mark.usefixtures("registries")
def test_a_registered_method_is_found(table: Load) -> None:
    @datasets.SPLITTERS.register("tests_in_file_order")
    def in_file_order(data: MoleculeDataset, request: Request) -> Splits:
        return from_groups("tests_in_file_order", "as in the file", list(np.arange(len(data))[:, None]), request)

    splits = split(table("freesolv"), "tests_in_file_order")
    assert splits.test.tolist() == list(range(577, 642))
    with pytest.raises(DuplicateNameError):
        datasets.SPLITTERS.register("tests_in_file_order")(datasets.SPLITTERS.get("random"))
