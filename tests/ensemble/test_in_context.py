"""The partner that reads its training rows: against TabICL, odd tables, its state, and files that are not its."""

import gc
import pickle
import sys
import weakref
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight.ensemble import _in_context
from molweight.ensemble._in_context import InContextModel
from molweight.ensemble._tabicl_network import Network, read_network
from molweight.errors import DataError, OptionError
from molweight.features import Standardiser

pytest.importorskip("tabicl")

Content = dict[str, Any]
Change = Callable[[Content], object]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 5))


@pytest.fixture(scope="module")
def numbers(tabicl_files: dict[str, Path]) -> Network:
    return read_network(str(tabicl_files["regressor"]))


@pytest.fixture(scope="module")
def classes(tabicl_files: dict[str, Path]) -> Network:
    return read_network(str(tabicl_files["classifier"]))


def content(tabicl_files: dict[str, Path]) -> Content:
    found: Content = torch.load(tabicl_files["regressor"], weights_only=True)
    return found


def expected(kind: str, path: Path, rows: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """What TabICL's own estimator says without any of our parts but the standardiser."""
    import tabicl

    model = getattr(tabicl, kind)(
        n_estimators=2, model_path=path, allow_auto_download=False, device="cpu", random_state=3
    )
    scale = Standardiser.fit(rows)
    known = ~np.isnan(labels)
    model.fit(scale(torch.from_numpy(rows)).numpy()[known], labels[known])
    told = scale(torch.from_numpy(asked)).numpy()
    return np.asarray(model.predict(told) if kind == "TabICLRegressor" else model.predict_proba(told)[:, 1])


def test_each_target_is_predicted_as_tabicl_does_from_its_own_labels(
    rows: np.ndarray, numbers: Network, tabicl_files: dict[str, Path]
) -> None:
    labels = np.stack([rows[:, 0] + 3, rows[:, 1] * 5], axis=1)
    labels[7, 0], labels[20:40, 1] = np.nan, np.nan
    asked = np.random.default_rng(1).normal(size=(8, 5))
    found = InContextModel.fit(numbers, "regression", rows, labels, seed=3).predict(asked)
    for at in range(2):
        own = expected("TabICLRegressor", tabicl_files["regressor"], rows, labels[:, at], asked)
        np.testing.assert_allclose(found[:, at], own, rtol=1e-5)
    assert found.std(axis=0).min() > 1e-4


def test_classes_are_predicted_as_tabicl_does(
    rows: np.ndarray, classes: Network, tabicl_files: dict[str, Path]
) -> None:
    labels = (rows[:, 0] > 0).astype(float)
    found = InContextModel.fit(classes, "classification", rows, labels[:, None], seed=3).predict(rows)
    own = expected("TabICLClassifier", tabicl_files["classifier"], rows, labels, rows)
    np.testing.assert_allclose(found[:, 0], own, rtol=1e-5)
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize("count", [3, 5])  # as many classes as the network has places, and more
def test_classes_that_exclude_each_other_share_their_probability(
    rows: np.ndarray, classes: Network, count: int
) -> None:
    kinds = np.arange(60) % count
    labels = np.eye(count + 1)[kinds]  # the last class is in no row
    labels[5] = np.nan
    found = InContextModel.fit(classes, "multiclass", rows, labels, seed=3).predict(rows)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found[:, count] == 0).all()
    assert (found[:, :count] > 0).all()


@pytest.mark.parametrize("targets", [1, 6])  # of more than four targets, the last are read again in every call
def test_a_row_is_predicted_alike_in_any_company(rows: np.ndarray, numbers: Network, targets: int) -> None:
    labels = np.stack([rows[:, 0] * (1 + at) for at in range(targets)], axis=1)
    model = InContextModel.fit(numbers, "regression", rows, labels, seed=0)
    together = model.predict(rows[:12])
    np.testing.assert_allclose(model.predict(rows[:1]), together[:1], rtol=1e-5)
    turned = np.arange(11, 3, -1)
    np.testing.assert_allclose(model.predict(rows[turned]), together[turned], rtol=1e-5)
    assert model.predict(rows[:0]).shape == (0, targets)


def test_targets_share_one_network(rows: np.ndarray, numbers: Network) -> None:
    model = InContextModel.fit(numbers, "regression", rows, rows[:, :4], seed=0)
    model.predict(rows[:2])
    networks = {id(part.model_) for key, part in model._ready.items() if key[0] >= 0}
    assert len(networks) == 1
    shared = model._ready[-1, "cpu"].state_dict()
    assert all(shared[name].data_ptr() == tensor.data_ptr() for name, tensor in numbers.tensors.items())
    views = model._ready[0, "cpu"].ensemble_generator_.ensemble_configs_
    assert list(views) == ["none", "power"], "in the order of a set, the last digits would differ between processes"


def test_threads_do_not_disturb_each_other(rows: np.ndarray, numbers: Network) -> None:
    labels = np.stack([rows[:, 0], rows[:, 1] * 100], axis=1)
    model = InContextModel.fit(numbers, "regression", rows, labels, seed=0)
    parts = [rows[at : at + 10] for at in range(0, 60, 10)] * 3
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(model.predict, parts))
    for part, predicted in zip(parts, found, strict=True):
        np.testing.assert_array_equal(predicted, model.predict(part))


@pytest.mark.parametrize(
    ("labels", "value"),
    [
        (np.full(60, np.nan), 0.0),
        (np.where(np.arange(60) < 9, np.arange(60.0), np.nan), 4.0),
        (np.full(60, 2.5), 2.5),
    ],
    ids=["none", "few", "constant"],
)
def test_where_there_is_little_to_read_the_mean_is_predicted(
    rows: np.ndarray, numbers: Network, labels: np.ndarray, value: float
) -> None:
    both = np.stack([labels, rows[:, 0]], axis=1)
    found = InContextModel.fit(numbers, "regression", rows, both, seed=0).predict(rows[:3])
    assert found[:, 0].tolist() == [value] * 3
    assert len(set(found[:, 1].tolist())) == 3


def test_rare_classes_constant_columns_and_few_rows_of_several_classes_have_their_share(
    rows: np.ndarray, classes: Network
) -> None:
    rare = (np.arange(60) == 4).astype(float)[:, None]
    found = InContextModel.fit(classes, "classification", rows, rare, seed=0).predict(rows[:2])
    assert found[:, 0].tolist() == [2 / 62] * 2
    half = (np.arange(60) < 30).astype(float)[:, None]
    flat = InContextModel.fit(classes, "classification", np.ones((60, 5)), half, seed=0).predict(rows[:1])
    assert flat.tolist() == [[0.5]]
    one = np.eye(3)[np.zeros(8, dtype=int)]
    shares = InContextModel.fit(classes, "multiclass", rows[:8], one, seed=0).predict(rows[:1])
    np.testing.assert_allclose(shares, [[9 / 11, 1 / 11, 1 / 11]])


def test_missing_features_labels_without_weight_and_large_tables(
    rows: np.ndarray, numbers: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    holes, labels, weights = rows.copy(), rows[:, :1].copy(), np.ones((60, 1))
    holes[3, 1], weights[4] = np.nan, 0
    model = InContextModel.fit(numbers, "regression", holes, labels, seed=0, weights=weights)
    assert np.isfinite(model.predict(holes)).all()
    assert len(model.rows) == 59
    monkeypatch.setattr(_in_context, "_MOST_ROWS", 20)
    small, other = (InContextModel.fit(numbers, "regression", rows, labels, seed=seed) for seed in (1, 2))
    assert len(small.rows) == 20
    assert set(small.labels[:, 0].tolist()) <= set(labels[:, 0].tolist())
    assert not small.labels.equal(other.labels)


def test_the_state_is_the_whole_model(rows: np.ndarray, numbers: Network) -> None:
    labels = rows[:, :2].copy()
    labels[9, 1] = np.nan
    model = InContextModel.fit(numbers, "regression", rows, labels, seed=5)
    state = model.state()
    assert all(tensor.isfinite().all() for tensor in state.values())
    again = InContextModel.from_state(numbers.about(), "regression", 2, state)
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    copied = pickle.loads(pickle.dumps(model))  # noqa: S301 - what was written the line before
    np.testing.assert_array_equal(copied.predict(rows), model.predict(rows))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("known"), "lacks known"),
        (lambda state: state.pop("standardiser.median"), "lacks standardiser.median"),
        (lambda state: state.update(labels=state["labels"][1:]), "do not match each other"),
        (lambda state: state.update(rows=state["rows"][:, 1:]), "do not match each other"),
        (lambda state: state.update(known=state["known"].float()), "do not match each other"),
        (lambda state: state.update(seed=state["seed"][None]), "do not match each other"),
        (lambda state: state.pop("network.col_embedder.in_linear.weight"), r"it lacks the tensor col_embedder\.in"),
    ],
)
def test_a_damaged_state_is_named(rows: np.ndarray, numbers: Network, change: Change, said: str) -> None:
    state = InContextModel.fit(numbers, "regression", rows, rows[:, :1], seed=0).state()
    change(state)
    with pytest.raises(DataError, match=said):
        InContextModel.from_state(numbers.about(), "regression", 1, state)


def test_a_state_of_another_table_or_without_the_package_is_refused(
    rows: np.ndarray, numbers: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = InContextModel.fit(numbers, "regression", rows, rows[:, :1], seed=0).state()
    with pytest.raises(DataError, match="is not for a table of task 'classification'"):
        InContextModel.from_state(numbers.about(), "classification", 1, state)
    with pytest.raises(DataError, match="has no configuration"):
        InContextModel.from_state({}, "regression", 1, state)
    monkeypatch.setitem(sys.modules, "tabicl._model.tabicl", None)
    with pytest.raises(DataError, match=r"has the partner 'tabicl'.*pip install 'molweight\[tabicl\]'"):
        InContextModel.from_state(numbers.about(), "regression", 1, state)


def test_what_was_fitted_leaves_no_file_and_no_memory(
    rows: np.ndarray, numbers: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = InContextModel.fit(numbers, "regression", rows, rows[:, :1], seed=0)
    model.predict(rows[:1])
    assert list(tmp_path.iterdir()) == []
    gone = weakref.ref(model._ready[0, "cpu"])
    del model
    gc.collect()
    assert gone() is None


class Runs:
    """An object whose unpickling would run something."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        """Write a file."""
        return Path.touch, (Path("was-run"),)  # type: ignore[return-value]  # any callable


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole: whole.pop("config"), "holds 'state_dict' in place of 'config' and 'state_dict'. Expected the w"),
        (lambda whole: whole["config"].update(depth=3), r"rejects \(.*'depth'"),
        (lambda whole: whole["config"].update(embed_dim=16), r"has a \S+ of shape \(.*\) in place of \("),
        (lambda whole: whole["config"].update(embed_dim=10**9), "has a configuration with embed_dim=1000000000"),
        (lambda whole: whole["config"].update(col_num_blocks=5000), "has a configuration with col_num_blocks=5000"),
        (lambda whole: whole["config"].update(icl_num_blocks=2), r"lacks the tensor icl_predictor\.\S+1\."),
        (lambda whole: whole["config"].update(activation=[1]), "'activation', which is not a plain value"),
        (lambda whole: whole["state_dict"].update(more=torch.ones(2)), "has a tensor more"),
        (lambda whole: next(iter(whole["state_dict"].values())).fill_(torch.nan), "that are not finite numbers"),
        (lambda whole: whole.update(more=Runs()), r"cannot be read \("),
    ],
)
def test_files_of_something_else_are_refused(
    tabicl_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    changed = content(tabicl_files)
    change(changed)
    torch.save(changed, "other.ckpt")
    with pytest.raises(OptionError, match=rf"in_context='other\.ckpt' .*{said}"):
        read_network("other.ckpt")
    assert not Path("was-run").exists()


def test_missing_files_damage_and_a_missing_package_are_named(
    tabicl_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionError, match=r"in_context='none\.ckpt' is not a file that can be read"):
        read_network("none.ckpt")
    whole, path = tabicl_files["regressor"].read_bytes(), tmp_path / "w.ckpt"
    for damaged in (b"", whole[:2000], b"text", whole[:600] + b"\0" * 600 + whole[1200:]):
        path.write_bytes(damaged)
        with pytest.raises(OptionError, match=r"w\.ckpt.*(is not a file of torch\.save|cannot be read)"):
            read_network(str(path))
    with pytest.raises(OptionError, match="is not a file of"):
        read_network(str(tmp_path))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 1_000_000)
    with pytest.raises(OptionError, match="is a compressed archive"):
        read_network(str(path))
    torch.save([1], path)
    with pytest.raises(OptionError, match="holds a list in place of a dictionary"):
        read_network(str(path))
    path.write_bytes(whole)
    monkeypatch.setitem(sys.modules, "tabicl._model.tabicl", None)
    with pytest.raises(OptionError, match=r"the package tabicl .* is not installed.*pip install 'molweight\[tabicl\]'"):
        read_network(str(path))
