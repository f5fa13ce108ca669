"""The same molecule in several rows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from molweight.datasets import from_file, from_smiles
from molweight.datasets._replicates import Measurements, groups_of, merge
from molweight.datasets.internal import shared_molecules
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset

Write = Callable[..., Path]

ROWS = "OCC,1.0\nCCO,2.0\nC(C)O,6.0\nC[C@H](N)C(=O)O,3.0\nC[C@@H](N)C(=O)O,5.0\nc1ccccc1,7.0\nC1=CC=CC=C1,8.0\nCC,4\n"


def read(path: Path, **options: object) -> MoleculeDataset:
    return from_file(path, cache=False, n_jobs=1, **options)  # type: ignore[arg-type]  # options are under test


def test_measurements_are_averaged_by_default_and_enantiomers_are_two(write: Write) -> None:
    data = read(write(f"smiles,y\n{ROWS}"))
    assert data.rows.tolist() == [0, 3, 4, 5, 7]
    assert data.targets.ravel().tolist() == [3, 3, 5, 7.5, 4]
    assert (
        "2 molecules occur more than once, in 5 of 8 rows, and their labels are averaged: 5 different" in data.notes[0]
    )
    assert "labels of 1 of these molecules differ by more than half the standard deviation" in data.notes[1]
    assert "e.g. rows 2, 3, 4" in data.notes[1]


@pytest.mark.parametrize(
    ("how", "values"),
    [("median", [2, 3, 5, 7.5, 4]), ("drop", [3, 5, 4]), ("keep", [1, 2, 6, 3, 5, 7, 8, 4])],
)
def test_other_ways(how: str, values: list[float], write: Write) -> None:
    data = read(write(f"smiles,y\n{ROWS}"), duplicates=how)
    assert data.targets.ravel().tolist() == values
    assert f"duplicates={how!r}" in data.notes[0]


def test_classes_go_by_the_majority_and_a_tie_is_no_label(write: Write) -> None:
    data = read(write("smiles,y\nOCC,1\nCCO,1\nC(C)O,0\nCN,0\nNC,1\nCC,0\nCCC,1\n"))
    assert np.nan_to_num(data.targets.ravel(), nan=-1).tolist() == [1, -1, 0, 1]
    assert (
        "labels of 2 of these molecules have both classes (the majority is used; ties are treated as missing)"
        in data.notes[1]
    )
    assert data.notes[1].endswith(", e.g. rows 2, 3, 4; 5, 6")


def test_bounds_count_where_nothing_is_exact(write: Write) -> None:
    data = read(write("smiles,y\nOCC,>5\nCCO,>7\nCN,>5\nNC,6\nCC,<3\nC-C,>1\nCCC,2\n"))
    assert np.nan_to_num(data.targets.ravel(), nan=-1).tolist() == [7, 6, -1, 2]
    assert data.columns["label_bounds"].ravel().tolist() == [1, 0, 0, 0]


def test_weights_of_the_rows_of_a_molecule_add_up(write: Write) -> None:
    data = read(write("smiles,y,w\nOCC,1,2\nCCO,3,3\nCC,2,1\n"), targets="y", sample_weight="w")
    assert data.columns["label_weight"].ravel().tolist() == [5, 1]


@pytest.mark.parametrize(
    ("how", "rows", "label"),
    [
        ("mean", [(9, 0.01), (5, 1)], (0.01 * 9 + 5) / 1.01),
        ("median", [(9, 1), (5, 1), (1, 3)], 1),
        ("median", [(9, 0.1), (5, 0.2), (1, 0.3)], 3),  # half of the weight on either side of 1 to 5
        ("median", [(9, 2), (5, 2), (1, 2), (2, 2)], 3.5),
        ("mean", [(1, 3), (0, 1), (0, 1)], 1),
        ("mean", [(1, 0.3), (0, 0.1), (0, 0.2)], None),
        ("median", [(1, 0.5), (0, 0.1), (0, 0.2)], 1),
    ],
)
def test_labels_of_a_molecule_are_combined_with_their_weights(
    how: str, rows: list[tuple[float, float]], label: float | None, write: Write
) -> None:
    classes = all(y in (0, 1) for y, _ in rows)
    others = "CC,0,1\nCCC,1,1\n" if classes else "CC,0.5,1\nCCC,1.5,1\n"
    text = "".join(f"{'OCC' if place % 2 else 'CCO'},{y},{w}\n" for place, (y, w) in enumerate(rows))
    data = read(write(f"smiles,y,w\n{text}{others}"), targets="y", sample_weight="w", duplicates=how)
    found = float(data.targets[0, 0])
    assert np.isnan(found) if label is None else found == pytest.approx(label)
    assert data.columns["label_weight"].ravel().tolist() == pytest.approx([sum(w for _, w in rows), 1, 1])


def test_every_group_is_found_among_many() -> None:
    from rdkit import Chem

    chains = ["C" * size + "O" for size in range(1, 60)]
    other = [Chem.MolToSmiles(Chem.MolFromSmiles(text), rootedAtAtom=len(text) // 2) for text in chains]
    data = from_smiles([*chains, *other, "CCOC", "COCC"], cache=False, n_jobs=1)
    assert [group.tolist() for group in groups_of(data)][:59] == [[place, place + 59] for place in range(59)]
    assert shared_molecules(data, np.arange(59), np.arange(59, 120)) == 59


def test_merging_keeps_other_rows_as_they_are() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    measured = Measurements(values, np.zeros(values.shape, np.int8), classes=[False] * 3)
    groups = [np.array([3, 10, 20]), np.array([7, 8])]
    merged, stay = merge(measured, groups, "mean")
    assert stay.tolist() == [place for place in range(50) if place not in (10, 20, 8)]
    untouched = [place for place in stay.tolist() if place not in (3, 7)]
    assert np.array_equal(merged.labels[untouched], values[untouched], equal_nan=True)
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(values[groups[0]])
        means = np.where(known, values[groups[0]], 0).sum(axis=0) / known.sum(axis=0)
    assert np.allclose(merged.labels[3], means, equal_nan=True, rtol=1e-6)


def test_the_choice_is_checked(write: Write) -> None:
    with pytest.raises(ConfigError, match="duplicates='average' is unknown"):
        read(write(f"smiles,y\n{ROWS}"), duplicates="average")
