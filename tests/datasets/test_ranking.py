"""What the top of a ranked list is worth, compared with RDKit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit.ML.Scoring import Scoring

from molweight.datasets.internal import format_rankings, rankings


@given(st.integers(0, 10_000), st.integers(60, 400), st.floats(0.01, 0.09))
def test_values_are_those_of_rdkit(seed: int, count: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    truth = np.zeros(count)
    truth[: max(int(share * count), 1)] = 1
    predicted = rng.permutation(count) + 0.5 * count * truth * rng.random(count)
    found = rankings(truth[:, None], predicted[:, None], ["y"])["y"]
    scoring: Any = Scoring  # RDKit's functions are not typed
    ordered = [[label] for label in truth[np.argsort(-predicted, kind="stable")]]
    assert found.bedroc == pytest.approx(scoring.CalcBEDROC(ordered, 0, 20.0), abs=1e-9)
    if count % 100 == 0:  # elsewhere RDKit's list is not a whole number of rows
        assert [found.enrichment_1, found.enrichment_5] == pytest.approx(
            scoring.CalcEnrichment(ordered, 0, [0.01, 0.05]), abs=1e-9
        )


def test_rows_with_equal_predictions_share_their_ranks() -> None:
    truth = np.zeros(1000)
    truth[:50] = 1
    for order in (truth, truth[::-1]):
        found = rankings(order[:, None], np.full((1000, 1), 0.3), ["y"])["y"]
        assert [found.enrichment_1, found.enrichment_5, found.average_precision] == pytest.approx([1.0, 1.0, 0.05])
        assert found.precision_top == pytest.approx(0.05)
    perfect = rankings(truth[:, None], truth[:, None], ["y"])["y"]
    assert perfect.bedroc == pytest.approx(1.0)
    assert (perfect.enrichment_1, perfect.precision_top) == (20.0, 0.5)


def test_only_rare_classes_are_ranked() -> None:
    truth = np.column_stack([np.arange(100) < 5, np.arange(100) < 50, np.arange(100.0), np.zeros(100)])
    truth = truth.astype(float)
    truth[50:, 0] = np.nan
    predicted = np.random.default_rng(0).random(truth.shape)
    assert list(rankings(truth, predicted, list("abcd"))) == []  # of 50 labels, 5 are positive
    assert list(rankings(truth, predicted, list("abcd"), rare=0.2)) == ["a"]
    (line,) = format_rankings(rankings(truth, predicted, list("abcd"), rare=0.2))
    assert line.startswith("a: 10.0 % positive; average precision 0.")
