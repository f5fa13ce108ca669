"""Boosted trees: they learn, are reproducible, and survive what tables hold."""

import numpy as np
import pytest

from molweight.ensemble._boosted import BoostedTrees
from molweight.errors import DataError

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 6))
NUMBERS = np.stack([ROWS[:, 0] * 2 + ROWS[:, 1] ** 2, ROWS[:, 2]], axis=1)


def test_regression_learns_each_target() -> None:
    fitted = BoostedTrees.fit(ROWS[:250], NUMBERS[:250], "regression", seed=0, threads=1)
    error = fitted.predict(ROWS[250:]) - NUMBERS[250:]
    assert (error.std(axis=0) < 0.5 * NUMBERS[250:].std(axis=0)).all()


def test_probabilities_rank_the_classes() -> None:
    fitted = BoostedTrees.fit(ROWS[:250], NUMBERS[:250] > 0, "classification", seed=0, threads=1)
    predicted = fitted.predict(ROWS[250:])
    assert ((predicted > 0) & (predicted < 1)).all()
    assert (((predicted > 0.5) == (NUMBERS[250:] > 0)).mean(axis=0) > 0.8).all()


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    texts = [BoostedTrees.fit(ROWS, NUMBERS, "regression", seed=s, rounds=5, threads=1).models for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_missing_features_and_labels() -> None:
    rows, labels = ROWS.copy(), NUMBERS.copy()
    rows[::3, 0] = np.nan
    labels[::2, 1] = np.nan
    fitted = BoostedTrees.fit(rows, labels, "regression", seed=0, threads=1)
    assert np.isfinite(fitted.predict(np.full((2, 6), np.nan))).all()


def test_too_few_labels_and_one_class_become_constants() -> None:
    few = np.full((300, 3), np.nan)
    few[:4, 0] = [0, 1, 1, 1]
    few[:, 1] = 0
    fitted = BoostedTrees.fit(ROWS, few, "classification", seed=0, threads=1)
    np.testing.assert_allclose(fitted.predict(ROWS[:1]), [[4 / 6, 1 / 302, 0.5]])


def test_constant_labels_of_a_regression() -> None:
    fitted = BoostedTrees.fit(ROWS, np.full((300, 1), 3.5), "regression", seed=0, threads=1)
    np.testing.assert_allclose(fitted.predict(ROWS[:2]), [[3.5], [3.5]])


@pytest.mark.parametrize("text", ["tree\nnonsense", "nan", "x" * 100])
def test_damaged_models_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        BoostedTrees("regression", (text,)).predict(ROWS)
