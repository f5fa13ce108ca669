"""The verdict on each objective of a run."""

from typing import Any

import numpy as np
import pytest

from molweight.report.internal import evidence_is_in, format_evidence, weigh_evidence

Floats = np.ndarray[Any, np.dtype[np.float64]]


def records(values: Floats) -> list[dict[str, Any]]:
    return [{"hypergradient": dict(enumerate_names(row))} for row in values]


def enumerate_names(row: Floats) -> list[tuple[str, float]]:
    return [(f"o{number}", float(value)) for number, value in enumerate(row)]


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_no_verdict_where_no_objective_matters(correlation: float) -> None:
    """Under noise, correlated from step to step as well, at most about 5 % of runs have any verdict."""
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(200):
        noise = rng.normal(size=(220, 6))
        for step in range(1, len(noise)):
            noise[step] += correlation * noise[step - 1]
        wrong += any(item.verdict != "undecided" for item in weigh_evidence(records(noise)))
    assert wrong <= 24  # 5 % expected, up to 12 % tolerated for blocks of 14 steps that are still correlated


def test_what_helps_and_what_hurts_is_found_whatever_is_common_to_all() -> None:
    rng = np.random.default_rng(0)
    effect = np.array([-1.0, 0.0, 0.0, 0.0, 1.0])
    values = effect + rng.normal(size=(200, 5)) + 50 * rng.normal(size=(200, 1))
    found = {item.name: item.verdict for item in weigh_evidence(records(values))}
    assert (found["o0"], found["o4"]) == ("helps", "hurts")
    assert {found[name] for name in ("o1", "o2", "o3")} == {"undecided"}


def test_one_line_per_objective_and_none_without_hypergradients() -> None:
    rng = np.random.default_rng(0)
    text = format_evidence(records(rng.normal(size=(100, 3))))
    assert len(text.splitlines()) == 6
    assert "there is no evidence against equal weights" in text
    assert format_evidence([{"weights": {"a": 1.0}}] * 50) == ""
    assert format_evidence(records(rng.normal(size=(10, 1)))) == ""
    assert weigh_evidence(records(np.full((50, 2), np.nan))) == []


def test_an_undecided_effect_is_printed_with_the_threshold_that_it_does_not_reach() -> None:
    """Three blocks of steps: the effect of o0 is 7 standard errors and undecided."""
    values = np.zeros((18, 4))
    values[:, 0] = np.repeat([0.4, 1.0, 1.6], 6)
    found = weigh_evidence(records(values))
    needed = found[0].needed
    assert {item.verdict for item in found} == {"undecided"}
    assert 5 < max(abs(item.errors) for item in found) < needed
    text = format_evidence(records(values))
    assert f"undecided: a verdict needs ±{needed:.1f} s.e." in text
    assert "no evidence against equal weights" not in text  # one effect is large, and the steps are few


def test_too_few_steps_are_named_as_the_reason() -> None:
    text = format_evidence(records(np.random.default_rng(0).normal(size=(10, 3))))
    assert text.endswith("too few steps for a verdict (10 hypergradients; at least 16 are needed)")


def ended(values: Floats) -> int:
    """Steps after which a run of these hypergradients ends."""
    shown = records(values)
    found = (done for done in range(20, len(shown), 20) if evidence_is_in(shown[:done], len(shown)))
    return next(found, len(shown))


@pytest.mark.parametrize(
    ("effect", "correlation", "least", "most"),
    [
        ([1.0, 1.0, -1.0, -1.0], 0.0, 0.9, 1.0),  # decided long before the end
        ([0.0, 0.0, 0.0, 0.0], 0.0, 0.1, 0.5),  # too small for this run, and some of it seen before its end
        ([0.0, 0.0, 0.0, 0.0], 0.8, 0.0, 0.5),
        ([0.6, 0.0, 0.0, 0.0], 0.8, 0.0, 0.2),  # neither decided nor small
    ],
)
def test_a_run_that_ends_early_has_the_verdicts_of_the_whole_run(
    effect: list[float], correlation: float, least: float, most: float
) -> None:
    rng, early, changed = np.random.default_rng(2), 0, 0
    for _ in range(100):
        noise = rng.normal(size=(240, 4))
        for step in range(1, len(noise)):
            noise[step] += correlation * noise[step - 1]
        shown = records(noise + np.array(effect))
        done = ended(noise + np.array(effect))
        verdicts = [{item.name: item.verdict for item in weigh_evidence(shown[:upto])} for upto in (done, 240)]
        early += done < 240
        changed += verdicts[0] != verdicts[1]
    assert least <= early / 100 <= most
    assert changed <= 3


def test_a_run_goes_on_while_it_cannot_know() -> None:
    rng = np.random.default_rng(0)
    strong = np.array([-5.0, 5.0]) + rng.normal(size=(400, 2))
    assert ended(strong) == 80  # it asks every 40 steps, and not before 60 hypergradients
    assert not evidence_is_in(records(strong[:79]), 400)
    assert not evidence_is_in(records(strong), 400)  # the last step is not early
    assert not evidence_is_in([{"weights": {"a": 1.0}}] * 40, 400)
    alternating = strong[:, ::-1].copy()
    alternating[::2] = strong[::2]
    assert ended(alternating[:, :1]) == 400  # nothing to compare with
    late = np.concatenate([strong[:200] * 0 + rng.normal(size=(200, 2)), strong[:200]])
    assert ended(late) > 200
