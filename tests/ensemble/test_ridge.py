"""Ridge regression without some rows: against a second fit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as Reference
from sklearn.linear_model import RidgeCV

from molweight.ensemble._ridge import Ridge


def rows(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(1.0, 1.0, size=(n, d))
    return features, features @ rng.normal(size=d) + rng.normal(size=n) + 5.0


@given(st.integers(4, 30), st.integers(1, 40), st.integers(0, 99), st.data())
def test_predictions_without_rows_are_those_of_a_second_fit(n: int, d: int, seed: int, data: st.DataObject) -> None:
    features, labels = rows(n, d, seed)
    fitted = Ridge.fit(features, labels)
    groups = st.lists(st.integers(0, n - 1), min_size=1, max_size=3, unique=True).map(sorted).map(np.array)
    left_out = data.draw(st.lists(groups, min_size=1, max_size=4))
    wanted = np.random.default_rng(seed + 1).normal(size=(len(left_out), d))
    found = fitted.without(features, labels, wanted, left_out)
    for place, group in enumerate(left_out):
        rest = np.setdiff1d(np.arange(n), group)
        expected = Reference(fitted.penalty).fit(features[rest], labels[rest]).predict(wanted[place : place + 1])
        np.testing.assert_allclose(found[place], expected[0], rtol=1e-7, atol=1e-7)


def test_the_explained_share_is_that_of_leave_one_out() -> None:
    features, labels = rows(40, 3)
    fitted = Ridge.fit(features, labels)
    left_out = fitted.without(features, labels, features, [np.array([row]) for row in range(40)])
    np.testing.assert_allclose(fitted.explained, 1 - ((labels - left_out) ** 2).mean() / labels.var())
    np.testing.assert_allclose(
        fitted.predict(features), RidgeCV([fitted.penalty]).fit(features, labels).predict(features)
    )


def test_noise_is_not_explained() -> None:
    features, _ = rows(60, 5)
    assert Ridge.fit(features, np.random.default_rng(1).normal(size=60)).explained < 0.05
