"""scikit-learn's own checks.

They pass matrices of numbers, so they run on estimators whose rows of numbers are written as molecules: everything but
the reading of the input is the estimator's own code. What cannot hold is listed here with its reason.
"""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from molweight.estimators import MoleculeEmbedder, TapWeightClassifier, TapWeightRegressor

SMALL: dict[str, Any] = {
    "encoder_options": {"layers": 1, "width": 8, "readout": "sum"},
    "objectives": ("attribute_masking",),
    "corpus": None,
    "init": "scratch",
    "weighting": "none",
    "epochs": 1,
    "members": 1,
    "task_batch_size": 256,
    "device": "cpu",
}


class FromNumbers:
    """The first three numbers of a row as the lengths of three chains, in steps of a half."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]  # a mixin: the estimator comes after it
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        return tags

    def _smiles(self, X: Any, *, reset: bool = False) -> list[str]:  # noqa: N803 - scikit-learn's name
        table = validate_data(self, X, reset=reset, dtype=np.float64)
        lengths = np.clip(np.rint(2 * table[:, :3]) + 6, 1, 12).astype(int)
        return ["O".join("C" * length for length in row) + "N" for row in lengths]


class Classifier(FromNumbers, TapWeightClassifier):
    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # three of the numbers, rounded, without their order
        return tags


class Regressor(FromNumbers, TapWeightRegressor):
    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # likewise
        return tags


class Embedder(FromNumbers, MoleculeEmbedder): ...


MAY_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "roles and batches are of rows: a weight of 2 is not two",
    "check_methods_sample_order_invariance": "float32 sums differ in the last digit with the order of the molecules",
    "check_methods_subset_invariance": "float32 sums differ in the last digit with the size of the batch",
}
SKIPPED = {
    "check_array_api_input": "scikit-learn runs it only where SCIPY_ARRAY_API is set",
    "check_classifiers_multilabel_output_format_decision_function": "there is predict_proba, no decision_function",
}


@pytest.mark.parametrize("estimator", [Classifier, Regressor, Embedder])
def test_checks_on_numbers_written_as_molecules(estimator: type) -> None:
    results = check_estimator(estimator(**SMALL), expected_failed_checks=MAY_FAIL, on_skip=None, on_fail=None)
    failed = {item["check_name"]: item["exception"] for item in results if item["status"] == "failed"}
    assert failed == {}
    assert {item["check_name"] for item in results if item["status"] == "xfail"} <= set(MAY_FAIL)
    assert {item["check_name"] for item in results if item["status"] == "skipped"} <= set(SKIPPED)
    assert sum(item["status"] == "passed" for item in results) > 40


@pytest.mark.parametrize("estimator", [TapWeightClassifier, TapWeightRegressor, MoleculeEmbedder])
def test_checks_that_need_no_matrix(estimator: type) -> None:
    # Where rows are strings, scikit-learn runs the checks of the class and its tags, and leaves out all that fit.
    with pytest.warns(SkipTestWarning, match="Can't test estimator"):
        results = check_estimator(estimator(), on_fail=None)
    assert {item["status"] for item in results} == {"passed"}
