"""Each way a run goes wrong quietly is found, named, and not confused with another."""

from typing import Any

import pytest
import torch
from torch import Tensor

from molweight.mlo import Health, Loop, Record, diagnose
from molweight.mlo.solvers import ConjugateGradient, Outcome, Stats
from molweight.mlo.weightings import TapWeight

NAMES = ("one", "two")


def _record(**fields: Any) -> Record:
    values = {"losses": torch.ones(2), "weights": torch.full((2,), 0.5), "norms": torch.ones(2)} | fields
    return Record(step=0, names=NAMES, **values)


def _watch(*records: Record) -> list[tuple[str, str, float]]:
    health = Health(NAMES)
    for record in records:
        health.observe(record)
    return [(finding.kind, finding.name, finding.share) for finding in health.findings()]


def test_a_healthy_run_has_no_findings() -> None:
    assert _watch(*[_record(losses=torch.tensor([1.0, 0.5]) / (i + 1)) for i in range(20)]) == []
    assert Health(NAMES).findings() == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("zero_gradient", {"norms": torch.tensor([1.0, 0.0])}),
        ("not_finite", {"losses": torch.tensor([1.0, float("nan")])}),
        ("not_finite", {"norms": torch.tensor([1.0, float("inf")])}),
        ("exploded", {"losses": torch.tensor([1.0, 5e3])}),
        ("collapsed", {"losses": torch.tensor([1.0, 1e-9])}),
        ("saturated", {"weights": torch.tensor([0.01, 0.99])}),
    ],
)
def test_each_illness_is_named(kind: str, fields: dict[str, Tensor]) -> None:
    assert _watch(_record(), _record(**fields)) == [(kind, "two", 0.5)]


def test_a_loss_that_is_not_finite_once_is_reported_and_a_single_zero_gradient_is_not() -> None:
    good = [_record()] * 50
    assert _watch(*good, _record(norms=torch.tensor([0.0, 1.0]))) == []
    once = _watch(*good, _record(losses=torch.tensor([float("inf"), 1.0])))
    assert [kind for kind, *_ in once] == ["not_finite"]


def test_solves_that_do_not_converge_are_counted_by_level_and_reason() -> None:
    def solve(outcome: Outcome) -> Record:
        return _record(solves={"pretrain": Stats(torch.tensor(5), torch.tensor(0.25), torch.tensor(int(outcome)))})

    records = [solve(Outcome.CONVERGED)] * 6 + [solve(Outcome.NEGATIVE_CURVATURE)] * 3 + [solve(Outcome.NON_FINITE)]
    health = Health(NAMES)
    for record in records:
        health.observe(record)
    messages = [finding.message for finding in health.findings()]
    assert len(messages) == 2
    assert messages[0].startswith(
        "level 'pretrain': 30% of 10 solves ended with negative curvature (mean relative residual 0.25): "
    )
    assert "raise damping" in messages[0]
    assert "non finite" in messages[1]


def test_a_record_comes_back_from_its_summary() -> None:
    stats = Stats(torch.tensor(5), torch.tensor(0.25), torch.tensor(int(Outcome.NEGATIVE_CURVATURE)))
    unknown = Stats(torch.tensor(0), None, torch.tensor(int(Outcome.UNCHECKED)))
    record = _record(meta_loss=torch.tensor(2.0), solves={"pretrain": stats, "finetune": unknown})
    again = Record.of_summary({**record.summary(), "seconds": 1.0})
    assert again.summary() == record.summary()
    assert again.train_loss is again.hypergradient is None


def test_a_history_is_diagnosed_as_its_records_are() -> None:
    stats = Stats(torch.tensor(5), torch.tensor(0.25), torch.tensor(int(Outcome.BUDGET_SPENT)))
    records = [_record()] * 3 + [_record(norms=torch.tensor([float("nan"), 0.0]), solves={"pretrain": stats})]
    health = Health(NAMES)
    for record in records:
        health.observe(record)
    found = diagnose([record.summary() for record in records])
    assert found == health.findings()
    assert [finding.key for finding in found] == [
        "budget spent: pretrain",
        "zero gradient: two",
        "not finite: one",
    ]
    assert diagnose([]) == []


def test_it_watches_a_real_loop() -> None:
    theta = {"encoder": torch.ones(3, requires_grad=True)}
    omega = {"encoder": torch.ones(3, requires_grad=True)}
    loop = Loop(theta, omega, TapWeight(NAMES), solver=ConjugateGradient(iterations=3, damping=1.0))
    health = Health(NAMES)

    def loss(p: dict[str, Tensor]) -> Tensor:
        return (p["encoder"] ** 2).sum()

    for _ in range(5):
        health.observe(loop.step({"one": loss, "two": lambda p: 0 * p["encoder"].sum()}, loss, loss))
    assert {(finding.kind, finding.name) for finding in health.findings()} >= {("zero_gradient", "two")}
