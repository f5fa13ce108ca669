"""Balance of rare classes: what is drawn and weighed, odds corrected, and what is left alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from molweight import datasets, encoders
from molweight.ensemble import Ensemble, Member
from molweight.ensemble._balance import Balance, has_rare_class, plain_odds
from molweight.ensemble._fit_member import TrainingSet, fit_member
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble.internal import EnsembleSpec, Recipe, Schedule, cross_fit, cross_folds
from molweight.graphs import MoleculeDataset
from molweight.seeding import seeded

CPU = torch.device("cpu")
ONE = np.array([True])


def rare(count: int = 200, positives: int = 12) -> np.ndarray:
    labels = np.zeros((count, 1))
    labels[:positives] = 1
    return labels


def test_both_classes_weigh_the_same() -> None:
    labels = rare()
    weights = Balance.of("weights", labels, ONE).label_weights(labels)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())


def test_half_of_what_is_drawn_is_rare() -> None:
    labels, rows = rare(2000, 60), np.arange(2000)
    drawn = Balance.of("batches", labels, ONE).draw(rows, labels, np.random.default_rng(0))
    assert len(drawn) == 2000
    assert labels[drawn].mean() == pytest.approx(0.5, abs=0.05)


def test_frequent_classes_and_numbers_are_left_alone() -> None:
    labels = np.stack([np.arange(100) % 2, np.arange(100) > 97, np.zeros(100)], axis=1).astype(float)
    for kind in ("none", "weights", "batches", "focal"):
        balance = Balance.of(kind, labels[:, [0, 2]], np.array([True, True]))
        np.testing.assert_array_equal(balance.label_weights(labels[:, [0, 2]]), 1)
        drawn = balance.draw(np.arange(100), labels[:, [0, 2]], np.random.default_rng(0))
        assert sorted(drawn.tolist()) == list(range(100))
    assert not has_rare_class(labels, np.array([True, False, True]))
    assert has_rare_class(labels, np.array([True, True, True]))


@pytest.mark.parametrize("kind", ["weights", "batches"])
def test_the_correction_of_odds_is_exact_for_a_constant(kind: str) -> None:
    labels = rare()
    balance = Balance.of(kind, labels, ONE)
    weights = balance.label_weights(labels)
    fitted = np.full((200, 1), (weights * labels).sum() / weights.sum())  # the best constant of the weighted log-loss
    np.testing.assert_allclose(plain_odds(fitted, balance.odds(labels)), labels.mean())


def test_negatives_can_be_the_rare_class() -> None:
    labels = 1 - rare()
    balance = Balance.of("weights", labels, ONE)
    weights = balance.label_weights(labels)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
    assert balance.odds(labels)[0] < 1


@pytest.mark.parametrize("kind", ["none", "weights", "batches", "focal"])
def test_members_predict_the_base_rate_whatever_the_balance(kind: str) -> None:
    """Members without graph information that helps: the mean probability is the share of positives."""
    labels = rare(150, 10)[np.random.default_rng(0).permutation(150)]
    data = datasets.load("freesolv").subset(range(150))
    with seeded(0):
        member = Member(encoders.create("gin", layers=1, width=8), 1, hidden=8, dropout=0.0)
    training = TrainingSet(
        data,
        torch.zeros(150, 0),
        torch.from_numpy(labels).float(),
        "classification",
        balance=Balance.of(kind, labels, ONE),
    )
    curve = fit_member(member, training, np.arange(150), Schedule(40, lr=1e-2), seed=0, device=CPU)
    with torch.no_grad():
        mean = member(data.graphs(range(150), CPU), training.features).sigmoid().mean().item()
    assert curve[-1] < curve[0]
    assert mean == pytest.approx(10 / 150, abs=0.06 if kind != "focal" else 0.25)


def partner_data(table: MoleculeDataset, labels: np.ndarray, **changes: Any) -> PartnerData:
    rng = np.random.default_rng(0)
    matrix = np.column_stack([labels[:, 0] + rng.normal(0, 1, len(labels)), rng.normal(0, 1, len(labels))])
    settings = {"weights": None, "task": "classification", "absolute": False, "seed": 0, **changes}
    return PartnerData({"trees": ("descriptors",)}, {"trees": matrix}, labels, **settings)


def test_trees_with_weights_keep_their_probabilities() -> None:
    labels = rare(400, 30)[np.random.default_rng(0).permutation(400)]
    table = datasets.load("freesolv")
    folds = cross_folds(labels, 4, np.random.default_rng(0))
    plain = partner_data(table, labels).out_of_fold("trees", "class", folds, 60)
    weighed = partner_data(table, labels, balance="weights").out_of_fold("trees", "class", folds, 60)
    assert not np.allclose(plain, weighed)
    assert weighed.mean() == pytest.approx(labels.mean(), rel=0.6)
    assert (partner_data(table, labels, balance="focal").out_of_fold("trees", "class", folds, 60) == plain).all()


def test_balance_is_chosen_out_of_fold_and_only_where_a_class_is_rare() -> None:
    labels = rare(400, 30)[np.random.default_rng(0).permutation(400)]
    table = datasets.load("freesolv")
    folds = cross_folds(labels, 4, np.random.default_rng(0))
    chosen, tried = partner_data(table, labels).choose_balance(folds, "ap", labels)
    assert set(tried) == {"none", "weights"}
    assert chosen == ("weights" if tried["weights"] > tried["none"] + 0.005 else "none")
    half = (np.arange(400) % 2).astype(float)[:, None]
    assert partner_data(table, half).choose_balance(folds, "ap", half) == ("none", {})


def test_boosted_trees_judge_the_balance_whatever_the_order_of_the_partners() -> None:
    labels = rare(400, 30)[np.random.default_rng(0).permutation(400)]
    folds = cross_folds(labels, 4, np.random.default_rng(0))
    alone = partner_data(datasets.load("freesolv"), labels)
    matrix, sets = alone.matrices["trees"], ("descriptors",)
    first = replace(alone, features={"linear": sets, "trees": sets}, matrices={"linear": matrix, "trees": matrix})
    assert first.choose_balance(folds, "ap", labels) == alone.choose_balance(folds, "ap", labels)
    none = replace(alone, features={"linear": sets}, matrices={"linear": matrix})
    assert none.choose_balance(folds, "ap", labels) == ("none", {})


@pytest.mark.parametrize("kind", ["weights", "batches", "focal"])
def test_an_ensemble_with_balance_goes_through_its_state(kind: Any) -> None:
    smiles = list(datasets.load("freesolv").smiles[:60])
    labels = rare(60, 4)
    data = datasets.from_smiles(smiles, labels, task="classification", cache=False)
    shape: dict[str, Any] = {"layers": 1, "width": 8}
    partners = ("trees",)
    recipe = Recipe(
        "gin",
        shape,
        members=2,
        features=("descriptors",),
        partners=partners,
        epochs=1,
        hidden=8,
        class_balance=kind,
    )
    with seeded(0):
        encoder = encoders.create("gin", **shape)
    found = cross_fit(recipe, encoder, data, np.arange(60), device=CPU)
    assert found.balance == kind
    again = Ensemble.from_state(EnsembleSpec.from_json(found.ensemble.spec.to_json()), found.ensemble.state_dict())
    known = found.ensemble.with_features(data)
    graphs = known.graphs(range(20), CPU)
    torch.testing.assert_close(again.predict(graphs), found.ensemble.predict(graphs))
