"""Fixtures of the tests of tables and splits."""

from collections.abc import Callable
from pathlib import Path

import pytest

from molweight import datasets
from molweight.graphs import MoleculeDataset

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def table() -> Callable[[str], MoleculeDataset]:
    """Embedded tables by name, each featurised once."""
    loaded: dict[str, MoleculeDataset] = {}

    def load(name: str) -> MoleculeDataset:
        if name not in loaded:
            loaded[name] = datasets.load(name, n_jobs=1)
        return loaded[name]

    return load


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text or bytes to a file of its own."""

    def to_file(content: str | bytes, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file
