"""The same molecule in other words: the same graphs, features, roles and duplicates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight import datasets, encoders, features
from molweight.datasets.internal import groups_of
from molweight.encoders.internal import one_mask_for_all_rows
from molweight.graphs import MoleculeDataset, build_dataset

Written = dict[str, list[Any]]
"""Each molecule with its other spellings, see ``conftest.Spelling``."""
Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
SMALL = {"gatv2": {"heads": 2}, "gps": {"heads": 2, "walks": 3}}
SPLITS = [name for name in datasets.SPLITTERS.available() if name not in ("ogb", "column")]
"""All but that of a column, which needs one, and that of OGB, which looks at no molecule."""


def vectors(name: str, data: MoleculeDataset, dropout: float = 0.0) -> torch.Tensor:
    """Vectors of an untrained encoder, in float64: float32 sums differ by 1e-7 with the order of the atoms."""
    torch.manual_seed(0)
    encoder = encoders.create(name, layers=2, width=8, dropout=dropout, **SMALL.get(name, {})).double().eval()
    encoder.training = dropout > 0  # of the encoder alone: its norms keep their statistics
    with torch.no_grad(), one_mask_for_all_rows():
        return encoder(data.graphs(range(len(data))), seed=3).graphs


def dataset(smiles: list[str]) -> MoleculeDataset:
    data = build_dataset(smiles, np.arange(len(smiles)) % 3 / 2, task="regression", cache=False, n_jobs=1)
    assert data.rejects == []
    return data


def flat(written: Written) -> tuple[MoleculeDataset, list[int]]:
    """All texts as a dataset, and which of them is the molecule as it was first written."""
    texts = [[smiles, *(item.text for item in others)] for smiles, others in written.items()]
    starts = [sum(map(len, texts[:place])) for place, row in enumerate(texts) for _ in row]
    return dataset([text for row in texts for text in row]), starts


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("name", encoders.available())
def test_every_encoder_gives_one_vector(name: str, dropout: float, written: Written) -> None:
    data, starts = flat(written)
    found = vectors(name, data, dropout)
    worst = (found - found[starts]).abs().amax(1)
    assert worst.max() < 1e-9, [data.smiles[row] for row in worst.gt(1e-9).nonzero().ravel().tolist()]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("name", encoders.available())
def test_neighbours_and_order_in_the_batch_do_not_matter(name: str, dropout: float, molecules: list[str]) -> None:
    many = [*molecules, "C"]  # methane has no bonds, on which D-MPNN draws masks
    whole = vectors(name, dataset(many), dropout)
    assert dropout == 0 or not torch.allclose(whole, vectors(name, dataset(many)))
    for place, smiles in enumerate(many):
        torch.testing.assert_close(vectors(name, dataset([smiles]), dropout)[0], whole[place], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(vectors(name, dataset(many[::-1]), dropout).flip(0), whole, rtol=1e-9, atol=1e-9)


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


@pytest.fixture(scope="module")
def tables(written: Written, rewritten: dict[str, list[str]]) -> dict[str, MoleculeDataset]:
    """A table as it is, and with each row in other words, by what was done."""
    found = {"as it is": list(written)}
    for kind in rewritten.keys() - found:
        found[kind] = [first_text(items, kind) for items in written.values()]
    return {kind: dataset([*rows, *found[kind]]) for kind, rows in rewritten.items()}


def first_text(items: list[Any], kind: str) -> str:
    return str(next(item.text for item in items if item.kind == kind))


@pytest.mark.parametrize("method", [*SPLITS, "column"])
def test_every_split_puts_it_into_one_role(method: str, tables: dict[str, MoleculeDataset]) -> None:
    """All molecules are written in other words, row by row: each stays in its role."""
    given = {"given_role": np.arange(len(tables["as it is"])) % 4}
    roles = {kind: datasets.split(data.with_columns(given), method, seed=1).roles() for kind, data in tables.items()}
    for kind, found in roles.items():
        for role, positions in roles["as it is"].items():
            assert np.array_equal(np.sort(positions), np.sort(found[role])), (kind, role)


def test_duplicates_are_found_in_any_words(written: Written) -> None:
    data, starts = flat(written)
    assert datasets.audit(data, n_jobs=1).duplicates.extra == len(data) - len(written)
    assert [group.tolist() for group in groups_of(data)] == [
        [row for row, start in enumerate(starts) if start == first] for first in sorted(set(starts))
    ]


@pytest.mark.parametrize("how", ["mean", "median", "drop", "keep"])
def test_rows_of_a_file_are_one_molecule_in_any_words(how: Any, written: Written, tmp_path: Path) -> None:
    texts = [text for smiles, others in written.items() for text in (smiles, *(item.text for item in others))]
    rows = [f'"{text}",{place % 3}.5' for place, text in enumerate([*texts, "CCBr"])]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y", *rows]))
    data = datasets.from_file(tmp_path / "mine.csv", duplicates=how, cache=False, n_jobs=1)
    assert len(data) == {"keep": len(texts) + 1, "drop": 1}.get(how, len(written) + 1)


def test_molecules_of_a_corpus_are_known_in_any_words(written: Written) -> None:
    data, _ = flat(written)
    assert len(datasets.without(data, dataset(list(written)), same="molecule", n_jobs=1)) == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_and_chunks_do_not_matter(jobs: int, molecules: list[str]) -> None:
    many = molecules * 500
    data = build_dataset(many, cache=False, n_jobs=jobs)
    rows = np.random.default_rng(0).permutation(len(many))[:200]
    small = dataset([many[row] for row in rows])
    assert torch.equal(data.graphs(rows).x, small.graphs(range(200)).x)
    assert torch.equal(data.graphs(rows).edge_attr, small.graphs(range(200)).edge_attr)
