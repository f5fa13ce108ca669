"""Convex weights of models: exact answers and optimality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molweight.ensemble._stacking import combine, convex_weights
from molweight.errors import ConfigError


def test_two_models_with_independent_errors_are_weighted_by_inverse_variance() -> None:
    labels = np.zeros((4, 1))
    first, second = np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([[2.0], [2.0], [-2.0], [-2.0]])
    np.testing.assert_allclose(convex_weights([first, second], labels), [0.8, 0.2])


def test_a_model_that_adds_nothing_gets_no_weight() -> None:
    labels = np.linspace(0, 1, 20)[:, None]
    good = labels + 0.1 * np.sin(np.arange(20))[:, None]
    worse = labels + 3 * (good - labels)
    np.testing.assert_allclose(convex_weights([worse, good], labels), [0.0, 1.0])


def test_missing_labels_do_not_count() -> None:
    labels = np.array([[0.0], [1.0], [np.nan]])
    predictions = [np.array([[0.0], [1.0], [9.0]]), np.array([[1.0], [0.0], [0.0]])]
    np.testing.assert_allclose(convex_weights(predictions, labels), [1.0, 0.0], atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_no_other_convex_combination_is_better(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=(30, 2))
    predictions = [labels + rng.normal(scale=rng.uniform(0.1, 2), size=labels.shape) for _ in range(count)]
    weights = convex_weights(predictions, labels)
    assert sum(weights) == pytest.approx(1)
    assert min(weights) >= 0

    def error(other: list[float]) -> float:
        return float((((combine(predictions, other) - labels) / labels.std(axis=0)) ** 2).sum())

    for other in rng.dirichlet(np.ones(count), size=50):
        assert error(weights) <= error(list(other)) * (1 + 1e-9)


def test_equal_models_share_the_weight() -> None:
    labels = np.arange(5.0)[:, None]
    weights = convex_weights([labels + 1, labels + 1], labels)
    assert sum(weights) == pytest.approx(1)


def test_perfect_models_are_no_division_by_zero() -> None:
    labels = np.arange(5.0)[:, None]
    assert sum(convex_weights([labels, labels], labels)) == pytest.approx(1)


def test_nothing_to_weigh_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one model"):
        convex_weights([], np.zeros((3, 1)))
    with pytest.raises(ConfigError, match="one labelled row"):
        convex_weights([np.zeros((3, 1))], np.full((3, 1), np.nan))


@pytest.mark.parametrize("few", [[6.0, 6.01, 6.0], [6.0, 6.0], [0.1] * 12])
def test_a_target_with_few_or_equal_labels_does_not_decide(few: list[float]) -> None:
    draw, labels = np.random.default_rng(0), np.full((200, 2), np.nan)
    labels[:, 0] = draw.normal(size=200)
    labels[: len(few), 1] = few
    parts = [labels + draw.normal(scale=scale, size=labels.shape) for scale in ([0.3, 0.5], [0.5, 0.1])]
    alone = convex_weights([part[:, :1] for part in parts], labels[:, :1], shrinkage=0.2)
    assert convex_weights(parts, labels, shrinkage=0.2) == alone


def test_few_labels_count_if_there_are_no_others() -> None:
    labels = np.array([[0.0, 6.0], [1.0, np.nan], [2.0, 6.0]])
    np.testing.assert_allclose(convex_weights([labels + 1, labels], labels), [0.0, 1.0], atol=1e-9)
