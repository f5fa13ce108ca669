"""Ensembles by cross-fitting: what is held out stays unseen, everything is in the state, and odd tables work."""

import json
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from molweight import datasets, encoders
from molweight.encoders import Encoder
from molweight.ensemble import Ensemble
from molweight.ensemble._cross_fit import _Work
from molweight.ensemble._fit_member import epochs_for
from molweight.ensemble._out_of_fold import PartnerData, partner_data
from molweight.ensemble._partner_kinds import PARTNERS, partner_features
from molweight.ensemble._stacking import convex_weights
from molweight.ensemble.internal import (
    CrossFitted,
    EnsembleSpec,
    Keeper,
    LabelTransform,
    Recipe,
    TrainedMember,
    cross_fit,
    cross_folds,
)
from molweight.errors import ConfigError
from molweight.features import feature_matrix
from molweight.graphs import Featuriser, MoleculeDataset, Task
from molweight.report.internal import interval_elsewhere
from molweight.runs._estimate import estimate_of
from molweight.seeding import seeded

CPU = torch.device("cpu")
ENCODER: dict[str, Any] = {"layers": 2, "width": 16}
SMALL = Recipe("gin", ENCODER, members=2, features=("descriptors",), epochs=2, hidden=16)


def start() -> Encoder:
    with seeded(0):
        return encoders.create("gin", **ENCODER)


def fit(data: MoleculeDataset, recipe: Recipe = SMALL, keeper: Keeper | None = None) -> CrossFitted:
    return cross_fit(recipe, start(), data, np.arange(len(data)), device=CPU, keeper=keeper)


def table(labels: np.ndarray, task: Task, **columns: np.ndarray) -> MoleculeDataset:
    smiles = list(datasets.load("freesolv").smiles[: len(labels)])
    data = datasets.from_smiles(smiles, labels, task=task, cache=False)
    return data.with_columns(columns)


def changed(recipe: Recipe, **changes: Any) -> Recipe:
    return Recipe(**{**vars(recipe), **changes})


@pytest.fixture(scope="module")
def freesolv() -> MoleculeDataset:
    return datasets.load("freesolv").subset(range(60))


@pytest.fixture(scope="module")
def fitted(freesolv: MoleculeDataset) -> CrossFitted:
    return fit(freesolv)


def test_every_row_is_predicted_by_each_part(fitted: CrossFitted, freesolv: MoleculeDataset) -> None:
    assert list(fitted.out_of_fold) == ["graph", *PARTNERS, "ensemble"]
    assert all(np.isfinite(values).all() for values in fitted.out_of_fold.values())
    assert fitted.rows.tolist() == list(range(60))
    *parts, whole = fitted.out_of_fold.values()
    truth, folds = freesolv.targets.astype(float), cross_folds(freesolv.targets, 2, np.random.default_rng([0, 0]))
    units = LabelTransform.fit(fitted.transform, truth)
    mapped = units.forward(truth)
    for fold, rest in (folds, folds[::-1]):  # the weights of a fold come from the other
        weights = convex_weights([units.forward(part[rest]) for part in parts], mapped[rest], shrinkage=0.2)
        expected = sum(weight * part[fold] for weight, part in zip(weights, parts, strict=True))
        np.testing.assert_allclose(whole[fold], expected)
    errors = [((part - freesolv.targets) ** 2).mean() for part in parts]
    assert ((whole - freesolv.targets) ** 2).mean() <= np.mean(errors)


def test_a_label_does_not_reach_the_prediction_of_its_own_fold() -> None:
    labels = np.linspace(0, 1, 40)[:, None]
    recipe = changed(SMALL, label_transform="none")
    before = fit(table(labels, "regression"), recipe)
    other = labels.copy()
    other[7] += 0.001  # too small to move a row to another fold
    after = fit(table(other, "regression"), recipe)
    for name in set(before.out_of_fold) - {"ensemble"}:
        assert after.out_of_fold[name][7] == before.out_of_fold[name][7]
    assert (after.out_of_fold["graph"] != before.out_of_fold["graph"]).any()


def test_enantiomers_are_in_one_fold_if_stereochemistry_is_ignored() -> None:
    hands = [f"N{centre}({'C' * n})C(=O)O" for n in range(1, 41) for centre in ("[C@H]", "[C@@H]")]
    labels = np.random.default_rng(0).normal(size=(80, 1))
    data = datasets.from_smiles(hands, labels, task="regression", cache=False)
    work = _Work.of(SMALL, data.with_featuriser(Featuriser(stereo="ignore")), np.arange(80), CPU)
    fold_of = np.empty(80)
    for number, fold in enumerate(work.folds):
        fold_of[fold] = number
    assert (fold_of[::2] == fold_of[1::2]).all()


def test_the_state_and_the_specification_are_the_whole_model(fitted: CrossFitted, freesolv: MoleculeDataset) -> None:
    spec = EnsembleSpec.from_json(json.loads(json.dumps(fitted.ensemble.spec.to_json())))
    again = Ensemble.from_state(spec, fitted.ensemble.state_dict())
    graphs = again.with_features(freesolv).graphs(range(10))
    with torch.no_grad():
        assert torch.equal(again.predict(graphs), fitted.ensemble.predict(graphs))
        for one, other in zip(again.answer(graphs), fitted.ensemble.answer(graphs), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(freesolv: MoleculeDataset) -> None:
    first, again = fit(freesolv), fit(freesolv)
    other = fit(freesolv, changed(SMALL, seed=1))
    np.testing.assert_array_equal(first.out_of_fold["ensemble"], again.out_of_fold["ensemble"])
    assert (first.out_of_fold["ensemble"] != other.out_of_fold["ensemble"]).any()


@pytest.mark.parametrize(("frozen", "stays"), [(0, False), (1, False), (2, True), (9, True)])
def test_the_encoder_stays_as_it_is_for_as_long_as_it_is_frozen(
    frozen: int, stays: bool, freesolv: MoleculeDataset
) -> None:
    recipe = changed(SMALL, members=2, partners=(), freeze_epochs=frozen)
    model = fit(freesolv, recipe).ensemble
    begun = dict(start().named_parameters())
    for place in range(2):
        ended = dict(model._member(place).encoder.named_parameters())
        assert all(ended[name].equal(begun[name]) for name in begun) == stays
        assert all(parameter.requires_grad for parameter in ended.values())


def test_members_that_were_kept_are_not_trained_again(fitted: CrossFitted, freesolv: MoleculeDataset) -> None:
    class Memory(Keeper):
        def __init__(self) -> None:
            self.kept: dict[int, TrainedMember] = {}
            self.written: list[int] = []

        def read(self, number: int) -> TrainedMember | None:
            return self.kept.get(number)

        def write(self, number: int, member: TrainedMember) -> None:
            self.kept[number] = member
            self.written.append(number)

    memory = Memory()
    fit(freesolv, keeper=memory)
    assert memory.written == [0, 1]
    del memory.kept[1]
    resumed = fit(freesolv, keeper=memory)
    assert memory.written == [0, 1, 1]
    np.testing.assert_array_equal(resumed.out_of_fold["ensemble"], fitted.out_of_fold["ensemble"])


def test_members_of_an_interrupted_run_may_have_other_numbers_of_epochs(
    fitted: CrossFitted, freesolv: MoleculeDataset
) -> None:
    stored = replace(fitted, curves=[[3.0, 2.0, 1.0], [5.0, 4.0]])
    assert estimate_of(stored, freesolv).curve == [4.0, 3.0]


def test_forward_is_the_prediction_in_standard_units(fitted: CrossFitted, freesolv: MoleculeDataset) -> None:
    model = fitted.ensemble
    graphs = model.with_features(freesolv).graphs(range(5))
    with torch.no_grad():
        torch.testing.assert_close(model(graphs) * model.scale + model.mean, model.predict(graphs))


def test_deviations_grow_with_the_disagreement(fitted: CrossFitted, freesolv: MoleculeDataset) -> None:
    graphs = fitted.ensemble.with_features(freesolv).graphs(range(60))
    with torch.no_grad():
        members, others = fitted.ensemble.parts(graphs)
        _, deviation, vectors = fitted.ensemble.answer(graphs)
        np.testing.assert_allclose(vectors, fitted.ensemble.embed(graphs).numpy(), atol=1e-6)
    parts = np.stack([members.mean(axis=0), *others])[..., 0]
    weights = np.array(fitted.ensemble.spec.weights)
    gap = weights @ (parts - weights @ parts) ** 2
    assert (np.diff(deviation.ravel()[np.argsort(gap)]) >= -1e-9).all()
    errors = fitted.out_of_fold["ensemble"] - freesolv.targets
    unseen = fitted.ensemble.out_of_fold_deviations
    assert float(unseen.square().mean().sqrt()) == pytest.approx(float(np.sqrt((errors**2).mean())), rel=0.3)


def test_classes_with_missing_labels_and_several_targets() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((50, 3)) < 0.4).astype(float)
    labels[rng.random(labels.shape) < 0.3] = np.nan
    labels[4] = np.nan
    found = fit(table(labels, "classification"))
    assert 4 not in found.rows
    assert all(((values > 0) & (values < 1)).all() for values in found.out_of_fold.values())


def test_one_positive_in_all() -> None:
    labels = np.zeros((30, 1))
    labels[3] = 1
    found = fit(table(labels, "classification"))
    assert np.isfinite(found.out_of_fold["ensemble"]).all()


@pytest.mark.parametrize("labels", [np.full((30, 1), 2.5), np.tile([[0.0], [7.0]], (15, 1))], ids=["constant", "two"])
def test_labels_of_one_or_two_values_in_a_regression(labels: np.ndarray) -> None:
    found = fit(table(labels, "regression"))
    assert np.isfinite(found.out_of_fold["ensemble"]).all()
    assert np.abs(found.out_of_fold["ensemble"] - labels.mean()).max() < 10


def test_fewer_rows_than_folds() -> None:
    found = fit(table(np.arange(4.0)[:, None], "regression"), changed(SMALL, members=5))
    assert len(found.ensemble.members) == 4


@pytest.mark.parametrize("rows", [402, 639])
def test_members_have_the_same_number_of_epochs_if_folds_differ_in_size(rows: int) -> None:
    data = datasets.load("freesolv").subset(range(rows))
    recipe = changed(SMALL, members=5, features=(), partners=(), epochs=100)
    work = _Work.of(recipe, data, np.arange(rows), CPU)
    seen = {rows - len(fold) for fold in work.folds}
    assert len({epochs_for(count) for count in seen}) == 2  # a schedule for each fold would differ
    transforms = [LabelTransform.fit(work.kind, data.targets)] * 5
    jobs = [work._job(number, start(), transforms) for number in range(5)]
    assert len({job.schedule.epochs for job in jobs}) == 1


def test_a_single_labelled_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 labelled molecules cannot be split"):
        fit(table(np.array([[1.0]]), "regression"))


def test_a_table_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="no labels to finetune on"):
        fit(datasets.from_smiles(["CCO", "C", "CC"], cache=False))


def test_skewed_labels_are_transformed_where_that_scores_better() -> None:
    data = datasets.load("freesolv").subset(range(120))
    skewed = np.exp(2.0 * data.targets.astype(float))
    found = fit(table(skewed, "regression"))
    assert set(found.transforms_tried) == {"none", "log"}
    best = min(found.transforms_tried, key=lambda kind: found.transforms_tried[kind])
    assert found.transform == best == found.ensemble.spec.transforms[0].kind


def test_without_partners_and_features() -> None:
    data = datasets.load("freesolv").subset(range(30))
    found = fit(data, changed(SMALL, partners=(), features=(), readout="mean+scaled_sum"))
    assert list(found.out_of_fold) == ["graph", "ensemble"]
    assert found.ensemble.partners == ()
    graphs = found.ensemble.with_features(data).graphs([0, 1])
    prediction, deviation, _ = found.ensemble.answer(graphs)
    assert np.isfinite(prediction).all()
    assert (deviation > 0).all()


def test_no_partner_but_the_first_starts_after_the_time_limit(
    freesolv: MoleculeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = cross_fit(SMALL, start(), freesolv, np.arange(len(freesolv)), device=CPU, seconds=1e-3)
    assert list(found.out_of_fold) == ["graph", "trees", "ensemble"]
    left_out = "fingerprint_trees, torsion_trees, gaussian_process, linear, forest"
    assert f"ensemble: without {left_out}, because of the time limit" in caplog.messages
    again = Ensemble.from_state(found.ensemble.spec, found.ensemble.state_dict())
    graphs = again.with_features(freesolv).graphs(range(10))
    with torch.no_grad():
        assert torch.equal(again.predict(graphs), found.ensemble.predict(graphs))


def test_a_partner_of_weight_zero_is_not_in_the_model(freesolv: MoleculeDataset) -> None:
    """Nor does it change a prediction: an oracle of the labels among the features makes other partners useless."""
    data = freesolv.with_columns({"column:label": freesolv.targets})
    found = fit(data, changed(SMALL, features=("column:label",), label_transform="none"))
    names = [name for name, weight in zip(found.out_of_fold, found.weights, strict=False) if weight > 0]
    assert len(found.weights) - len(names) > 1
    assert [partner.spec.name for partner in found.ensemble.partners] == [name for name in names if name != "graph"]
    assert sum(found.ensemble.spec.weights) == pytest.approx(sum(found.weights)) == pytest.approx(1)
    graphs = found.ensemble.with_features(data).graphs(range(60))
    members, parts = found.ensemble.parts(graphs)
    shares = [weight for weight in found.weights[1:] if weight > 0]
    expected = found.weights[0] * members.mean(axis=0) + sum(
        weight * part for weight, part in zip(shares, parts, strict=True)
    )
    np.testing.assert_allclose(found.ensemble.predict(graphs).numpy(), expected, rtol=1e-5)


def test_the_interval_for_a_test_set_is_for_its_labelled_molecules(fitted: CrossFitted) -> None:
    whole = datasets.load("freesolv").subset(range(80))
    labels, test = whole.targets.astype(float), np.arange(60, 80)
    labels[77:] = np.nan
    data = datasets.from_smiles(list(whole.smiles), labels, task="regression", cache=False)
    found = estimate_of(fitted, data, test).cross_fitting["test"]
    expected = interval_elsewhere("rmse", labels[:60], fitted.out_of_fold["ensemble"], 17)
    assert found == {"rows": 17, "low": expected.low, "high": expected.high}
    assert estimate_of(fitted, data, test[17:]).cross_fitting["test"] == {}


def test_columns_of_the_table_are_read_and_needed() -> None:
    labels = np.linspace(0, 1, 30)[:, None]
    data = table(labels, "regression", **{"column:pH": labels * 3})
    found = fit(data, changed(SMALL, features=("column:pH",)))
    with pytest.raises(ConfigError, match="needs the column 'pH'"):
        found.ensemble.with_features(table(labels, "regression"))


def test_rows_without_weight_do_not_matter() -> None:
    labels = np.linspace(0, 1, 30)[:, None]
    weights = np.ones((30, 1), dtype=np.float32)
    weights[::2] = 0
    wrong = labels.copy()
    wrong[::2] = 1 - wrong[::2]
    wrong[::2] += 1e3
    good = fit(table(wrong, "regression", label_weight=weights), changed(SMALL, label_transform="none"))
    assert np.abs(good.out_of_fold["ensemble"][1::2] - labels[1::2]).max() < 2
    assert good.ensemble.mean.item() == pytest.approx(labels[1::2].mean(), rel=1e-5)


def test_a_molecule_whose_features_fail_is_predicted(fitted: CrossFitted) -> None:
    odd = datasets.from_smiles(["F[P-](F)(F)(F)(F)F", "[Na+].[Cl-]"], cache=False)
    graphs = fitted.ensemble.with_features(odd).graphs([0, 1])
    assert torch.isnan(graphs.columns["feature_descriptors"]).any()
    assert fitted.ensemble.predict(graphs).isfinite().all()


def test_rows_of_one_molecule_are_held_out_together() -> None:
    smiles = [text for text in datasets.load("freesolv").smiles[:15] for _ in range(2)]
    labels = np.random.default_rng(0).normal(size=(30, 1))
    data = datasets.from_smiles(smiles, labels, task="regression", duplicates="keep", cache=False)
    folds = _Work.of(SMALL, data, np.arange(30), CPU).folds
    assert [sorted(set((fold // 2).tolist())) for fold in folds] == [(fold[::2] // 2).tolist() for fold in folds]


@pytest.mark.usefixtures("two_cores")
def test_processes_agree_with_one_process(freesolv: MoleculeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = fit(freesolv)
    monkeypatch.setattr("molweight.ensemble._train_members._PARALLEL_FROM", 1)
    several = fit(freesolv)
    torch.set_num_threads(torch_threads)
    np.testing.assert_allclose(several.out_of_fold["graph"], alone.out_of_fold["graph"], rtol=1e-4)  # float32, trained


def test_classes_and_numbers_in_one_table() -> None:
    rng = np.random.default_rng(0)
    labels = np.stack([rng.random(60) < 0.4, rng.lognormal(3, 2, 60), rng.normal(size=60)], axis=1).astype(float)
    labels[rng.random(labels.shape) < 0.2] = np.nan
    found = fit(table(labels, "classification,regression,regression"))
    kinds = found.transform.split(",")
    assert kinds[0] == "class"
    assert kinds[2] == "none"
    assert all(((values[:, 0] > 0) & (values[:, 0] < 1)).all() for values in found.out_of_fold.values())
    graphs = found.ensemble.with_features(table(labels, "regression")).graphs(range(5))
    outputs, predicted = found.ensemble(graphs), found.ensemble.predict(graphs)
    torch.testing.assert_close(outputs[:, 0].sigmoid(), predicted[:, 0])
    torch.testing.assert_close((outputs * found.ensemble.scale + found.ensemble.mean)[:, 1:], predicted[:, 1:])


def test_each_endpoint_has_a_transform_of_its_own() -> None:
    sizes = np.array([len(text) for text in datasets.load("freesolv").smiles[:60]], dtype=float)
    labels = np.stack([np.exp(sizes / 2), sizes], axis=1)
    found = fit(table(labels, "regression"))
    assert found.transform == "log,none"
    assert set(found.transforms_tried) == {"none", "log"}
    parts = [found.out_of_fold[name] for name in list(found.out_of_fold)[:-1]]
    truth = labels.astype(np.float32).astype(np.float64)
    units = LabelTransform.fit("log,none", truth)
    expected = convex_weights([units.forward(part) for part in parts], units.forward(truth), shrinkage=0.2)
    np.testing.assert_allclose(found.weights, expected, atol=1e-6)


def test_three_nearly_equal_labels_of_one_target_do_not_decide_the_weights() -> None:
    freesolv = datasets.load("freesolv").subset(range(60))
    labels = np.full((60, 2), np.nan)
    labels[:, 0] = freesolv.targets[:, 0]
    labels[:3, 1] = 6.0, 6.01, 6.0
    found = fit(table(labels, "regression"), changed(SMALL, label_transform="none"))
    parts = [found.out_of_fold[name][:, :1] for name in list(found.out_of_fold)[:-1]]
    truth = labels[:, :1].astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(found.weights, convex_weights(parts, truth, shrinkage=0.2), atol=1e-6)


def test_a_fold_whose_labels_are_equal_predicts_this_label() -> None:
    labels = np.full((40, 2), 3.0)
    labels[:, 0] = datasets.load("freesolv").targets[:40, 0]
    labels[-1, 1] = 3.5
    data = table(labels, "regression")
    found = fit(data, changed(SMALL, label_transform="none"))
    odd = next(fold for fold in _Work.of(SMALL, data, np.arange(40), CPU).folds if 39 in fold)
    for name in set(found.out_of_fold) - {"ensemble"}:
        np.testing.assert_allclose(found.out_of_fold[name][odd, 1], 3.0, atol=0.01)


def test_several_classes_are_probabilities_that_sum_to_one() -> None:
    labels = np.eye(3)[np.random.default_rng(0).integers(3, size=60)]
    found = fit(table(labels, "multiclass"))
    for values in found.out_of_fold.values():
        np.testing.assert_allclose(values.sum(axis=1), 1.0)
    graphs = found.ensemble.with_features(table(labels, "multiclass")).graphs(range(5))
    np.testing.assert_allclose(found.ensemble.predict(graphs).sum(dim=1).numpy(), 1.0, rtol=1e-5)


def with_bounds() -> tuple[MoleculeDataset, MoleculeDataset, np.ndarray]:
    """FreeSolv with true but uninformative bounds in place of 119 labels, the original, and 200 rows for testing."""
    whole = datasets.load("freesolv").subset(range(640))
    rng = np.random.default_rng(0)
    test = np.sort(rng.permutation(640)[:200])
    train = np.setdiff1d(np.arange(640), test)
    at = rng.permutation(train[whole.targets[train, 0] < 0])[:119]
    signs = np.zeros((640, 1), dtype=np.int8)
    signs[at] = -1
    labels = np.where(signs == 0, whole.targets, 0).astype(float)
    smiles = list(whole.smiles)
    return datasets.from_smiles(smiles, labels, task="regression", bounds=signs, cache=False), whole, test


def errors(data: MoleculeDataset, name: str, rows: np.ndarray, test: MoleculeDataset, kind: str = "none") -> float:
    """RMSE of a partner on the test rows of the original."""
    fitted = _partner_data(data, name, rows).fit(name, kind)
    features = feature_matrix(test, partner_features(name, SMALL.features))
    return float(np.sqrt(((fitted.predict(features) - test.targets) ** 2).mean()))


def _partner_data(data: MoleculeDataset, name: str, rows: np.ndarray) -> PartnerData:
    return partner_data(changed(SMALL, partners=(name,)), data, rows, CPU, {})


@pytest.mark.parametrize("name", ["trees", "linear", "gaussian_process", "forest"])
def test_a_bound_that_says_little_does_no_harm(name: str) -> None:
    data, whole, test = with_bounds()
    rows = np.setdiff1d(np.arange(640), test)
    unbounded = data.with_columns({"label_bounds": np.zeros((640, 1), np.int8)})
    exact, bounded = (errors(part, name, rows, whole.subset(test)) for part in (unbounded, data))
    known = rows[data.columns["label_bounds"].ravel()[rows] == 0]
    assert bounded < 0.8 * exact
    assert bounded == pytest.approx(errors(data, name, known, whole.subset(test)), rel=0.1)


def test_bounds_that_the_first_fit_violates_are_learned() -> None:
    """Labels above -3 are known only to be so: exact labels alone would say that there are none."""
    whole = datasets.load("freesolv").subset(range(640))
    test, rows = np.arange(0, 640, 4), np.setdiff1d(np.arange(640), np.arange(0, 640, 4))
    signs = (whole.targets > -3).astype(np.int8)
    labels = np.where(signs == 0, whole.targets, -3).astype(float)
    data = datasets.from_smiles(list(whole.smiles), labels, task="regression", bounds=signs, cache=False)
    known = rows[signs[rows, 0] == 0]
    for name in ("trees", "linear", "forest"):
        assert errors(data, name, rows, whole.subset(test)) < errors(data, name, known, whole.subset(test)), name


def test_bounds_of_one_target_do_not_touch_another() -> None:
    labels = np.stack([np.linspace(1, 9, 80), np.random.default_rng(0).lognormal(0, 1, 80)], axis=1)
    signs = np.zeros((80, 2), dtype=np.int8)
    signs[::3, 1] = 1
    weights = np.tile([[1.0, 2.0]], (80, 1)).astype(np.float32)
    plain = table(labels, "regression", label_weight=weights)
    bounded = plain.with_columns({"label_bounds": signs})
    for name in ("trees", "linear"):
        one, other = (_partner_data(data, name, np.arange(80)) for data in (plain, bounded))
        folds = [np.arange(0, 40), np.arange(40, 80)]
        own, changed_by = (part.out_of_fold(name, "none,log", folds, 50) for part in (one, other))
        np.testing.assert_array_equal(own[:, 0], changed_by[:, 0])
        assert (own[:, 1] != changed_by[:, 1]).any()
    found = fit(bounded, changed(SMALL, label_transform="log"))
    assert np.isfinite(found.out_of_fold["ensemble"]).all()


def test_bounds_are_exact_labels_of_a_target_with_few_others() -> None:
    labels = np.linspace(1, 9, 40)[:, None]
    signs = np.ones((40, 1), dtype=np.int8)
    signs[:9] = 0
    plain = table(labels, "regression")
    features = feature_matrix(plain, SMALL.features)
    one, other = (
        _partner_data(data, "trees", np.arange(40)).fit("trees", "none").predict(features)
        for data in (plain, plain.with_columns({"label_bounds": signs}))
    )
    np.testing.assert_array_equal(one, other)
