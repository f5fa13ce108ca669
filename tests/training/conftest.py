"""A small job that takes seconds."""

from pathlib import Path

import pytest

from molweight.datasets import Splits, load, load_corpus, split
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run
from molweight.training import fit

SMALL = Job(
    encoder_options={"layers": 2, "width": 16},
    pretrain_steps=4,
    steps=6,
    hypergradient_interval=2,
    batch_size=32,
    solve_batch_size=16,
    task_batch_size=32,
    meta_batch_size=32,
    epochs=3,
    device="cpu",
)


@pytest.fixture(scope="session")
def job() -> Job:
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
def run(job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> Run:
    return fit(job, data, splits, corpus)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generic pretraining is not found there."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
