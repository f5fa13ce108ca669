"""The out-of-fold estimate as text."""

from typing import Any

from molweight.runs.internal import Finetuning, format_estimate


def test_scores_of_small_labels_are_shown_with_their_digits() -> None:
    scores = {name: {"value": 1.5e-9, "low": 1.25e-9, "high": 2e-9} for name in ("graph", "ensemble")}
    about: dict[str, Any] = {"scores": scores, "best": "ensemble", "weights": {"graph": 1.0}, "members": 2, "rows": 80}
    further = {"transform": "none", "imputed": 0, "test": {"rows": 9, "low": 1e-9, "high": 3e-9}}
    balance = {"balance": "none", "balances_tried": {"none": 2.5e-9}}
    calibration = {"calibration": {"before": 3.5e-6, "after": 2.5e-6}}
    text = format_estimate(Finetuning("rmse", cross_fitting={**about, **further, **balance, **calibration}))
    assert "the ensemble   rmse 1.5e-09 (1.25e-09 to 2e-09)" in text
    assert "if they resemble the others: rmse 1e-09 to 3e-09" in text
    assert "rmse 2.5e-09 with none" in text
    assert "log-loss 3.5e-06 before, 2.5e-06 after" in text


def test_an_undefined_metric_has_no_best_part_and_no_expected_score() -> None:
    nothing = {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    scores = {"graph": nothing, "ensemble": nothing}
    about: dict[str, Any] = {"scores": scores, "best": "graph", "weights": {"graph": 1.0}, "members": 2, "rows": 80}
    further = {"transform": "none", "imputed": 0, "test": {"rows": 9, "low": float("nan"), "high": float("nan")}}
    text = format_estimate(Finetuning("roc_auc", cross_fitting={**about, **further}))
    assert "the ensemble   roc_auc nan" in text.splitlines()[2]
    assert "best out of fold" not in text
    assert "expected" not in text
