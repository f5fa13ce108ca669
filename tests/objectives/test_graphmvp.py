"""GraphMVP: its losses against plain formulas, conformers, and molecules that have none."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from rdkit import Chem

from molweight import encoders, objectives
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, attach_targets, build_dataset
from molweight.graphs._columns import missing_targets
from molweight.objectives._conformers import embedded
from molweight.objectives._rdkit_conformers import conformers
from molweight.objectives.building_blocks import CONFORMERS, VariationalMap, ebm_nce, info_nce

Make = Callable[[Sequence[str]], GraphBatch]
SMALL = {"layers": 1, "filters": 4, "gaussians": 8}
HOPELESS = "C1#CC1"  # a triple bond in a ring of three: no geometry satisfies its bounds


def test_info_nce_is_the_formula() -> None:
    first, second = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    expected = 0.0
    for i in range(5):
        scores = [math.exp(float(first[i] @ second[j]) / 0.3) for j in range(5)]
        expected -= math.log(scores[i] / sum(scores)) / 5
    assert info_nce(first, second, 0.3).item() == pytest.approx(expected)
    assert info_nce(first[:1], second[:1]).item() == pytest.approx(0, abs=1e-12)
    assert info_nce(first[:0], second[:0]).item() == 0


def test_ebm_nce_is_the_formula() -> None:
    first, second = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    others = second.roll(2, 0)
    expected = 0.0
    for i in range(5):
        belongs, not_ = float(first[i] @ second[i]) / 0.3, float(first[i] @ others[i]) / 0.3
        expected -= (math.log(1 / (1 + math.exp(-belongs))) + math.log(1 / (1 + math.exp(not_)))) / 10
    assert ebm_nce(first, second, others, 0.3).item() == pytest.approx(expected)


def test_the_variational_map_is_the_formula() -> None:
    torch.manual_seed(0)
    through = VariationalMap(3).double()
    given, wanted, noise = torch.randn(3, 4, 3).double()
    mean, log_variance = through.mean(given), through.log_variance(given)
    guess = through.decoder(mean + log_variance.exp().sqrt() * noise)
    code = torch.distributions.Normal(mean, log_variance.exp().sqrt())
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    divergence = torch.distributions.kl_divergence(code, prior).sum(1).mean()
    expected = torch.nn.functional.mse_loss(guess, wanted) + 0.7 * divergence
    torch.testing.assert_close(through(given, wanted, noise, 0.7), expected)


def test_conformers_have_the_lengths_of_bonds() -> None:
    smiles = "CC(=O)Oc1ccccc1C(=O)O"
    positions, molecule = conformers([smiles]), Chem.MolFromSmiles(smiles)
    lengths = [
        np.linalg.norm(positions[b.GetBeginAtomIdx()] - positions[b.GetEndAtomIdx()]) for b in molecule.GetBonds()
    ]
    assert 1.1 < min(lengths) < max(lengths) < 1.65
    assert np.array_equal(conformers([smiles, "C"])[: len(positions)], positions)


def test_fragments_of_a_salt_stand_apart() -> None:
    positions = conformers(["CC[NH3+].[Cl-]"])
    assert np.isfinite(positions).all()
    assert np.linalg.norm(positions[:3] - positions[3], axis=1).min() > 90


def test_a_molecule_without_conformer_is_a_mask_and_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    assert np.isnan(conformers([HOPELESS])).all()
    data = build_dataset(["CCO", HOPELESS, "CCN"], name="test", cache=False, n_jobs=1)
    attached = attach_targets(data, [CONFORMERS])
    assert missing_targets(attached, CONFORMERS.name).tolist() == [False, True, False]
    assert "1 of 3" in caplog.text
    batch = attached.graphs([0, 1, 2])
    space = embedded(batch, 10.0)
    assert space.known.tolist() == [0, 2]
    assert space.conformers.batch.tolist() == [0, 0, 0, 1, 1, 1]
    assert space.conformers.elements.tolist() == batch.x[[0, 1, 2, 6, 7, 8], 0].tolist()


@pytest.mark.parametrize("name", ["graphmvp_contrastive", "graphmvp_generative"])
@pytest.mark.parametrize("options", [{}, {"contrast": "ebm_nce"}], ids=["default", "ebm"])
def test_without_any_conformer_the_loss_is_zero(name: str, options: dict[str, str]) -> None:
    if options and name == "graphmvp_generative":
        options = {}
    data = attach_targets(build_dataset([HOPELESS], name="test", cache=False, n_jobs=1), [CONFORMERS])
    encoder = encoders.create("gin", layers=1, width=4)
    objective = objectives.create(name, width=4, **SMALL, **options)
    loss = objective(encoder, objective.draw(data.graphs([0]), torch.Generator().manual_seed(0)))
    assert loss.item() == 0
    gradient = torch.autograd.grad(loss, list(objective.parameters()), allow_unused=True, materialize_grads=True)
    assert all(g.abs().max() == 0 for g in gradient)


def test_detached_goals_do_not_come_to_meet_the_guess(make: Make) -> None:
    """The gradient of one direction with respect to its goal is zero exactly when the goal is detached."""
    batch, encoder = make(["CCO", "CCN", "c1ccccc1"]), encoders.create("gin", layers=1, width=4)
    size = {}
    for detach in (True, False):
        torch.manual_seed(0)
        objective = objectives.GraphMVPGenerative(4, beta=0.0, detach=detach, **SMALL)
        with torch.no_grad():  # the way back guesses a constant: nothing flows through what it is given
            list(objective.back.decoder.parameters())[-2].zero_()
        views = objective.draw(batch, torch.Generator().manual_seed(0))
        gradient = torch.autograd.grad(objective(encoder, views), list(objective.space.parameters()))
        size[detach] = max(float(g.abs().max()) for g in gradient)
    assert size[True] == 0 < size[False]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("graphmvp_contrastive", {"contrast": "info"}, "did you mean 'info_nce'"),
        ("graphmvp_contrastive", {"temperature": 0.0}, "temperature=0.0"),
        ("graphmvp_generative", {"beta": -1.0}, "beta=-1.0"),
        ("graphmvp_generative", {"cutoff": -1.0}, "cutoff=-1.0"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        objectives.create(name, width=4, **options)
