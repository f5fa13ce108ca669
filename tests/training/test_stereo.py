"""The choice of features goes with the run, from the first batch to the last prediction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molweight import datasets, fit, load
from molweight.errors import ConfigError
from molweight.estimators import MoleculeEmbedder
from molweight.graphs import Featuriser, build_dataset
from molweight.options import Job
from molweight.runs import Run
from molweight.runs._seen import trained_keys
from molweight.training.internal import with_stereo

TINY = Job(
    encoder_options={"layers": 2, "width": 8},
    pretrain_steps=1,
    steps=1,
    epochs=1,
    batch_size=16,
    objectives=["attribute_masking"],
    device="cpu",
)
HANDS = ["N[C@@H](C)C(=O)O", "N[C@H](C)C(=O)O"]
SPELLINGS = ["N[C@@H](C)C(=O)O", "C[C@H](N)C(=O)O", "OC(=O)[C@H](C)N", "[H]N([H])[C@@]([H])(C)C(=O)O"]


def run_of(folder: Path, job: Job = TINY, featuriser: Featuriser | None = None) -> Run:
    data = datasets.load("freesolv").subset(range(120)).with_featuriser(featuriser or Featuriser())
    fit(job, data, datasets.split(data, "random")).save(folder)
    return load(folder)


def test_a_run_that_ignores_stereochemistry(tmp_path: Path) -> None:
    run = run_of(tmp_path, replace(TINY, stereo="ignore"))
    assert run.featuriser == Featuriser(stereo="ignore")
    left, right = run.predict(HANDS)
    assert left == right
    assert "without stereochemistry" in (tmp_path / "README.md").read_text()


def told(run: Run, smiles: list[str]) -> list[bool] | None:
    found = run.seen(smiles)
    return None if found is None else found.tolist()


def test_the_other_hand_counts_as_seen_if_hands_are_not_told_apart(tmp_path: Path) -> None:
    smiles = [f"C[C@H]({group}){'C' * n}CC" for group in ("O", "N", "F", "Cl") for n in (1, 2, 3)]
    data = datasets.from_smiles(smiles, np.arange(12.0), cache=False)
    both = [smiles[0], smiles[0].replace("@H", "@@H"), smiles[0].replace("@H", "H"), "CCO"]
    splits = datasets.split(data, "none")
    for stereo, expected in (("ignore", [True, True, True, False]), ("use", [True, False, False, False])):
        run = fit(replace(TINY, stereo=stereo), data, splits)
        assert told(run, both) == expected
        run.save(tmp_path / stereo)
        assert told(load(tmp_path / stereo), both) == expected
    earlier = load(tmp_path / "ignore")
    earlier.keep_seen(trained_keys(data, splits))  # versions before kept keys with stereochemistry
    assert told(earlier, both[:1]) == [True]


def test_a_run_tells_hands_apart_and_not_spellings(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert run.featuriser == Featuriser()
    left, right = run.predict(HANDS)
    assert abs(left - right) > 1e-6
    assert np.ptp(run.predict(SPELLINGS)) < 1e-5


def test_a_run_on_ogb_features_goes_on_reading_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = run_of(tmp_path, featuriser=Featuriser("ogb"))
    warning = "OGB's features, whose stereo tags depend on the order of the atoms"
    assert caplog.text.count(warning) == 1
    caplog.clear()
    assert with_stereo(TINY, build_dataset(["CCO"], featuriser=Featuriser("ogb"), cache=False))
    assert warning not in caplog.text, "a table without marks has nothing to warn of"
    assert run.featuriser == Featuriser("ogb")
    assert np.ptp(run.predict(SPELLINGS)) > 1e-6, "which is why they are not the default"


def test_other_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="stereo='ignor' is unknown; did you mean 'ignore'"):
        Job(stereo="ignor")


def test_estimators_take_the_option() -> None:
    both = MoleculeEmbedder(device="cpu", stereo="ignore").fit([*HANDS, "CCO"]).transform(HANDS)
    assert np.array_equal(both[0], both[1])
    both = MoleculeEmbedder(device="cpu").fit([*HANDS, "CCO"]).transform(SPELLINGS)
    assert np.ptp(both, axis=0).max() < 1e-5


def test_nothing_is_changed_unasked() -> None:
    data = build_dataset(HANDS, cache=False)
    assert with_stereo(Job(), data) is data
