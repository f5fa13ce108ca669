"""Effect of tables on the error of a linear model: sparse and constant targets."""

import numpy as np
import pytest

from molweight.ensemble._source_gains import effect_of, fold_errors, repeated_folds, source_gains


def features(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 4))


@pytest.mark.parametrize("known", [0, 1, 3, 8])
def test_a_target_with_few_labels_does_not_prevent_the_scores_of_others(known: int) -> None:
    dense = features(50)
    labels = np.full((50, 2), np.nan)
    labels[:, 0], labels[:known, 1] = dense[:, 0], np.arange(known)
    folds = [np.arange(start, 50, 5) for start in range(5)]
    found = fold_errors([dense], labels, folds)
    assert np.isfinite(found).all()
    if known < 8:  # neither fitted nor scored
        np.testing.assert_array_equal(found, fold_errors([dense], labels[:, :1], folds))


def test_a_target_without_labels_outside_a_fold_is_not_scored_on_it() -> None:
    labels = np.full((20, 1), np.nan)
    labels[:8, 0] = np.arange(8)
    folds = [np.arange(6), np.arange(6, 12), np.arange(12, 20)]
    assert np.isfinite(fold_errors([features(20)], labels, folds)).tolist() == [False, True, False]


@pytest.mark.parametrize("labels", [np.ones((50, 1)), np.full((50, 2), np.nan)])
def test_labels_that_cannot_be_scored_are_undecided(labels: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    assert np.isnan(fold_errors([features(50)], labels, repeated_folds(labels, rng))).all()
    found = source_gains(features(50), features(50), ["a", "a", "b", "b"], labels, rng)
    assert {name: (effect.gain, effect.errors, effect.verdict) for name, effect in found.items()} == {
        "a": (0.0, 0.0, "undecided"),
        "b": (0.0, 0.0, "undecided"),
    }


def test_folds_without_a_score_are_left_out_of_the_test() -> None:
    plain, joined = np.array([1.0, 1.1, 0.9, 1.0]), np.array([0.5, 0.5, 0.5, 0.6])
    gap = np.array([np.nan])
    assert effect_of(np.append(plain, gap), np.append(joined, gap), 1) == effect_of(plain, joined, 1)
    assert effect_of(np.append(plain[:1], gap), np.append(joined[:1], gap), 1).verdict == "undecided"
