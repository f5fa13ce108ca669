"""Estimators on SMILES."""

import copy
import importlib
import inspect
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from molweight import encoders, objectives
from molweight.cli import main
from molweight.datasets import from_smiles, load, load_corpus
from molweight.encoders.internal import calibrate, merge_handedness
from molweight.errors import ConfigError, DataError, UnknownNameError
from molweight.estimators import MoleculeEmbedder, TapWeightClassifier, TapWeightRegressor
from molweight.estimators._labels import encode_classes
from molweight.options import Job
from molweight.runs import read_checkpoint

SMALL: dict[str, Any] = {
    "encoder_options": {"layers": 1, "width": 8},
    "objectives": ("attribute_masking", "functional_groups"),
    "corpus": None,
    "pretrain_steps": 1,
    "steps": 2,
    "hypergradient_interval": 1,
    "batch_size": 16,
    "epochs": 2,
    "members": 1,
    "device": "cpu",
}
SMILES = [*("C" * n + "O" for n in range(1, 16)), *("C" * n + "N" for n in range(1, 16))]
AMINE = np.repeat([0, 1], 15)


@pytest.fixture(scope="module")
def classifier() -> TapWeightClassifier:
    return TapWeightClassifier(**SMALL).fit(SMILES, AMINE)


def test_every_option_of_the_job_is_a_parameter() -> None:
    names = {field.name for field in fields(Job)} - {"seed"} | {"random_state"}
    own = {"corpus", "corpus_size", "split", "holdout", "on_error"}
    assert set(TapWeightClassifier().get_params()) == names | own
    assert set(MoleculeEmbedder().get_params()) == names | own | {"task"}
    assert "encoder_options" in inspect.signature(TapWeightRegressor).parameters


def test_the_default_is_the_ensemble_of_the_command_line() -> None:
    options = {name: value for name, value in SMALL.items() if name != "members"}
    model = TapWeightRegressor(**options, hidden=8).fit(SMILES, np.arange(30.0))
    assert model.run_.method == "ensemble"
    assert model.run_.finetuning.cross_fitting["rows"] == 30
    again = copy.deepcopy(model)
    np.testing.assert_array_equal(again.predict(SMILES[:3]), model.predict(SMILES[:3]))
    kinds = TapWeightClassifier(**options, hidden=8).fit(SMILES, np.arange(30) % 3)
    np.testing.assert_allclose(kinds.predict_proba(SMILES[:4]).sum(axis=1), 1.0, rtol=1e-5)


def test_defaults_are_those_of_the_job() -> None:
    assert TapWeightRegressor(device="cpu", random_state=3).job() == Job(device="cpu", seed=3, members=None)


def test_unknown_parameter_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no parameter 'epoch'; did you mean 'epochs'.* See help\(TapWeight"):
        TapWeightClassifier(epoch=3)
    with pytest.raises(ConfigError, match=r"no parameter 'seed'; it is called 'random_state' here\. See help"):
        TapWeightClassifier(seed=3)


@pytest.mark.parametrize(
    "shape", [list, tuple, np.array, pd.Series, lambda x: np.array(x)[:, None], lambda x: pd.DataFrame({"smiles": x})]
)
def test_every_shape_of_input_gives_the_same(classifier: TapWeightClassifier, shape: Any) -> None:
    assert np.array_equal(classifier.predict_proba(shape(SMILES[:3])), classifier.predict_proba(SMILES[:3]))


def test_classifier_answers_in_its_classes() -> None:
    words = np.where(AMINE == 1, "amine", "alcohol")
    options = {**SMALL, "epochs": 40, "finetune_lr": 0.03, "proximal_strength": 0.001, "holdout": 0.3}
    model = TapWeightClassifier(**options).fit(SMILES, words)
    assert model.classes_.tolist() == ["alcohol", "amine"]
    probability = model.predict_proba(SMILES)
    assert probability.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(model.predict(SMILES), model.classes_[(probability[:, 1] >= 0.5).astype(int)])
    assert model.score(SMILES, words) > 0.9
    assert set(model.weights_) == set(SMALL["objectives"])


def test_several_labels_with_missing_ones() -> None:
    labels = np.column_stack([AMINE, 1 - AMINE, np.arange(30) % 2]).astype(float)
    labels[::7, 1] = np.nan
    model = TapWeightClassifier(**SMALL).fit(SMILES, labels)
    assert model.predict_proba(SMILES).shape == (30, 3)
    predicted = model.predict(SMILES)
    known = ~np.isnan(labels)
    expected = np.mean([(predicted == labels)[known[:, task], task].mean() for task in range(3)])
    assert model.score(SMILES, labels) == pytest.approx(expected)


def test_labels_of_different_types_keep_their_types() -> None:
    labels = pd.DataFrame({"kind": ["amine" if kind else "alcohol" for kind in AMINE], "odd": np.arange(30) % 2})
    model = TapWeightClassifier(**SMALL).fit(SMILES, labels)
    predicted = model.predict(SMILES)
    assert {type(item) for item in predicted[:, 1]} == {int}
    expected = np.mean([(predicted[:, place] == labels[name]).mean() for place, name in enumerate(labels)])
    assert model.score(SMILES, labels) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["string", "Int64", "boolean"])
def test_missing_labels_of_pandas_are_not_scored(kind: str) -> None:
    labels = pd.Series([str(code) if kind == "string" else code for code in AMINE], dtype=kind)
    labels[3] = pd.NA
    model = TapWeightClassifier(**SMALL).fit(SMILES, labels)
    known = labels.notna().to_numpy()
    expected = (model.predict(SMILES)[known] == labels[known].to_numpy(dtype=object)).mean()
    assert model.score(SMILES, labels) == pytest.approx(expected)


def test_rows_without_a_molecule_are_not_scored(caplog: pytest.LogCaptureFixture) -> None:
    for kind, labels in ((TapWeightClassifier, AMINE), (TapWeightRegressor, np.linspace(0, 1, 30))):
        model = kind(**SMALL, on_error="skip").fit(SMILES, labels)
        expected = model.score(SMILES, labels, np.arange(1, 31))
        caplog.clear()
        found = model.score(["C1CC", *SMILES, None], [1, *labels, 0], [5, *range(1, 31), 5])
        assert found == pytest.approx(expected)
        assert "2 of 32 rows have no valid molecule and are not scored" in caplog.text
        with pytest.raises(DataError, match="none of 1 rows has a valid molecule"):
            model.score(["C1CC"], [1])


@pytest.mark.parametrize("kind", ["object", "string", "string[pyarrow]"])
def test_a_missing_molecule_of_a_column_is_skipped(kind: Any) -> None:
    column = pd.Series([*SMILES, None]).astype(kind)
    model = TapWeightRegressor(**SMALL, on_error="skip").fit(column, np.arange(31.0))
    assert [reject.row for reject in model.rejects_] == [30]
    assert np.isnan(model.predict(column)).tolist() == [False] * 30 + [True]


def test_missing_labels_are_not_learned_from() -> None:
    labels = AMINE.astype(float)
    labels[3] = np.nan
    model = TapWeightClassifier(**SMALL).fit(SMILES, labels)
    objects = np.array([None if np.isnan(label) else label for label in labels], dtype=object)
    again = TapWeightClassifier(**SMALL).fit(SMILES, objects)
    assert np.array_equal(model.predict_proba(SMILES), again.predict_proba(SMILES))


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
@pytest.mark.parametrize("shape", [list, tuple, pd.Series, lambda labels: [[label] for label in labels]])
def test_a_missing_label_among_words_is_no_class(missing: Any, shape: Any) -> None:
    labels = ["amine" if kind else "alcohol" for kind in AMINE]
    codes, classes = encode_classes(shape([missing, *labels[1:]]))
    assert classes[0].tolist() == ["alcohol", "amine"]
    assert np.isnan(codes).ravel().tolist() == [True] + [False] * 29


def test_regressor_in_the_units_of_the_labels() -> None:
    y = np.column_stack([1000.0 + np.arange(30), np.linspace(0, 1, 30)])
    y[4, 0] = np.nan
    model = TapWeightRegressor(**SMALL).fit(SMILES, y)
    predicted = model.predict(SMILES)
    assert predicted.shape == (30, 2)
    assert np.abs(predicted[:, 0] - 1015).max() < 60
    known = ~np.isnan(y[:, 0])
    each = [r2_score(y[known, 0], predicted[known, 0]), r2_score(y[:, 1], predicted[:, 1])]
    assert model.score(SMILES, y) == pytest.approx(np.mean(each))
    weights = np.arange(1.0, 31)
    single = TapWeightRegressor(**SMALL).fit(SMILES, y[:, 1])
    expected = r2_score(y[:, 1], single.predict(SMILES), sample_weight=weights)
    assert single.score(SMILES, y[:, 1], weights) == pytest.approx(expected)


def test_columns_without_variance_or_labels_are_left_out_of_the_score() -> None:
    y = np.column_stack([np.linspace(0, 1, 30), np.full(30, np.nan), np.full(30, np.nan)])
    y[:12, 1], y[::2, 2] = np.arange(12), 0.1
    y[1, 2] = 0.7
    model = TapWeightRegressor(**SMALL).fit(SMILES, y)
    rest, labels = SMILES[12:], y[12:]  # no label of the second column, and a constant in the third
    expected = r2_score(labels[:, 0], model.predict(rest)[:, 0])
    assert model.score(rest, labels) == pytest.approx(expected)
    weights = np.where(np.arange(30) < 12, 0.0, 1.0)
    assert model.score(SMILES, y, weights) == pytest.approx(expected)
    with pytest.raises(DataError, match="no column has two different labels in rows with a valid molecule"):
        model.score(rest, np.column_stack([np.full(18, 0.1), labels[:, 1:]]))
    single = TapWeightRegressor(**SMALL).fit(SMILES, y[:, 0])
    with pytest.raises(DataError, match="so R² is undefined"):
        single.score(SMILES, np.full(30, 0.1))


def test_columns_without_labels_are_left_out_of_the_accuracy() -> None:
    kinds = np.where(AMINE == 1, "amine", "alcohol").astype(object)
    labels = np.column_stack([kinds, np.full(30, None)])
    labels[:12, 1] = ["a", "b"] * 6
    model = TapWeightClassifier(**SMALL).fit(SMILES, labels)
    expected = np.mean(model.predict(SMILES[12:])[:, 0] == kinds[12:])
    assert model.score(SMILES[12:], labels[12:]) == pytest.approx(expected)
    assert model.score(SMILES, labels, np.arange(30) >= 12) == pytest.approx(expected)
    with pytest.raises(DataError, match="no row with a valid molecule has a label"):
        model.score(SMILES[12:], np.full((18, 2), None))


def test_labels_of_another_shape_have_no_score(classifier: TapWeightClassifier) -> None:
    y = np.linspace(0, 1, 30)
    regressor = TapWeightRegressor(**SMALL).fit(SMILES, y)
    with pytest.raises(
        DataError, match="y has 30 rows and 2 columns; there are 30 SMILES, and the estimator predicts 1"
    ):
        regressor.score(SMILES, np.column_stack([y, y]))
    with pytest.raises(DataError, match="y has 29 rows and 1 columns"):
        regressor.score(SMILES, y[1:])
    with pytest.raises(DataError, match="y has 30 rows and 2 columns"):
        classifier.score(SMILES, np.column_stack([AMINE, AMINE]))


def test_a_search_goes_on_if_a_fold_has_no_label_of_a_column() -> None:
    y = np.column_stack([np.linspace(0, 1, 30), np.full(30, np.nan)])
    y[:12, 1] = np.arange(12)
    fold = np.arange(20), np.arange(20, 30)
    assert np.isfinite(cross_val_score(TapWeightRegressor(**SMALL), SMILES, y, cv=[fold])).all()


def test_rows_without_a_molecule(classifier: TapWeightClassifier) -> None:
    with pytest.raises(DataError, match="X: 1 rows have no valid molecule, first row 1: 'C1CC' ring 1 is not closed"):
        classifier.predict(["C", "C1CC"])
    with pytest.raises(DataError, match="1 of 31 rows cannot be used"):
        TapWeightClassifier(**SMALL).fit([*SMILES, "C1CC"], [*AMINE, 1])
    model = TapWeightClassifier(**SMALL, on_error="skip").fit(["C1CC", *SMILES], [1, *AMINE])
    assert [reject.row for reject in model.rejects_] == [0]
    assert np.isnan(model.predict(["C", "C1CC"])).tolist() == [False, True]
    assert np.isnan(model.predict_proba(["C", "C1CC", None])).all(axis=1).tolist() == [False, True, True]
    assert np.array_equal(
        model.predict_proba(SMILES), TapWeightClassifier(**SMALL).fit(SMILES, AMINE).predict_proba(SMILES)
    )


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ("CCO", AMINE, "got the single string 'CCO'"),
        ([], AMINE, "X has no rows"),
        ([1.5] * 30, AMINE, "row 0: 1.5 is float, not a SMILES string"),
        (pd.DataFrame({"a": SMILES, "b": SMILES}), AMINE, "columns 'a', 'b'"),
        (SMILES, AMINE[:-1], "for 30 SMILES"),
        (SMILES, None, "requires y to be passed"),
        (SMILES, np.stack([np.arange(30) % 3, AMINE], axis=1), "Only binary classification is supported"),
        (SMILES, np.zeros(30), "needs both classes"),
        (SMILES[:1] + SMILES[-1:], [0, 1], "samples .* are too few"),
    ],
)
def test_impossible_input_is_refused(X: Any, y: Any, message: str) -> None:  # noqa: N803 - scikit-learn's name
    with pytest.raises(DataError, match=message):
        TapWeightClassifier(**SMALL).fit(X, y)


@pytest.mark.parametrize("count", range(3, 13))
def test_a_few_molecules_fill_every_role(count: int) -> None:
    y = [*AMINE[:2], *AMINE[-(count - 2) :]]
    model = TapWeightRegressor(**SMALL).fit([*SMILES[:2], *SMILES[-(count - 2) :]], y)
    splits = model.run_.splits
    assert splits is not None
    assert [len(splits.meta), len(splits.select) // 2, len(splits.test)] == [1, count // 11, 0]
    assert sorted([*splits.train, *splits.meta, *splits.select]) == list(range(count))


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="on_error='ignore' is unknown"):
        TapWeightClassifier(**SMALL, on_error="ignore").fit(SMILES, AMINE)
    with pytest.raises(ConfigError, match=r"holdout=0.5 must lie above 0 and below 0\.5"):
        TapWeightClassifier(**SMALL, holdout=0.5).fit(SMILES, AMINE)
    with pytest.raises(DataError, match="Use split='random'"):
        TapWeightClassifier(**SMALL, split="scaffold").fit(SMILES, AMINE)


@pytest.mark.parametrize("store", ["pickle", "joblib", "deepcopy"])
@pytest.mark.parametrize("kind", [TapWeightClassifier, MoleculeEmbedder])
def test_pickled_estimator_answers_the_same(kind: type, store: str) -> None:
    model = kind(**SMALL).fit(SMILES, AMINE)
    answer = model.transform if kind is MoleculeEmbedder else model.predict_proba
    again = _stored(model, store)
    answers = again.transform if kind is MoleculeEmbedder else again.predict_proba
    assert np.array_equal(answers(SMILES), answer(SMILES))
    assert again.get_params() == model.get_params()


def _stored(model: Any, store: str) -> Any:
    if store == "pickle":
        return pickle.loads(pickle.dumps(model))  # noqa: S301 - written by this test
    if store == "deepcopy":
        return copy.deepcopy(model)
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def test_options_of_numpy_are_fitted_and_pickled() -> None:
    """A grid over `np.arange` gives such values."""
    options = {**SMALL, "encoder_options": {"layers": np.int64(1), "width": np.int64(8)}, "scale_losses": np.bool_(0)}
    model = TapWeightClassifier(**options | {"epochs": np.int64(2), "finetune_lr": np.float64(1e-3)}).fit(SMILES, AMINE)
    expected = TapWeightClassifier(**SMALL).fit(SMILES, AMINE).predict_proba(SMILES)
    assert np.array_equal(_stored(model, "pickle").predict_proba(SMILES), expected)
    embedder = MoleculeEmbedder(**options).fit(SMILES)
    assert np.array_equal(_stored(embedder, "pickle").transform(SMILES), embedder.transform(SMILES))


def test_pickle_holds_bytes_and_text_only(classifier: TapWeightClassifier) -> None:
    content = pickle.dumps(classifier)
    assert b"torch" not in content.replace(b'"torch": ', b"")  # the version, in the JSON
    state = classifier.__getstate__()["run_"]
    assert [type(value) for value in state.values()] == [int, bytes, str, bytes]
    with pytest.raises(DataError, match="format 3"):
        classifier._load({**state, "format": 3})
    with pytest.raises(DataError, match="is damaged"):
        classifier._load({**state, "tensors": state["tensors"][:-3]})
    with pytest.raises(DataError, match="is damaged"):
        classifier._load({**state, "kept": state["kept"][:-3]})


def test_pickled_estimators_keep_intervals_domain_and_molecules() -> None:
    model = TapWeightRegressor(**SMALL).fit(SMILES, np.arange(30.0))
    again = _stored(model, "pickle")
    found, expected = again.run_.intervals(SMILES), model.run_.intervals(SMILES)
    np.testing.assert_array_equal(np.hstack([found.lower, found.upper]), np.hstack([expected.lower, expected.upper]))
    np.testing.assert_array_equal(again.run_.domain(SMILES).similarity, model.run_.domain(SMILES).similarity)
    assert again.run_.seen([*SMILES, "c1ccccc1"]).tolist() == [True] * 30 + [False]
    state = model.__getstate__()["run_"]
    del state["kept"]  # as earlier versions stored it
    assert not model._load(state).has_calibration()


def test_a_fit_that_fails_leaves_the_model_before(registries: None) -> None:
    y = np.arange(30.0)
    classes = np.array(["a", "b", "c"])[np.arange(30) % 3]
    changes: list[dict[str, Any]] = [{"weighting": "unknown"}, {"objectives": ("test_interrupted",)}]

    @objectives.register("test_interrupted")
    class Interrupted(objectives.get("attribute_masking")):  # type: ignore[misc]  # a class known at run time
        def draw(self, batch: Any, generator: Any) -> Any:
            raise KeyboardInterrupt

    for changed, error in zip(changes, (UnknownNameError, KeyboardInterrupt), strict=True):
        options = {**SMALL, "on_error": "skip"}
        classifier = TapWeightClassifier(**options).fit(SMILES, np.where(AMINE, "amine", "alcohol"))
        regressor = TapWeightRegressor(**options).fit(SMILES, y)
        embedder = MoleculeEmbedder(**options).fit([*SMILES, None])
        predicted = classifier.predict(SMILES), classifier.predict_proba(SMILES), regressor.predict(SMILES)
        vectors = embedder.transform(SMILES)
        fits: list[tuple[Any, Any]] = [(classifier, classes), (regressor, np.column_stack([y, y])), (embedder, AMINE)]
        for model, labels in fits:
            with pytest.raises(error):
                model.set_params(**changed).fit(["C1CC", *SMILES[1:]], labels)
        for found, expected in zip(
            (classifier.predict(SMILES), classifier.predict_proba(SMILES), regressor.predict(SMILES)),
            predicted,
            strict=True,
        ):
            assert np.array_equal(found, expected)
        assert classifier.classes_.tolist() == ["alcohol", "amine"]
        assert np.array_equal(embedder.transform(SMILES), vectors)
        assert [len(model.rejects_) for model in (classifier, regressor, embedder)] == [0, 0, 1]


OWN_NAMES = """
from molweight import encoders, objectives
from molweight.mlo import weightings

@objectives.register("test_own")
class Own(objectives.get("attribute_masking")):
    family, paper = "masking", "this test"

@encoders.register("test_own")
class OwnEncoder(encoders.get("gin")):
    pass

@weightings.register("test_own")
class OwnWeighting(weightings.get("equal")):
    pass
"""
WORKER = """
import pickle, sys
model = pickle.load(open(sys.argv[1], "rb"))
model.set_params(weighting="test_own")
smiles = ["C" * n for n in range(1, 31)]
print(model.fit(smiles, [float(n) for n in range(30)]).weights_)
"""


DEFINED = re.sub(r"^@.*\n", "", OWN_NAMES, flags=re.MULTILINE)
REGISTERED = """
from molweight import encoders, objectives
from molweight.mlo import weightings
from test_own_classes import Own, OwnEncoder, OwnWeighting

def register():
    objectives.register("test_own")(Own)
    encoders.register("test_own")(OwnEncoder)
    weightings.register("test_own")(OwnWeighting)

register()
"""


@pytest.mark.parametrize("modules", [{"names": OWN_NAMES}, {"classes": DEFINED, "names": REGISTERED}])
def test_names_of_a_module_reach_other_processes(
    modules: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registries: None
) -> None:
    """What joblib does for `n_jobs=2`: another process reads the estimator, and sets the parameters of the grid."""
    for name, code in modules.items():
        (tmp_path / f"test_own_{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "test_own_names", raising=False)
    importlib.import_module("test_own_names")
    options = {**SMALL, "objectives": ("test_own", "functional_groups"), "encoder": "test_own"}
    model = TapWeightRegressor(**options)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    (tmp_path / "fitted.pickle").write_bytes(pickle.dumps(model.fit(SMILES, AMINE)))
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    for name in ("model", "fitted"):
        command = [sys.executable, "-c", WORKER, str(tmp_path / f"{name}.pickle")]
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == "{'test_own': 0.5, 'functional_groups': 0.5}\n", done.stderr


def test_a_module_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registries: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test_gone.py").write_text(OWN_NAMES)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        importlib.import_module("test_gone")
        stored = pickle.dumps(TapWeightRegressor(**SMALL))
    monkeypatch.delitem(sys.modules, "test_gone")
    model = pickle.loads(stored)  # noqa: S301 - written by this test
    assert (
        "a pickled TapWeightRegressor may use names that another module registers: module 'test_gone' " in caplog.text
    )
    assert model.get_params() == TapWeightRegressor(**SMALL).get_params()


def test_unfitted_estimators_are_cloned_and_pickled() -> None:
    model = TapWeightClassifier(**SMALL)
    assert clone(model).get_params() == _stored(model, "pickle").get_params() == model.get_params()


def test_grid_search_over_options_of_the_job() -> None:
    search = GridSearchCV(TapWeightClassifier(**SMALL), {"weighting": ["equal", "tapweight"], "steps": [1]}, cv=2)
    search.fit(SMILES, AMINE)
    assert search.best_params_["weighting"] in {"equal", "tapweight"}
    assert search.best_estimator_.predict(SMILES).shape == (30,)


def test_pipelines() -> None:
    plain = make_pipeline(MoleculeEmbedder(**SMALL), LogisticRegression()).fit(SMILES, AMINE)
    assert plain.predict(SMILES).shape == (30,)
    assert cross_val_score(plain, SMILES, AMINE, cv=2).shape == (2,)
    assert len(plain[:-1].get_feature_names_out()) == 8


def test_embedder_learns_from_labels_only_if_told_so() -> None:
    assert np.array_equal(
        MoleculeEmbedder(**SMALL).fit_transform(SMILES, AMINE), MoleculeEmbedder(**SMALL).fit_transform(SMILES)
    )
    told = MoleculeEmbedder(**SMALL, task="classification").fit(SMILES, AMINE)
    run = TapWeightClassifier(**SMALL).fit(SMILES, AMINE).run_
    assert np.array_equal(told.transform(SMILES), run.embed(SMILES))
    told = MoleculeEmbedder(**SMALL, task="regression", on_error="skip").fit(SMILES, np.arange(30))
    assert np.isnan(told.transform(["?", "C"])).all(axis=1).tolist() == [True, False]
    with pytest.raises(ConfigError, match="task='clustering' is unknown"):
        MoleculeEmbedder(**SMALL, task="clustering").fit(SMILES)


def test_embedder_starts_from_the_shipped_checkpoint_unless_pretraining_is_described() -> None:
    assert MoleculeEmbedder(device="cpu").job().init == "gin_zinc"
    assert MoleculeEmbedder(device="cpu", epochs=3, task="regression").job().init == "gin_zinc"
    assert MoleculeEmbedder(device="cpu", init="pretrain").job().init == "pretrain"
    own = {
        "encoder": "gcn",
        "encoder_options": {"layers": 1},
        "objectives": ("graphcl",),
        "objective_options": {"graphcl": {"strength": 0.1}},
        "pretrain_steps": 3,
        "batch_size": 8,
        "pretrain_lr": 0.1,
        "corpus": None,
        "corpus_size": 10,
    }
    for name, value in own.items():
        assert MoleculeEmbedder(device="cpu", **{name: value}).job().init == "pretrain"
    assert MoleculeEmbedder(device="cpu", corpus=np.array(SMILES)).job().init == "pretrain"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", np.int64(256)),
        ("batch_size", None),
        ("corpus_size", np.int32(10_000)),
        ("corpus", np.str_("zinc")),
        ("encoder", np.str_("gin")),
        ("objectives", list(Job().objectives)),
    ],
)
def test_a_default_is_recognised_in_any_type(name: str, value: Any) -> None:
    assert MoleculeEmbedder(device="cpu", **{name: value}).job().init == "gin_zinc"


def test_embedder_takes_the_encoder_of_a_checkpoint() -> None:
    """By hand: the shipped encoder, its statistics those of the molecules, its vectors."""
    embedder = MoleculeEmbedder(device="cpu").fit(SMILES)
    checkpoint, data = read_checkpoint("gin_zinc"), from_smiles(SMILES, cache=False)
    encoder = encoders.create(checkpoint.encoder, **checkpoint.encoder_options)
    parts = {k.removeprefix("encoder."): v for k, v in checkpoint.state.items() if k.startswith("encoder.")}
    encoder.load_state_dict(parts)
    merge_handedness(encoder)
    calibrate(encoder, [data.graphs(range(len(data)))])
    expected = encoder.eval()(data.graphs(range(len(data)))).graphs.detach().numpy()
    assert expected.std(axis=0).max() > 0
    assert embedder.transform(SMILES) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("store", ["pickle", "joblib"])
def test_embedder_ignores_stereochemistry_as_its_checkpoint_does(store: str, tmp_path: Path) -> None:
    sizes = ["--corpus_size=48", "--pretrain_steps=1", "--batch_size=16", "--objectives=attribute_masking"]
    encoder = ["--encoder_options.layers=1", "--encoder_options.width=8", "--stereo=ignore"]
    assert main(["pretrain", f"--output={tmp_path}", *sizes, *encoder, "--device=cpu", "--quiet"]) == 0
    embedder = MoleculeEmbedder(init=str(tmp_path), device="cpu").fit([*SMILES, "C[C@H](O)CC"])
    for model in (embedder, _stored(embedder, store)):
        one, other = model.transform(["C[C@H](O)CC", "C[C@@H](O)CC"])
        assert np.array_equal(one, other)


def test_embedder_takes_the_encoder_of_a_run(classifier: TapWeightClassifier, tmp_path: Path) -> None:
    classifier.run_.save(tmp_path / "run")
    embedder = MoleculeEmbedder(init=str(tmp_path / "run"), device="cpu").fit(SMILES)
    assert embedder.transform(SMILES).shape == (30, 8)
    shutil.rmtree(tmp_path / "run")
    assert np.array_equal(_stored(embedder, "pickle").transform(SMILES), embedder.transform(SMILES))


def test_corpora() -> None:
    named = {**SMALL, "corpus": "zinc", "corpus_size": 64}
    given = {**SMALL, "corpus": load_corpus("zinc", size=64)}
    one, two = (MoleculeEmbedder(**options).fit_transform(SMILES) for options in (named, given))
    assert np.array_equal(one, two)
    texts = {**SMALL, "corpus": list(load_corpus("zinc", size=64).smiles)}
    assert np.array_equal(one, MoleculeEmbedder(**texts).fit_transform(SMILES))


def test_random_state_decides() -> None:
    one, again, other = (
        TapWeightRegressor(**SMALL, random_state=state).fit(SMILES, AMINE).predict(SMILES) for state in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    drawn = TapWeightRegressor(random_state=np.random.RandomState(5), device="cpu").job().seed
    assert drawn == np.random.RandomState(5).randint(2**31)


def test_real_labels_with_gaps() -> None:
    data = load("freesolv").subset(range(200))
    labels = data.targets[:, 0].copy()
    labels[::5] = np.nan
    options = {**SMALL, "epochs": 30, "finetune_lr": 0.03, "proximal_strength": 0.01}
    model = TapWeightRegressor(**options).fit(list(data.smiles), labels)
    assert model.score(data.smiles, data.targets[:, 0]) > 0.3


def test_three_classes_and_molecules_of_rdkit() -> None:
    from rdkit import Chem

    molecules = [Chem.MolFromSmiles(text) for text in SMILES]
    kinds = np.array(["ester", "ether", "amine"], dtype=object)[np.arange(30) % 3]
    model = TapWeightClassifier(**SMALL).fit(molecules, kinds)
    assert model.classes_.tolist() == ["amine", "ester", "ether"]
    probability = model.predict_proba(SMILES)
    assert probability.shape == (30, 3)
    assert np.allclose(probability.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(probability, model.predict_proba(molecules), atol=1e-5)
    assert model.predict(SMILES).tolist() == model.classes_[probability.argmax(axis=1)].tolist()


def test_weights_of_rows_reach_the_loss() -> None:
    weights = np.where(np.arange(30) % 5 == 0, 0.0, 1.0)
    labels = np.arange(30) / 10
    wrong = np.where(weights == 0, 1e6, labels)
    plain = TapWeightRegressor(**SMALL).fit(SMILES, labels, sample_weight=weights).predict(SMILES)
    assert not np.array_equal(plain, TapWeightRegressor(**SMALL).fit(SMILES, labels).predict(SMILES))
    weighted = TapWeightRegressor(**SMALL).fit(SMILES, wrong, sample_weight=weights).predict(SMILES)
    np.testing.assert_array_equal(weighted, plain)
    with pytest.raises(DataError, match="sample_weight must be 30 numbers >= 0"):
        TapWeightRegressor(**SMALL).fit(SMILES, labels, sample_weight=[1.0])
