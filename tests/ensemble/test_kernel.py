"""The Gaussian process: its kernel of counts, and what it remembers between predictions."""

import numpy as np
import pytest
import torch

from molweight import datasets
from molweight.ensemble import _kernel
from molweight.ensemble._kernel import GaussianProcess, _Distances, _Kernel, _Overlap, _trial_groups
from molweight.features import feature_matrix


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


def posterior(fitted: GaussianProcess, dense: np.ndarray, counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Coefficients of one target by a dense solve, with the noise that makes them those of the fitted process."""
    rows = fitted.standardiser(torch.from_numpy(dense)).numpy()
    gram = _Kernel(*fitted.kernel.tolist())(_Distances.of(rows).to(rows), _Overlap.of(counts).to(counts))
    found = [np.linalg.solve(gram + noise * np.eye(len(rows)), labels - labels.mean()) for noise in _kernel._NOISES]
    return np.stack(found)


def drawn(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(4)
    dense, counts = draw.normal(size=(rows, 5)), draw.poisson(0.5, size=(rows, 12))
    return dense, counts, dense[:, :2] + 0.3 * draw.normal(size=(rows, 2))


def test_the_coefficients_are_those_of_a_dense_solve_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, counts, labels = drawn(70)
    monkeypatch.setattr(_kernel, "_BLOCK", 32)
    fitted = GaussianProcess.fit(dense, counts, labels[:, :1], np.array([False]), seed=0)
    expected = posterior(fitted, dense, counts, labels[:, 0])
    errors = np.abs(expected - fitted.coefficients.numpy()[:, 0]).max(axis=1)
    assert errors.min() < 1e-9


def test_a_large_table_is_fitted_on_drawn_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, counts, labels = drawn(90)
    monkeypatch.setattr(_kernel, "_MOST_ROWS", 60)
    fitted = GaussianProcess.fit(dense, counts, labels, np.array([False, False]), seed=0)
    used = np.sort(np.random.default_rng(0).permutation(90)[:60])
    np.testing.assert_array_equal(fitted.counts.numpy(), counts[used])
    np.testing.assert_allclose(fitted.offset.numpy(), labels.mean(axis=0))
    gain = np.abs(fitted.predict(dense, counts) - labels).mean() / np.abs(labels - labels.mean(axis=0)).mean()
    assert gain < 0.6


def test_targets_with_the_same_labels_missing_are_solved_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, counts, labels = drawn(80)
    labels = np.concatenate([labels, labels[:, :1] + labels[:, 1:]], axis=1)
    labels[:20, 2] = np.nan
    solved: list[tuple[int, ...]] = []
    real = _kernel._solve

    def solve(gram: np.ndarray, own: np.ndarray) -> np.ndarray:
        solved.append(own.shape)
        return real(gram, own)

    monkeypatch.setattr(_kernel, "_solve", solve)
    fitted = GaussianProcess.fit(dense, counts, labels, np.zeros(3, dtype=bool), seed=0)
    assert sorted(solved) == [(60, 1), (80, 2)]
    assert not fitted.coefficients[:20, 2].any()
    assert fitted.coefficients[20:].all()


def test_many_targets_with_labels_of_different_rows_are_fitted_on_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, counts, labels = drawn(80)
    labels = np.tile(labels[:, :1], 32)
    labels[np.arange(32), np.arange(32)] = np.nan
    monkeypatch.setattr(_kernel, "_MOST_ROWS", 70)
    fitted = GaussianProcess.fit(dense, counts, labels, np.zeros(32, dtype=bool), seed=0)
    assert len(fitted.rows) == 35  # 32 systems in the time of 4: half the rows, an eighth of the time each


def test_predictions_of_blocks_are_those_of_all_rows_together(
    fitted: GaussianProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, counts, _ = drawn(50)
    expected = fitted.predict(dense, counts)
    monkeypatch.setattr(_kernel, "_BLOCK", 16)
    np.testing.assert_allclose(fitted.predict(dense, counts), expected, rtol=1e-12)


def test_missing_labels_do_not_mislead_the_choice_of_the_kernel() -> None:
    data = datasets.load("freesolv").subset(np.random.default_rng(0).permutation(500))
    dense, counts = feature_matrix(data, ["functional_groups"]), feature_matrix(data, ["ecfp_counts"])
    truth, train, test = data.targets.astype(float), slice(0, 300), slice(300, None)
    labels = np.where(np.random.default_rng(0).random((300, 4)) < 0.25, truth[train], np.nan)

    def error(rows: np.ndarray, labels: np.ndarray) -> float:
        numbers = np.zeros(labels.shape[1], dtype=bool)
        fitted = GaussianProcess.fit(dense[train][rows], counts[train][rows], labels[rows], numbers, seed=0)
        return float(np.sqrt(((fitted.predict(dense[test], counts[test]) - truth[test]) ** 2).mean()))

    alone = np.mean([error(np.flatnonzero(~np.isnan(column)), column[:, None]) for column in labels.T])
    assert error(np.arange(300), labels) < 1.05 * alone


def test_targets_share_the_rows_for_choosing_the_kernel_only_if_nearly_all_labels_are_known() -> None:
    order = np.random.default_rng(0).permutation(900)
    known = np.ones((900, 6), dtype=bool)
    known[::10] = False
    ((rows, targets),) = _trial_groups(known, order)
    np.testing.assert_array_equal(rows, np.sort(order[:400]))
    np.testing.assert_array_equal(targets, np.arange(6))
    known[::2, 1:3] = False
    known[100:, 5] = False
    groups = _trial_groups(known, order)
    assert [targets.tolist() for _, targets in groups] == [[0, 3, 4], [1, 2], [5]]
    assert [len(rows) for rows, _ in groups] == [349, 349, 90]
    assert all(known[np.ix_(rows, targets)].all() for rows, targets in groups)
    assert all((np.diff(rows) > 0).all() for rows, _ in groups)


def test_without_any_label_the_mean_is_predicted() -> None:
    dense, counts, labels = drawn(30)
    fitted = GaussianProcess.fit(dense, counts, labels * np.nan, np.array([False, False]), seed=0)
    np.testing.assert_array_equal(fitted.predict(dense, counts), 0)
