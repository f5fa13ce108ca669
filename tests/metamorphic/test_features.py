"""The same molecule in other words: the same graphs, features, roles and duplicates."""

from typing import Any

import numpy as np
import pytest
import torch

from molweight import datasets, encoders, features
from molweight.graphs import MoleculeDataset, build_dataset

Written = dict[str, list[Any]]
"""Each molecule with its other spellings, see ``conftest.Spelling``."""
Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
SMALL = {"gatv2": {"heads": 2}, "gps": {"heads": 2, "walks": 3}}
SPLITS = [name for name in datasets.SPLITTERS.available() if name not in ("ogb", "column")]
"""Those that need no column or file of their own."""


def vectors(name: str, data: MoleculeDataset) -> torch.Tensor:
    """Vectors of an untrained encoder, in float64: float32 sums differ by 1e-7 with the order of the atoms."""
    torch.manual_seed(0)
    encoder = encoders.create(name, layers=2, width=8, **SMALL.get(name, {})).double().eval()
    with torch.no_grad():
        return encoder(data.graphs(range(len(data)))).graphs


def dataset(smiles: list[str]) -> MoleculeDataset:
    data = build_dataset(smiles, np.arange(len(smiles)) % 3 / 2, task="regression", cache=False, n_jobs=1)
    assert data.rejects == []
    return data


def flat(written: Written) -> tuple[MoleculeDataset, list[int]]:
    """All texts as a dataset, and which of them is the molecule as it was first written."""
    texts = [[smiles, *(item.text for item in others)] for smiles, others in written.items()]
    starts = [sum(map(len, texts[:place])) for place, row in enumerate(texts) for _ in row]
    return dataset([text for row in texts for text in row]), starts


@pytest.mark.parametrize("name", encoders.available())
def test_every_encoder_gives_one_vector(name: str, written: Written) -> None:
    data, starts = flat(written)
    found = vectors(name, data)
    worst = (found - found[starts]).abs().amax(1)
    assert worst.max() < 1e-9, [data.smiles[row] for row in worst.gt(1e-9).nonzero().ravel().tolist()]


@pytest.mark.parametrize("name", encoders.available())
def test_neighbours_and_order_in_the_batch_do_not_matter(name: str, molecules: list[str]) -> None:
    data = dataset(molecules)
    whole = vectors(name, data)
    for place, smiles in enumerate(molecules):
        torch.testing.assert_close(vectors(name, dataset([smiles]))[0], whole[place], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(vectors(name, dataset(molecules[::-1])).flip(0), whole, rtol=1e-9, atol=1e-9)


def test_a_drawing_is_the_same_molecule(sd_file: str, molecules: list[str]) -> None:
    drawn = datasets.load_corpus(sd_file, cache=False)
    torch.testing.assert_close(vectors("gin", drawn), vectors("gin", dataset(molecules)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", features.available())
def test_every_feature_set_gives_one_vector(name: str, written: Written) -> None:
    data, starts = flat(written)
    found = features.feature_matrix(data, [name]).astype(np.float64)
    scale = np.maximum(np.nanmax(np.abs(found), axis=0), 1)
    off = np.abs(found - found[starts]) / scale
    assert (np.isnan(found) == np.isnan(found[starts])).all()
    assert np.nanmax(off) < 1e-5, np.unique(np.nonzero(off > 1e-5)[1]).tolist()


@pytest.mark.parametrize("method", SPLITS)
def test_every_split_puts_it_into_one_role(method: str, written: Written) -> None:
    """All molecules are written in other words, row by row: each stays in its role."""
    table = datasets.load("esol").subset(range(200))
    mapped = [next(item.text for item in others if item.kind == "maps") for others in written.values()]
    plain, other = dataset([*table.smiles, *written]), dataset([*table.smiles, *mapped])
    first, second = (datasets.split(data, method, seed=1).roles() for data in (plain, other))
    for role, positions in first.items():
        assert np.array_equal(np.sort(positions), np.sort(second[role])), role


def test_duplicates_are_found_in_any_words(written: Written) -> None:
    for smiles, others in written.items():
        found = datasets.audit(dataset([smiles, *(item.text for item in others)]), n_jobs=1)
        assert found.duplicates.extra == len(others), smiles


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_and_chunks_do_not_matter(jobs: int, molecules: list[str]) -> None:
    many = molecules * 1000
    data = build_dataset(many, cache=False, n_jobs=jobs)
    rows = np.random.default_rng(0).permutation(len(many))[:200]
    small = dataset([many[row] for row in rows])
    assert torch.equal(data.graphs(rows).x, small.graphs(range(200)).x)
    assert torch.equal(data.graphs(rows).edge_attr, small.graphs(range(200)).edge_attr)
