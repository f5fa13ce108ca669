"""Descriptors against RDKit's own functions, and their normalisation."""

import math
import warnings

import numpy as np
import pytest
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors as RDKit

from molweight.datasets import load, load_corpus
from molweight.descriptors._rdkit_descriptors import DESCRIPTORS
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset
from molweight.objectives import Descriptors
from molweight.objectives.building_blocks import DESCRIPTOR_VALUES

AWKWARD = [
    "C",
    "[H][H]",
    "[H+]",
    "[2H]C([2H])([2H])O",
    "[Na+].[Cl-]",
    "[Fe]",
    "[He]",
    "CC.[Na+]",
    "O=[U]=O",
    "*CC*",
    "B",
    "F[P-](F)(F)(F)(F)F",
    "C[Si](C)(C)C",
    "C" * 60,
    "c1ccc2ccc3cccc4ccc1c2c34",
    r"C/C=C\C[C@H](N)C(=O)O",
]


def by_rdkit(smiles: str) -> list[float]:
    """One value per descriptor from RDKit's own list, NaN where RDKit fails."""
    molecule = Chem.MolFromSmiles(smiles)
    values = []
    for name, function in RDKit.descList:
        if not name.startswith("fr_"):
            try:
                values.append(float(function(molecule)))
            except (RuntimeError, ValueError, ArithmeticError, LookupError):
                values.append(math.nan)
    return values


def test_names_are_rdkits() -> None:
    assert list(DESCRIPTORS) == [name for name, _ in RDKit.descList if not name.startswith("fr_")]


def test_values_are_rdkits() -> None:
    zinc = load_corpus("zinc", size=100, cache=False, n_jobs=1).smiles[:100]
    sider = load("sider", cache=False, n_jobs=1).smiles[:1000:10]
    smiles = [*zinc, *sider, *AWKWARD]
    with warnings.catch_warnings(), rdBase.BlockLogs(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # RDKit's own code divides by zero
        expected = np.array([by_rdkit(text) for text in smiles]).astype(np.float32)
    expected[~np.isfinite(expected)] = np.nan
    values = DESCRIPTOR_VALUES(smiles)
    assert np.isnan(values).mean() < 0.05
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("salt", [("F[P-](F)(F)(F)(F)F", "CCCCn1cc[n+](C)c1"), ("F[Sb-](F)(F)(F)(F)F", "[Li+]")])
def test_the_order_of_the_ions_of_a_salt_does_not_matter(salt: tuple[str, str]) -> None:
    """One ion has no Gasteiger parameters, so the charges are undefined in both orders; RDKit's depend on it."""
    one, other = DESCRIPTOR_VALUES([".".join(salt), ".".join(salt[::-1])])
    undefined = {name for name, value in zip(DESCRIPTORS, one, strict=True) if np.isnan(value)}
    assert {"MaxPartialCharge", "MinPartialCharge", "MaxAbsPartialCharge", "MinAbsPartialCharge"} <= undefined
    np.testing.assert_array_equal(one, other)


def test_normalised_over_the_corpus(corpus: MoleculeDataset) -> None:
    objective = Descriptors(width=4, left_out=0.0)
    objective.prepare(corpus.columns)
    views = objective.draw(corpus.graphs(range(256)), torch.Generator().manual_seed(0))
    inside = (views.values.abs() < 6).all(0) & objective.usable
    assert inside.sum() > 60
    torch.testing.assert_close(views.values[:, inside].mean(0), torch.zeros(int(inside.sum())), atol=1e-4, rtol=0)
    scale = views.values[:, inside].std(0, correction=0)
    torch.testing.assert_close(scale, torch.ones_like(scale), atol=1e-3, rtol=0)
    assert views.values.abs().max() <= 6


def test_missing_and_constant_values_do_not_count() -> None:
    column = np.random.default_rng(0).normal(size=(40, 132))
    column[:, 0] = 7.0
    column[:, 1] = np.nan
    column[3, 2], column[4, 3] = np.inf, np.nan
    objective = Descriptors(width=4)
    objective.prepare({"descriptors": column})
    assert objective.usable.tolist() == [False, False] + [True] * 130
    assert objective.mean.isfinite().all()
    assert objective.mean[2].item() == pytest.approx(np.delete(column[:, 2], 3).mean(), abs=1e-6)


def test_a_share_is_left_out_anew_each_time(corpus: MoleculeDataset) -> None:
    objective = Descriptors(width=4)
    objective.prepare(corpus.columns)
    batch, random = corpus.graphs(range(128)), torch.Generator().manual_seed(0)
    first, second = (objective.draw(batch, random).weights[:, objective.usable] for _ in range(2))
    assert abs(first.mean() - 0.85) < 0.01
    assert not torch.equal(first, second)


def test_loss_is_the_mean_over_what_counts(corpus: MoleculeDataset) -> None:
    objective = Descriptors(width=4)
    objective.prepare(corpus.columns)
    views = objective.draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    graphs = torch.randn(8, 4)
    guess = objective.head(graphs)

    def encoder(_graphs: object, seed: int | None = None) -> object:
        assert seed == views.seed
        return type("Encoding", (), {"graphs": graphs})

    counts = views.weights.bool()
    expected = (guess[counts] - views.values[counts]).square().mean()
    torch.testing.assert_close(objective.loss(encoder, views), expected)  # type: ignore[arg-type]  # a stand-in


def test_statistics_are_asked_for(corpus: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match="call prepare"):
        Descriptors(width=4).draw(corpus.graphs([0, 1]), torch.Generator())
    with pytest.raises(DataError, match="needs the column 'descriptors'"):
        Descriptors(width=4).prepare({})
    with pytest.raises(DataError, match="no descriptor varies"):
        Descriptors(width=4).prepare({"descriptors": np.ones((3, 132))})


def test_fast_descriptors_are_learned_in_their_own_head(corpus: MoleculeDataset) -> None:
    from molweight.graphs import attach_targets

    objective = Descriptors(width=4, kind="fast", left_out=0.0)
    few = attach_targets(corpus.subset(range(40)), objective.targets)
    objective.prepare(few.columns)
    views = objective.draw(few.graphs(range(40)), torch.Generator().manual_seed(0))
    assert views.values.shape == (40, 319)
    assert views.values.dtype == torch.float32
    assert 150 < int(objective.usable.sum()) <= 319
    inside = (views.values.abs() < 6).all(0) & objective.usable
    torch.testing.assert_close(views.values[:, inside].mean(0), torch.zeros(int(inside.sum())), atol=1e-2, rtol=0)
    with pytest.raises(ConfigError, match="kind"):
        Descriptors(width=4, kind="slow")
