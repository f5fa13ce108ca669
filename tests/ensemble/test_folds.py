"""Folds: a partition, with similar labels in each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molweight.ensemble._folds import cross_folds
from molweight.errors import ConfigError


@given(st.integers(2, 60), st.integers(2, 8), st.integers(0, 99))
def test_every_row_is_in_one_fold_and_sizes_differ_by_at_most_one(rows: int, count: int, seed: int) -> None:
    labels = np.random.default_rng(seed).normal(size=(rows, 1))
    folds = cross_folds(labels, count, np.random.default_rng(seed))
    assert sorted(np.concatenate(folds).tolist()) == list(range(rows))
    sizes = [len(fold) for fold in folds]
    assert len(folds) == min(count, rows)
    assert max(sizes) - min(sizes) <= 1


def test_rare_positives_are_spread() -> None:
    labels = np.zeros((100, 1))
    labels[::20] = 1
    assert [int(labels[fold].sum()) for fold in cross_folds(labels, 5, np.random.default_rng(3))] == [1] * 5


def test_folds_differ_with_the_seed_and_agree_with_the_same() -> None:
    labels = np.arange(40.0)[:, None]
    first, again, other = (cross_folds(labels, 4, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert any((one != two).any() for one, two in zip(first, other, strict=True))


def test_missing_labels_are_no_obstacle() -> None:
    labels = np.array([[np.nan, 1.0], [0.0, np.nan], [1.0, 1.0], [np.nan, 0.0]])
    assert len(cross_folds(labels, 2, np.random.default_rng(0))) == 2


def test_one_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 labelled molecules cannot be split into 5 folds"):
        cross_folds(np.zeros((1, 1)), 5, np.random.default_rng(0))


def test_units_of_several_targets_do_not_matter() -> None:
    labels = np.random.default_rng(0).normal(5, 2, size=(60, 3))
    labels[::4, 1] = np.nan
    labels[:, 2] = 7.0
    scaled = labels * [1000.0, 1.0, 1.0] + [0.0, -30.0, 0.0]
    folds = [cross_folds(values, 5, np.random.default_rng(1)) for values in (labels, scaled)]
    assert all((one == two).all() for one, two in zip(*folds, strict=True))


def test_folds_of_one_numeric_target_are_those_of_earlier_versions() -> None:
    folds = cross_folds(np.random.default_rng(0).normal(size=(12, 1)), 3, np.random.default_rng(1))
    assert [fold.tolist() for fold in folds] == [[0, 1, 7, 10], [2, 4, 5, 9], [3, 6, 8, 11]]


@given(st.integers(0, 99))
def test_rows_of_one_molecule_are_in_one_fold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    molecules = rng.integers(0, 12, 40)
    repeated = [np.flatnonzero(molecules == number) for number in range(12)]
    folds = cross_folds(rng.normal(size=(40, 1)), 4, rng, [rows for rows in repeated if len(rows) > 1])
    assert sorted(np.concatenate(folds).tolist()) == list(range(40))
    places = [set(molecules[fold].tolist()) for fold in folds]
    assert sum(map(len, places)) == len(set(molecules.tolist()))


@given(st.integers(0, 299))
def test_rows_of_a_small_class_among_several_are_spread(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.eye(3)[rng.permutation([0] * 53 + [1] * 4 + [2] * 43)]
    assert max(int(labels[fold, 1].sum()) for fold in cross_folds(labels, 5, rng)) == 1
