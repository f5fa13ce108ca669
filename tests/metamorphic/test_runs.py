"""The same molecule in other words: the same answers of a trained model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from molweight import datasets, fit
from molweight.ensemble import Ensemble
from molweight.estimators import MoleculeEmbedder
from molweight.options import Job
from molweight.runs import Run

Written = dict[str, list[Any]]
"""Each molecule with its other spellings, see ``conftest.Spelling``."""
CLOSE = 1e-5
"""Runs compute in float32, in which sums differ by some 1e-7 with the order of the atoms."""


@pytest.fixture(scope="module", params=["gin_zinc", "pretrain", "ensemble"])
def run(request: pytest.FixtureRequest) -> Run:
    """A model from the shipped encoder, an own one with dropout, and an ensemble with trees, as ``fit`` makes it."""
    job = Job(steps=2, epochs=2, batch_size=16, device="cpu")
    if request.param == "ensemble":
        job = replace(job, members=2)
    if request.param == "pretrain":
        job = replace(
            job, init="pretrain", encoder_options={"layers": 2, "width": 16, "dropout": 0.2}, pretrain_steps=2
        )
    data = datasets.load("freesolv").subset(range(150))
    return fit(job, data, datasets.split(data, "random"))


def texts(written: Written) -> tuple[list[str], np.ndarray]:
    rows = [[smiles, *(item.text for item in others)] for smiles, others in written.items()]
    sizes = np.array([len(row) for row in rows])
    return [text for row in rows for text in row], np.repeat(np.cumsum(sizes) - sizes, sizes)


def test_predict(run: Run, written: Written) -> None:
    smiles, first = texts(written)
    found = run.predict(smiles)
    assert np.isfinite(found).all()
    assert np.abs(found - found[first]).max() < CLOSE
    assert np.ptp(found[np.unique(first)]) > 1e-3


def test_predict_by_order_and_size_of_the_batch(run: Run, molecules: list[str]) -> None:
    whole = run.predict(molecules)
    assert np.abs(run.predict(molecules[::-1])[::-1] - whole).max() < CLOSE
    assert np.abs(np.concatenate([run.predict([text]) for text in molecules]) - whole).max() < CLOSE
    many = np.abs(run.predict(molecules * 60).reshape(60, len(molecules), -1) - whole)
    assert many.max() < CLOSE, "more than one batch"


def test_embed(run: Run, written: Written) -> None:
    smiles, first = texts(written)
    found = run.embed(smiles)
    assert np.abs(found - found[first]).max() < CLOSE


def test_uncertainty(run: Run, written: Written) -> None:
    smiles, first = texts(written)
    if isinstance(run.model, Ensemble):
        found = run.uncertainty(smiles)
        assert np.abs(found.prediction - found.prediction[first]).max() < CLOSE
        assert np.abs(found.deviation - found.deviation[first]).max() < CLOSE
        return
    if "dropout" not in run.options["encoder_options"]:
        return
    found = run.uncertainty(smiles, samples=200)
    assert np.abs(found.prediction - found.prediction[first]).max() < CLOSE
    ratio = found.deviation / found.deviation[first]
    assert 0.6 < ratio.min() <= ratio.max() < 1.6, "masks are drawn per row: equal up to sampling"


def test_explain(run: Run, written: Written) -> None:
    for smiles, others in list(written.items())[:5]:
        known = [item for item in others if item.atoms is not None]
        first, *rest = run.attribute([smiles, *(item.text for item in known)], pairs=3)
        assert first is not None
        for item, found in zip(known, rest, strict=True):
            assert found is not None
            assert item.atoms is not None
            assert np.abs(found.atoms - first.atoms[item.atoms]).max() < 10 * CLOSE, (smiles, item.text)
            assert np.abs(found.errors - first.errors[item.atoms]).max() < 10 * CLOSE


def test_estimators(written: Written) -> None:
    smiles, first = texts(written)
    found = MoleculeEmbedder(device="cpu").fit(list(written)).transform(smiles)
    assert np.abs(found - found[first]).max() < CLOSE
