"""The Gaussian process: its kernel of counts, and what it remembers between predictions."""

import numpy as np
import pytest

from molweight.ensemble._kernel import GaussianProcess, _Overlap


@pytest.fixture
def fitted() -> GaussianProcess:
    """A process on dense features and counts, some of which no training row has."""
    draw = np.random.default_rng(0)
    dense, counts = draw.normal(size=(60, 5)), draw.poisson(0.5, size=(60, 12))
    counts[:, :3] = 0
    labels = dense[:, :1] + counts[:, 5:6]
    return GaussianProcess.fit(dense, counts, labels, np.array([False]), seed=0)


def test_overlap_is_the_sum_of_the_smaller_counts_over_that_of_the_larger() -> None:
    draw = np.random.default_rng(1)
    left, right = draw.integers(0, 5, (7, 9)), draw.integers(0, 5, (4, 9))
    left[0], right[0], right[:, 2] = 0, 0, 0
    small = np.minimum(left[:, None], right[None]).sum(axis=2)
    large = np.maximum(left[:, None], right[None]).sum(axis=2)
    np.testing.assert_array_equal(_Overlap.of(right).to(left), small / np.maximum(large, 1))


def test_what_is_remembered_changes_no_prediction_and_is_no_part_of_the_state(fitted: GaussianProcess) -> None:
    draw = np.random.default_rng(2)
    dense, counts = draw.normal(size=(20, 5)), draw.poisson(0.5, size=(20, 12))
    before, names = fitted.predict(dense, counts), set(fitted.state())
    np.testing.assert_array_equal(fitted.predict(dense, counts), before)
    assert set(fitted.state()) == names
    again = GaussianProcess.from_state(fitted.state())
    np.testing.assert_array_equal(again.predict(dense, counts), before)
    one = np.concatenate([fitted.predict(dense[[row]], counts[[row]]) for row in range(20)])
    np.testing.assert_allclose(one, before, rtol=1e-12)
