"""A small job that takes seconds."""

from pathlib import Path

import pytest

from molweight.datasets import Splits, load, load_corpus, split
from molweight.graphs import MoleculeDataset
from molweight.training import Run, TapWeight

SMALL = TapWeight(
    encoder_options={"layers": 2, "width": 16},
    general_steps=4,
    steps=6,
    every=2,
    batch_size=32,
    solve_batch_size=16,
    task_batch_size=32,
    meta_batch_size=32,
    epochs=3,
    device="cpu",
)


@pytest.fixture(scope="session")
def job() -> TapWeight:
    return SMALL


@pytest.fixture(scope="session")
def data() -> MoleculeDataset:
    return load("freesolv")


@pytest.fixture(scope="session")
def splits(data: MoleculeDataset) -> Splits:
    return split(data)


@pytest.fixture(scope="session")
def corpus() -> MoleculeDataset:
    return load_corpus("zinc", size=128)


@pytest.fixture(scope="session")
def run(job: TapWeight, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> Run:
    return job.fit(data, splits, corpus)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """General pretraining is not found there."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
