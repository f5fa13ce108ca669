"""Stated uncertainties: reproducible, scaled to the errors, and judged by exact numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molweight.datasets import from_smiles, split
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset, featurize
from molweight.models import Predictor
from molweight.models.internal import build_predictor, predict_positions
from molweight.options import Job
from molweight.report import RunSummary
from molweight.report._coverage import coverage, rank_correlation, wrong_shares
from molweight.report._section import Section
from molweight.report._side_by_side import _ensemble_section
from molweight.report._uncertainty_section import numbers_section, spread_section
from molweight.runs import Uncertainty
from molweight.runs._uncertainty import calibrate_std, dropout_samples, predict_with_dropout_std
from molweight.runs.internal import spread_of
from molweight.training import fit

CPU = torch.device("cpu")


def _model(dropout: float) -> Predictor:
    torch.manual_seed(0)
    options = {"layers": 2, "width": 16, "dropout": dropout}
    return build_predictor("gin", options, "regression", torch.zeros(1), torch.ones(1))


@pytest.fixture(scope="module")
def data() -> MoleculeDataset:
    return MoleculeDataset(featurize(["CCO", "c1ccccc1", "CCN"])[0])


def test_dropout_masks_are_drawn_again_the_same(data: MoleculeDataset) -> None:
    model = _model(0.3)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one, two = (dropout_samples(model, data, np.arange(3), CPU, samples=4, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert list(one.shape) == [4, 3, 1]
    assert (one.std(axis=0) > 0).all()
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_deviation_is_that_of_the_samples_times_the_factor(data: MoleculeDataset) -> None:
    model = _model(0.3).eval()
    found = predict_with_dropout_std(model, data, np.arange(3), CPU, factors=[2.0], samples=5, seed=3)
    samples = dropout_samples(model, data, np.arange(3), CPU, samples=5, seed=3)
    np.testing.assert_allclose(found.deviation, 2 * samples.std(axis=0, ddof=1), rtol=1e-4)
    np.testing.assert_array_equal(found.prediction, predict_positions(model, data, np.arange(3), CPU))


def test_a_model_without_dropout_states_none(data: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match=r"encoder_options\.dropout=0\.1"):
        predict_with_dropout_std(_model(0.0), data, np.arange(3), CPU)
    with pytest.raises(ConfigError, match="samples=1"):
        predict_with_dropout_std(_model(0.3), data, np.arange(3), CPU, samples=1)
    with pytest.raises(ConfigError, match="seed=-1"):
        predict_with_dropout_std(_model(0.3), data, np.arange(3), CPU, seed=-1)
    with pytest.raises(ConfigError, match="at least two runs"):
        spread_of([np.zeros((1, 1), dtype=np.float32)])


def test_the_factor_makes_deviations_as_large_as_errors() -> None:
    random = np.random.default_rng(0)
    deviation = random.uniform(0.5, 2.0, size=(20_000, 1))
    labels = 3 * deviation * random.normal(size=(20_000, 1))
    labels[:100] = np.nan
    found = Uncertainty(np.zeros((20_000, 1), dtype=np.float32), deviation.astype(np.float32))
    assert calibrate_std(labels, found) == pytest.approx([3.0], rel=0.02)
    nothing = Uncertainty(np.zeros((1, 1), dtype=np.float32), np.zeros((1, 1), dtype=np.float32))
    assert calibrate_std(np.ones((1, 1)), nothing) == [1.0]
    both = Uncertainty(*(np.tile(values, 2) for values in (found.prediction, found.deviation)))
    factors = calibrate_std(np.tile(labels, 2), both, "classification,regression")
    assert factors == pytest.approx([1.0, 3.0], rel=0.02)


def test_coverage_of_normal_errors_is_what_is_stated() -> None:
    random = np.random.default_rng(1)
    deviations = random.uniform(0.1, 3.0, size=50_000)
    labels = random.normal(size=50_000) * deviations
    for level in (0.5, 0.8, 0.95):
        assert coverage(labels, np.zeros(50_000), deviations, level) == pytest.approx(level, abs=0.01)
    assert np.isnan(coverage(np.empty(0), np.empty(0), np.empty(0), 0.5))


def test_rank_correlation_and_shares_at_their_ends() -> None:
    assert rank_correlation(np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.ones(3), np.array([1.0, 2.0, 3.0])))
    assert np.isnan(rank_correlation(np.ones(2), np.ones(2)))
    sure, unsure = wrong_shares(np.array([1.0]), np.array([0.2]), np.array([0.1]))
    assert np.isnan(sure)
    assert unsure == 1.0


def test_worth_of_deviations() -> None:
    labels = np.array([[0.0], [1.0], [np.nan], [1.0]])
    ones = np.ones((4, 1))
    section = numbers_section("regression", labels, np.zeros((4, 1)), ones, "words")
    assert section.words == ["words"]
    assert section.tables[0].rows[1] == ["labels inside the 50% interval", "33.3%"]
    assert section.tables[0].rows[4] == ["labels inside the 95% interval", "100.0%"]
    classes = numbers_section("classification", labels, np.array([[0.9], [0.9], [0.9], [0.2]]), ones, "words")
    assert classes.tables[0].rows[1:] == [
        ["error rate in the half with smaller deviations", "1"],
        ["error rate in the half with larger deviations", "0.5"],
    ]
    none = numbers_section("regression", np.full((4, 1), np.nan), ones, ones, "words")
    assert none.words == ["No test molecule has a label."]


def _section_of(targets: int, *, related: bool) -> Section:
    """Errors and deviations of targets with scales 1 and 1,000."""
    rng, scale = np.random.default_rng(0), np.array([1.0, 1000.0])[:targets]
    deviations = scale * rng.uniform(0.5, 2, (200, targets))
    size = deviations if related else scale * rng.uniform(0.5, 2, (200, targets))
    errors = size * rng.normal(size=(200, targets))
    return numbers_section("regression", errors, np.zeros((200, targets)), deviations, "words")


def test_scales_of_targets_are_not_a_correlation_of_deviations() -> None:
    section = _section_of(2, related=False)
    name, value = section.tables[0].rows[0]
    assert name == "Spearman correlation of error and deviation, median of 2 targets"
    assert abs(float(value)) < 0.2


@pytest.mark.parametrize("targets", [1, 2])
def test_useless_deviations_are_called_so(targets: int) -> None:
    said = "There is no evidence here that the deviations increase with the error (Spearman correlation "
    assert said in _section_of(targets, related=False).words[0]
    assert "increase with the error" not in _section_of(targets, related=True).words[0]
    errors = np.linspace(1, 2, 50)[:, None]
    falling = numbers_section("regression", errors, np.zeros((50, 1)), errors[::-1], "words").words[0]
    assert "The deviations do not increase with the error here (Spearman correlation -1, 95 % CI -1 to -1)" in falling


def test_a_run_without_deviations_says_so(make: Callable[..., RunSummary]) -> None:
    assert "no estimate of the uncertainty" in spread_section(make()).words[0]
    made = make()
    assert made.test_results is not None
    opened = replace(made.test_results, deviations=np.ones_like(made.test_results.targets))
    section = spread_section(replace(made, test_results=opened, about={**made.about, "dropout_factors": [1.0]}))
    assert "Monte Carlo dropout" in section.words[0]
    assert len(section.figures) == 1


def test_a_single_regression_model_without_dropout_states_its_typical_error(tmp_path: Path) -> None:
    smiles = ["C" * n + end for n in range(1, 21) for end in ("O", "N")]
    data = from_smiles(smiles, np.arange(40.0), name="mine", cache=False)
    options = {"layers": 1, "width": 8}
    job = Job(encoder_options=options, init="scratch", weighting="none", members=1, epochs=2, hidden=8, device="cpu")
    run = fit(job, data, split(data, "random"))
    run.evaluate()
    assert run.test_results is not None
    assert run.test_results.deviations is not None
    expected = run.uncertainty(run.test_results.smiles).deviation
    np.testing.assert_allclose(run.test_results.deviations, expected, rtol=1e-5)
    assert (expected > 0).all()
    page = run.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Typical error on select at the same distance from the training molecules, against the errors" in page


def test_an_ensemble_is_the_mean_of_its_runs(make: Callable[..., RunSummary]) -> None:
    made = make()
    assert made.test_results is not None
    opened = replace(made.test_results, targets=np.round(made.test_results.targets))  # so that no sum is rounded
    labels = np.nan_to_num(opened.targets)
    runs = [
        replace(made, name=name, test_results=replace(opened, predictions={"tapweight": labels + shift}))
        for name, shift in (("one", np.float32(1)), ("two", np.float32(-1)))
    ]
    section = _ensemble_section(runs)
    assert section.words[0].startswith("RMSE of the mean prediction: 0, 95 % interval 0 to 0.")
    assert section.tables[0].rows[1] == ["labels inside the 50% interval", "100.0%"]
    apart = [made, replace(made, name="closed", test_results=None)]
    assert "cannot be combined into an ensemble" in _ensemble_section(apart).words[0]
