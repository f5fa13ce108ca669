"""One contract for every weighting, and what each promises of its own."""

from collections.abc import Iterable
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from molweight.errors import ConfigError, OptionError, UnknownNameError
from molweight.mlo import weightings
from molweight.mlo.weightings import (
    DynamicWeightAverage,
    Fixed,
    PCGrad,
    Random,
    Signals,
    TapWeight,
    Weighting,
    through_softmax,
)

NAMES = ("masking", "contrast", "motif")
OPTIONS: dict[str, dict[str, Any]] = {"fixed": {"weights": [1.0, 2.0, 1.0]}}


def _signals(seed: int) -> Signals:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(3, 8, generator=generator)
    losses = torch.rand(3, generator=generator) + 0.1
    return Signals(
        losses, rows.norm(dim=1), torch.randn(3, generator=generator), rows[:, 0] / rows.norm(dim=1), rows @ rows.T
    )


def _build(name: str) -> Weighting:
    return weightings.create(name, NAMES, **OPTIONS.get(name, {}))


def assert_simplex(weights: Tensor) -> None:
    assert weights.shape == (len(NAMES),)
    assert not weights.requires_grad
    assert float(weights.min()) >= 0.0
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", weightings.available())
def test_weights_stay_on_the_simplex(name: str) -> None:
    weighting = _build(name)
    assert_simplex(weighting.weights)
    for seed in range(20):
        weighting.update(_signals(seed))
        assert_simplex(weighting.weights)
    assert list(weighting.as_dict()) == list(NAMES)


@pytest.mark.parametrize("name", weightings.available())
def test_resume_is_exact_and_a_state_is_tensors(name: str) -> None:
    straight, first = _build(name), _build(name)
    for seed in range(4):
        straight.update(_signals(seed))
    for seed in range(2):
        first.update(_signals(seed))
    state = {key: value.clone() for key, value in first.state_dict().items()}
    assert all(isinstance(value, Tensor) for value in state.values())
    second = _build(name)
    second.load_state_dict(state)
    for seed in range(2, 4):
        second.update(_signals(seed))
    assert torch.equal(second.weights, straight.weights)


@pytest.mark.parametrize("name", weightings.available())
def test_it_moves_to_another_type(name: str) -> None:
    weighting = _build(name).to(torch.float64)
    weighting.update(_signals(0))
    assert weighting.weights.dtype == torch.float64


@pytest.mark.parametrize("name", weightings.available())
def test_repeated_or_absent_names_are_refused(name: str) -> None:
    _build(name)
    with pytest.raises(ConfigError, match="masking twice"):
        weightings.create(name, ["masking", "masking"], **({"weights": [1, 1]} if name == "fixed" else {}))
    with pytest.raises(ConfigError, match="at least one objective"):
        weightings.create(name, [], **({"weights": []} if name == "fixed" else {}))


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'tapweight'"):
        weightings.create("tapweigth", NAMES)
    with pytest.raises(ConfigError, match=r"'tapweight'.*'rate'"):
        weightings.create("tapweight", NAMES, rate=1.0)
    with pytest.raises(ConfigError, match=r"'fixed'.*'weights'"):
        weightings.create("fixed", NAMES)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "2 weights for 3 objectives"),
        ([1, -2, 1], "'contrast' is -2.0"),
        ([1, float("nan"), 1], "'contrast' is nan"),
        ([0, 0, 0], "are all zero"),
        ({"masking": 1, "contrast": 1}, "no weight is given for motif"),
        ({"masking": 1, "contrast": 1, "motifs": 1}, "'motifs', which is not an objective here; did you mean 'motif'"),
    ],
)
def test_fixed_refuses_weights_that_do_not_fit(weights: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Fixed(NAMES, weights)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.integers(0, 1000))
def test_the_softmax_rule_is_the_derivative_of_softmax(logits: list[float], seed: int) -> None:
    alpha = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    gradient = torch.randn(len(logits), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    exact = torch.autograd.grad(torch.softmax(alpha, 0) @ gradient, alpha)[0]
    torch.testing.assert_close(
        through_softmax(torch.softmax(alpha, 0).detach(), gradient), exact, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("rule", ["evidence", "adam"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_tapweight_ignores_the_scale_of_the_hypergradient(scale: float, rule: Literal["evidence", "adam"]) -> None:
    one, two = TapWeight(NAMES, rule=rule).double(), TapWeight(NAMES, rule=rule).double()
    for seed in range(10):
        signals = _signals(seed)
        assert signals.hypergradient is not None
        one.update(signals)
        two.update(Signals(signals.losses, signals.norms, scale * signals.hypergradient.double()))
    torch.testing.assert_close(one.weights, two.weights, rtol=1e-9, atol=0.0)


def test_tapweight_is_adam_on_the_logits() -> None:
    weighting = TapWeight(NAMES, rule="adam", lr=0.1, betas=(0.8, 0.95), size="entry").double()
    alpha = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([alpha], lr=0.1, betas=(0.8, 0.95), eps=0.0)
    for seed in range(10):
        signals = _signals(seed)
        assert signals.hypergradient is not None
        alpha.grad = through_softmax(torch.softmax(alpha.detach(), 0), signals.hypergradient.double())
        adam.step()
        weighting.update(signals)
    torch.testing.assert_close(weighting.alpha, alpha.detach(), rtol=1e-9, atol=1e-12)


def test_evidence_is_the_sum_in_standard_errors() -> None:
    weighting = TapWeight(NAMES, lr=0.3, confidence=0.0, warmup=0, prior=[2, 1, 1]).double()
    given = [torch.tensor([1.0, 4.0, -2.0]), torch.tensor([0.0, 3.0, 0.0]), torch.tensor([-1.0, 5.0, 2.0])]
    _feed(weighting, given)
    # Centred: (0, 3, -3), (-1, 2, -1), (-3, 3, 0); sums (-4, 8, -4), sum of mean squares 6 + 2 + 6.
    exact = torch.tensor([0.5, 0.25, 0.25]).double().log() - 0.3 * torch.tensor([-4.0, 8.0, -4.0]) / 14**0.5
    torch.testing.assert_close(weighting.alpha, exact, check_dtype=False, rtol=1e-6, atol=1e-6)


def test_what_is_within_its_standard_error_does_not_count() -> None:
    weighting = TapWeight(NAMES, lr=0.3, confidence=1.0, warmup=0).double()
    _feed(weighting, [torch.tensor([0.0, 3.0, -3.0]), torch.tensor([-1.0, 2.0, -1.0]), torch.tensor([3.0, -3.0, 0.0])])
    # Sums (2, 2, -4); squares of the standard errors (10, 22, 10): only the last exceeds its own.
    share = 1 - 10 / 16
    exact = torch.tensor([0.0, 0.0, 0.3 * share * 4 / 14**0.5]).double()
    torch.testing.assert_close(weighting.alpha, exact, check_dtype=False, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", ["evidence", "adam"])
@settings(max_examples=20)
@given(value=st.floats(-1e6, 1e6, allow_subnormal=False), shift=st.floats(-1e-7, 1e-7))
def test_rounding_is_no_evidence(rule: Literal["evidence", "adam"], value: float, shift: float) -> None:
    weighting = _fed(TapWeight(NAMES, rule=rule), [torch.full((3,), value * (1 + shift * step)) for step in range(20)])
    assert weighting.alpha.tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=20)
@given(st.permutations(range(3)), st.integers(0, 1000))
def test_permuting_objectives_permutes_weights(order: list[int], seed: int) -> None:
    given = torch.randn(15, 3, generator=torch.Generator().manual_seed(seed))
    straight, permuted = _feed(TapWeight(NAMES), given), _feed(TapWeight(NAMES), given[:, order])
    torch.testing.assert_close(permuted, straight[order])


def test_one_gradient_is_no_evidence() -> None:
    assert _feed(TapWeight(NAMES), [torch.tensor([5.0, -5.0, 0.0])]).tolist() == pytest.approx([1 / 3] * 3)


def test_the_first_gradients_count_for_less() -> None:
    one = torch.tensor([1.0, -1.0, 0.0])
    warm = _fed(TapWeight(NAMES, lr=1.0, confidence=0.0, warmup=4), [one] * 5).alpha
    share = sum(min(step / 4, 1) for step in range(1, 6)) / sum(min(step / 4, 1) ** 2 for step in range(1, 6)) ** 0.5
    torch.testing.assert_close(warm, -share * one / (2 / 3) ** 0.5)


def test_evidence_fades_with_a_memory() -> None:
    early, late = [torch.tensor([-1.0, 1.0, 0.0])] * 50, [torch.tensor([1.0, -1.0, 0.0])] * 50
    never, soon = (_feed(TapWeight(NAMES, memory=memory, warmup=0), early + late) for memory in (1.0, 0.9))
    torch.testing.assert_close(never, torch.full((3,), 1 / 3))
    assert float(soon[1]) > float(soon[0])


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_evidence_stays_small_under_noise_however_long_the_run(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weighting = _fed(TapWeight(NAMES, confidence=0.0), torch.randn(200, 3, generator=generator))
    # Each logit is lr = 0.5 times a sum in units of its standard error, which exceeds 5 once in a million.
    assert float(weighting.alpha.abs().max()) < 0.5 * 5


def test_tapweight_waits_without_a_hypergradient_and_skips_one_that_is_not_finite() -> None:
    weighting = TapWeight(NAMES)
    weighting.update(_signals(0))
    before = {key: value.clone() for key, value in weighting.state_dict().items()}
    weighting.update(Signals(torch.ones(3), torch.ones(3)))
    weighting.update(Signals(torch.ones(3), torch.ones(3), torch.tensor([1.0, float("inf"), 0.0])))
    assert all(torch.equal(before[key], value) for key, value in weighting.state_dict().items())


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.0},
        {"lr": -1.0},
        {"memory": 0.0},
        {"warmup": -1},
        {"betas": (1.0, 0.9), "rule": "adam"},
        {"size": "all", "rule": "adam"},
        {"pull": -0.1, "rule": "adam"},
        {"lr": 0.0, "rule": "adam"},
        {"confidence": -1.0, "rule": "adam"},
        {"confidence": -1.0},
        {"floor": 0.4},
        {"rule": "sgd"},
        {"betas": (0.9, 0.9)},
        {"betas": (0.9, 0.99, 0.999), "rule": "adam"},
        {"betas": (), "rule": "adam"},
        {"memory": 0.5, "rule": "adam"},
        {"prior": [1.0, 0.0, 1.0]},
    ],
)
def test_tapweight_refuses_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        TapWeight(NAMES, **options)
    assert caught.value.option == next(iter(options))


@pytest.mark.parametrize("options", [{"max_iters": 0}, {"epsilon": 0.0}])
def test_mgda_refuses_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        weightings.create("mgda", NAMES, **options)
    assert caught.value.option == next(iter(options))


def _fed(weighting: TapWeight, hypergradients: Iterable[Tensor]) -> TapWeight:
    for gradient in hypergradients:
        weighting.update(Signals(torch.ones(3), torch.ones(3), gradient))
    return weighting


def _feed(weighting: TapWeight, hypergradients: Iterable[Tensor]) -> Tensor:
    return _fed(weighting, hypergradients).weights


def test_the_floor_and_the_prior_hold() -> None:
    weighting = TapWeight(NAMES, lr=0.5, floor=0.1, prior={"masking": 2, "contrast": 1, "motif": 1})
    torch.testing.assert_close(weighting.weights, torch.tensor([0.5, 0.25, 0.25]))
    weights = _feed(weighting, [torch.tensor([1.0, -1.0, 0.0])] * 100)
    assert float(weights.min()) >= 0.1
    assert weighting.as_dict()["contrast"] > 0.75


def test_the_pull_leads_back_to_the_prior() -> None:
    weighting = TapWeight(NAMES, rule="adam", lr=0.1, pull=1.0, prior=[2, 1, 1])
    _feed(weighting, [torch.tensor([1.0, -1.0, 0.0])] * 20)
    weights = _feed(weighting, [torch.zeros(3)] * 300)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.25, 0.25]), rtol=0.05, atol=0.0)


def test_confidence_holds_still_under_noise_and_follows_a_signal() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(3, generator=generator) for _ in range(300)]
    careful = _feed(TapWeight(NAMES, rule="adam", confidence=2.0), noise)
    careless = _feed(TapWeight(NAMES, rule="adam"), noise)
    equal = torch.full((3,), 1 / 3)
    assert float((careful - equal).abs().max()) < 0.5 * float((careless - equal).abs().max())
    drift = torch.tensor([-1.0, 0.5, 0.5])
    assert float(_feed(TapWeight(NAMES, rule="adam", confidence=2.0), [drift + 0.5 * n for n in noise])[0]) > 0.9


def test_the_joint_size_keeps_relative_sizes() -> None:
    gradient = [torch.tensor([-1.0, 1.0, 0.999])] * 20
    entry, joint = (_feed(TapWeight(NAMES, rule="adam", size=size), gradient) for size in ("entry", "joint"))
    assert float(entry[1] - entry[2]) == pytest.approx(0.0, abs=1e-3)
    assert float(joint[0]) > 0.34
    small = [torch.tensor([-1.0, 0.0, -0.01])] * 20
    entry, joint = (_feed(TapWeight(NAMES, rule="adam", size=size), small) for size in ("entry", "joint"))
    assert float(joint[2]) < float(joint[0])
    assert float(joint.sum()) == pytest.approx(1.0)


def test_conflict_averse_weights_do_not_conflict() -> None:
    rows = torch.tensor([[1.0, 0.2, 0.0], [-0.8, 0.5, 0.1], [0.1, 0.3, 1.0]])
    signals = Signals(torch.ones(3), rows.norm(dim=1), gramian=rows @ rows.T)
    for name in ("upgrad", "mgda"):
        weighting = weightings.create(name, NAMES)
        weighting.update(signals)
        assert float((rows @ (weighting.weights @ rows)).min()) > -1e-3


def test_a_loss_that_is_not_finite_does_not_count_in_the_mean_of_a_window() -> None:
    one, other = (DynamicWeightAverage(["a", "b"], window=2, temperature=1.0) for _ in range(2))
    for first, second in ((4.0, 4.0), (4.0, 4.0), (3.0, 3.0), (3.0, float("nan"))):
        one.update(Signals(torch.tensor([first, 4.0]), None))
        other.update(Signals(torch.tensor([second, 4.0]), None))
    torch.testing.assert_close(one.weights, other.weights)
    for _ in range(2):  # a window without any finite loss has no ratio
        other.update(Signals(torch.tensor([float("inf"), 4.0]), None))
    torch.testing.assert_close(other.weights, torch.tensor([0.5, 0.5]))


def test_seeds_and_steps_have_random_weights_of_their_own() -> None:
    drawn = []
    for seed in range(3):
        weighting = Random(["one", "two", "three"], seed=seed)
        for step in range(3):
            drawn.append(tuple(weighting.weights.tolist()))
            weighting.update(_signals(step))
    assert len(set(drawn)) == 9


def test_the_order_of_pcgrad_follows_from_the_seed() -> None:
    """With three conflicting gradients the result depends on the order of the projections."""
    rows = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    signals = Signals(torch.ones(3), None, gramian=rows @ rows.T)
    found = set()
    for seed in range(8):
        weighting = PCGrad(["one", "two", "three"], seed=seed)
        weighting.update(signals)
        found.add(tuple(weighting.weights.tolist()))
    assert len(found) > 1
