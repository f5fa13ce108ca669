"""Ranges hold the label as often as they say; the domain is that of the training molecules."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molweight import Job, datasets, fit
from molweight.datasets import Splits
from molweight.ensemble import BoostedTrees
from molweight.errors import ConfigError, DataError, OptionError
from molweight.features import feature_matrix
from molweight.runs import load
from molweight.runs._assess import needed
from molweight.runs._conformal import Conformal
from molweight.runs._reference import Reference, fingerprints, nearest_similarity

SMALL: dict[str, Any] = {
    "init": "scratch",
    "weighting": "none",
    "encoder_options": {"layers": 1, "width": 8},
    "epochs": 1,
    "device": "cpu",
}
LEVELS = (0.5, 0.8, 0.9, 0.95)


@pytest.mark.parametrize("level", LEVELS)
def test_ranges_of_numbers_cover_and_are_wider_where_errors_are_larger(level: float) -> None:
    rng = np.random.default_rng(0)
    deviation, similarity = rng.uniform(0.5, 2.0, (4000, 1)), rng.uniform(0.2, 1.0, 4000)
    size = np.sqrt(deviation**2 + 4 * (1 - similarity[:, None]) ** 2)
    labels = rng.standard_t(4, (4000, 1)) * size
    made = np.zeros((4000, 1))
    half = slice(0, 2000)
    found = Conformal.fit(labels[half], made[half], deviation[half], similarity[half], [False])
    ends = found.intervals(made[2000:], deviation[2000:], similarity[2000:], level=level)
    inside = (ends.lower <= labels[2000:]) & (labels[2000:] <= ends.upper)
    assert inside.mean() == pytest.approx(level, abs=0.03)
    wide = size[2000:] > np.median(size)
    assert inside[wide].mean() == pytest.approx(level, abs=0.05)  # not only on average
    assert (ends.upper - ends.lower)[wide].mean() > 1.3 * (ends.upper - ends.lower)[~wide].mean()


@pytest.mark.parametrize("level", LEVELS)
def test_sets_of_classes_hold_the_rare_class_as_often_as_the_frequent_one(level: float) -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((6000, 1)) < 0.1).astype(float)
    made = 1 / (1 + np.exp(-(rng.normal(size=(6000, 1)) + 2 * truth - 2)))
    nothing, half = np.zeros((6000, 1)), slice(0, 3000)
    found = Conformal.fit(truth[half], made[half], nothing[half], np.ones(3000), [True])
    ends = found.intervals(made[3000:], nothing[3000:], np.ones(3000), level=level)
    held = (ends.lower <= truth[3000:]) & (truth[3000:] <= ends.upper)
    for label in (0, 1):
        share = held[truth[3000:] == label].mean()
        assert share >= level - 0.05
        if level >= 0.9:  # below, the sets would be empty for some molecules, and hold the likelier class
            assert share <= level + 0.03
    assert np.isin(ends.lower, (0, 1)).all()
    assert (ends.lower <= ends.upper).all()


@pytest.mark.parametrize("name", ["freesolv", "esol"])
def test_real_rows_that_were_held_out_are_covered(name: str) -> None:
    data = datasets.load(name)
    order = np.random.default_rng(2).permutation(len(data))
    train, test = order[: int(0.7 * len(data))], order[int(0.7 * len(data)) :]
    features, labels = feature_matrix(data, ["descriptors"]), data.targets.astype(float)
    made = np.zeros((len(train), 1))
    for fold in np.array_split(np.arange(len(train)), 5):
        rest = np.delete(train, fold)
        made[fold] = BoostedTrees.fit(features[rest], labels[rest], "regression", seed=0, rounds=60).predict(
            features[train[fold]]
        )
    bits, nothing = fingerprints(data), np.zeros((len(data), 1))
    near = nearest_similarity(bits[train], bits[train], np.arange(len(train)))
    found = Conformal.fit(labels[train], made, nothing[train], near, [False])
    whole = BoostedTrees.fit(features[train], labels[train], "regression", seed=0, rounds=60).predict(features[test])
    ends = found.intervals(whole, nothing[test], nearest_similarity(bits[test], bits[train]), level=0.9)
    held = ((ends.lower <= labels[test]) & (labels[test] <= ends.upper)).mean()
    assert 0.84 <= held <= 0.97
    assert (ends.upper - ends.lower).mean() < 0.9 * (np.quantile(labels, 0.95) - np.quantile(labels, 0.05))


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e6])
def test_intervals_follow_the_unit_of_the_labels(unit: float) -> None:
    rng = np.random.default_rng(0)
    deviation, similarity = rng.uniform(0.5, 2, (300, 1)), rng.uniform(size=300)
    labels, made = rng.normal(size=(300, 1)) * deviation, np.zeros((300, 1))
    widths = [
        Conformal.fit(labels * size, made, deviation * size, similarity, [False])
        .intervals(made, deviation * size, similarity, level=0.9)
        .upper
        / size
        for size in (1.0, unit)
    ]
    np.testing.assert_allclose(widths[1], widths[0], rtol=1e-5)


def test_levels_that_too_few_rows_support_are_infinite() -> None:
    zeros = np.zeros((9, 1))
    found = Conformal.fit(np.arange(9.0)[:, None], zeros, zeros, zeros[:, 0], [False])
    ends = found.intervals(zeros[:1], zeros[:1], zeros[:1, 0], level=0.9)
    assert np.isfinite(ends.upper).all()
    assert np.isinf(found.intervals(zeros[:1], zeros[:1], zeros[:1, 0], level=0.95).upper).all()
    with pytest.raises(OptionError, match="must be between 0 and 1"):
        found.intervals(zeros[:1], zeros[:1], zeros[:1, 0], level=1.0)


def test_similarity_is_that_of_rdkit() -> None:
    data = datasets.load("freesolv").subset(range(120))
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    theirs = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in data.smiles]
    bits = fingerprints(data)
    expected = [max(DataStructs.BulkTanimotoSimilarity(one, theirs[60:])) for one in theirs[:60]]
    np.testing.assert_allclose(nearest_similarity(bits[:60], bits[60:]), expected, atol=1e-6)
    assert (nearest_similarity(bits, bits) == 1).all()
    assert (nearest_similarity(bits[:3], bits[:0]) == 0).all()


def test_the_domain_leaves_strangers_outside() -> None:
    data = datasets.load("freesolv")
    bits, vectors = fingerprints(data), feature_matrix(data, ["functional_groups"]).reshape(len(data), -1)
    reference = Reference.of(bits, vectors, None)
    assert reference.locate(bits, vectors).inside.mean() > 0.9
    strange = datasets.from_smiles(["C[Si](C)(C)O[Si](C)(C)C", "O=C1c2ccccc2C(=O)c2c1ccc1c2[nH]c2ccc3ccccc3c21"])
    place = reference.locate(fingerprints(strange), feature_matrix(strange, ["functional_groups"]).reshape(2, -1))
    assert not place.inside.any()


def test_replicates_are_no_neighbours_of_each_other() -> None:
    table = datasets.load("freesolv").subset(range(70))
    known, new = list(table.smiles)[:60], list(table.smiles)[60:]
    labels = [*table.targets[:60], *(table.targets[:60] + 0.1)]
    once, twice = (datasets.from_smiles(known * n, labels[: 60 * n], duplicates="keep", cache=False) for n in (1, 2))
    job = Job(**SMALL, members=2, partners=["linear"], features=["descriptors"])
    one, two = fit(job, once), fit(job, twice)
    limits = [needed(run._calibrated()).reference for run in (one, two)]
    np.testing.assert_array_equal(limits[1].bits, limits[0].bits)
    assert limits[1].least_similarity == limits[0].least_similarity < 0.9
    assert limits[1].most_distance > 0
    np.testing.assert_array_equal(two.domain(new).similarity, one.domain(new).similarity)
    assert two.domain(new).inside.sum() >= 5
    near = needed(two._calibrated()).conformal.sizes
    assert near[0, 2] > 0  # the distance counts


def test_a_role_with_replicates_of_training_molecules_is_calibrated_on_the_others() -> None:
    smiles = list(datasets.load("freesolv").smiles)[:60]
    data = datasets.from_smiles(smiles + smiles[:30], np.arange(90.0) % 7, duplicates="keep", cache=False)
    train, meta, select, test = np.split(np.arange(90), [40, 50, 90])
    run = fit(Job(**SMALL, members=1), data, Splits(train, meta, select, test, "own", "own", "four-role"))
    found = needed(run._calibrated())
    assert found.conformal.scores.shape[1] == 10  # rows 60 to 89 repeat molecules of train
    assert found.reference.least_similarity < 0.9


def test_a_run_keeps_what_intervals_and_domain_take(run_folder: Path) -> None:
    run = load(run_folder)
    smiles = ["CCO", "not a molecule", "CCCCCO"]
    found = run.assess(smiles, level=0.5)
    np.testing.assert_array_equal(found.prediction, run.predict(smiles))
    assert np.isnan(found.intervals.lower[1]).all()
    assert (found.intervals.lower[[0, 2]] <= found.prediction[[0, 2]]).all()
    assert found.domain.similarity[[0, 2]].min() > 0
    assert not found.domain.inside[1]
    np.testing.assert_array_equal(run.intervals(smiles, 0.5).upper, found.intervals.upper)
    np.testing.assert_array_equal(run.domain(smiles).similarity, found.domain.similarity)
    content = (run_folder / "calibration.safetensors").read_bytes()
    (run_folder / "calibration.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=r"calibration\.safetensors"):
        load(run_folder)
    (run_folder / "calibration.safetensors").unlink()
    alone = load(run_folder)
    np.testing.assert_array_equal(alone.predict(smiles), found.prediction)
    with pytest.raises(ConfigError, match="has no calibration"):
        alone.intervals(smiles)
