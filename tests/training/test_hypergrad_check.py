"""Solvers against the reference on a tiny GIN, 32 molecules, float64."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from molweight.datasets import Splits
from molweight.diagnostics import HypergradCheck, default_candidates, hypergrad_check
from molweight.diagnostics import _hypergrad_check as module
from molweight.diagnostics._hypergrad_check import kendall
from molweight.diagnostics._problem import draw_problem
from molweight.errors import ConfigError, UnknownNameError
from molweight.graphs import MoleculeDataset
from molweight.mlo import Params, solvers
from molweight.mlo.solvers import MinresReference
from molweight.options import Job
from molweight.training import fit
from molweight.training._resolve import resolve_init
from molweight.training.internal import HeldOut

TINY = Job(
    solver="cg",
    solver_options={"iterations": 5, "damping": 0.1},
    encoder_options={"layers": 1, "width": 2},
    weighting_options={"confidence": 0.0},  # moves at the first hypergradient
    objectives=["functional_groups", "graphcl"],
    pretrain_steps=2,
    hypergradient_interval=2,
    proximal_strength=0.5,
    batch_size=32,
    solve_batch_size=32,
    task_batch_size=32,
    meta_batch_size=32,
    device="cpu",
)
FEW = replace(TINY, objectives=["edge_prediction", "graphcl"])
"""With heads of few variables: the dense answer takes as many products."""
CANDIDATES = [("cg", {"iterations": 5}), ("identity", {})]


@pytest.fixture(scope="module")
def exact(data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> HypergradCheck:
    """Against the dense answer."""
    return hypergrad_check(
        FEW, data, splits, corpus, points=(0,), dampings=[5.0], candidates=[("dense", {}), *CANDIDATES]
    )


@pytest.fixture(scope="module")
def along(data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> HypergradCheck:
    """Along a run, against MINRES."""
    return hypergrad_check(
        TINY, data, splits, corpus, points=(3, 0), candidates=CANDIDATES, limit=0, iterations=60, tolerance=1e-11
    )


def test_the_exact_solver_agrees_with_the_reference(exact: HypergradCheck) -> None:
    (point,) = exact.points
    dense = point.solvers[0]
    assert dense.solver == "dense damping=5.0"
    assert dense.relative_error < 1e-8
    assert dense.cosine == pytest.approx(1, abs=1e-12)
    assert dense.kendall == 1
    assert {level.spectrum.method for level in point.levels} == {"dense"}


def test_the_safe_damping_makes_both_levels_definite(along: HypergradCheck) -> None:
    assert [point.step for point in along.points] == [0, 0, 3, 3]
    for plain, safe in zip(along.points[::2], along.points[1::2], strict=True):
        assert plain.damping == 0.1
        assert any(level.spectrum.indefinite for level in plain.levels)
        assert not any(level.spectrum.indefinite for level in safe.levels)
        assert all(level.spectrum.residual < 1e-9 for level in safe.levels)
        assert safe.damping > 0.1


def test_the_identity_row_is_the_closed_form(
    along: HypergradCheck, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    run = module._start(resolve_init(TINY), HeldOut(data, splits), corpus, progress=False)
    problem = draw_problem(TINY, run, data, splits, torch.float64)
    theta, omega = (_leaves(model) for model in (run.model, run.task.model))
    v = dict(zip(omega, torch.autograd.grad(problem.meta(omega), list(omega.values())), strict=True))
    for name, loss in problem.objectives.items():
        parts = torch.autograd.grad(loss(theta), list(theta.values()), materialize_grads=True, allow_unused=True)
        g = dict(zip(theta, parts, strict=True))
        alignment = sum(float((g[key] * v[key]).sum()) for key in g if key in v)
        row = next(row for row in along.points[0].solvers if row.solver == "identity")
        assert row.hypergradient[name] == pytest.approx(-2 * TINY.proximal_strength * alignment, rel=1e-10)
        assert row.products == {"finetune": 0, "pretrain": 0}
        assert row.gradients == 0


def test_the_gradients_are_on_the_molecules_that_training_takes_them_on(
    data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    job = resolve_init(replace(TINY, align_on="own", solve_batch_size=16))
    run = module._start(job, HeldOut(data, splits), corpus, progress=False)
    problem = draw_problem(job, run, data, splits, torch.float64)
    place = module._Place.of(problem, run, torch.float64)
    found = place.answer(solvers.create("identity"))[1]
    on_own = replace(problem, objectives=problem.mixed, mixed={})
    assert run.corpus.own is not None
    assert problem.molecules["own"] == len(run.corpus.own.batches.next()) == job.batch_size
    assert problem.molecules["corpus"] == job.solve_batch_size
    torch.testing.assert_close(found, replace(place, problem=on_own).answer(solvers.create("identity"))[1])
    on_corpus = replace(problem, mixed={})
    assert not torch.allclose(found, replace(place, problem=on_corpus).answer(solvers.create("identity"))[1], rtol=0.1)


def _leaves(model: torch.nn.Module) -> Params:
    return {name: tensor.detach().double().requires_grad_() for name, tensor in model.named_parameters()}


def test_the_point_is_the_one_at_which_training_takes_its_hypergradient(
    along: HypergradCheck, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    """Level 2 at its running average, not at its last iterate, which is elsewhere."""
    run = module._start(resolve_init(TINY), HeldOut(data, splits), corpus, progress=False)
    problem = draw_problem(TINY, run, data, splits, torch.float64)
    run.run(3)
    point = run.loop.point().to(torch.float64)
    losses = problem.objectives, problem.train, problem.meta
    expected = run.loop.hypergradient(*losses, at=point, solver=solvers.create("identity")).value["weights"]
    row = next(row for row in along.points[2].solvers if row.solver == "identity")
    torch.testing.assert_close(torch.tensor(list(row.hypergradient.values())), expected.float())
    last = replace(point, variables=(point.variables[0], _leaves(run.task.model)))
    other = run.loop.hypergradient(*losses, at=last, solver=solvers.create("identity")).value["weights"]
    assert not torch.allclose(other, expected, rtol=1e-3)


def test_the_answers_do_not_depend_on_the_order_of_the_solvers(
    along: HypergradCheck, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    again = hypergrad_check(
        TINY, data, splits, corpus, points=(0,), candidates=CANDIDATES[::-1], limit=0, iterations=60, tolerance=1e-11
    )
    for one, two in zip(along.points[:2], again.points, strict=True):
        assert one.reference == two.reference
        assert [row.solver for row in one.solvers] != [row.solver for row in two.solvers]
        answers = {row.solver: row.hypergradient for row in one.solvers}
        assert all(answers[row.solver] == row.hypergradient for row in two.solvers)


def test_the_run_is_the_jobs_own(
    along: HypergradCheck, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    run = fit(replace(TINY, steps=4, epochs=0), data, splits, corpus)
    assert along.points[2].weights == pytest.approx(run.records[3]["weights"], abs=1e-12)
    assert along.points[2].weights["graphcl"] != 0.5


def test_minres_agrees_with_the_dense_reference(
    exact: HypergradCheck, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    again = hypergrad_check(
        FEW, data, splits, corpus, points=(0,), dampings=[5.0], candidates=[], limit=0, tolerance=1e-11
    )
    assert {level.spectrum.method for level in again.points[0].levels} == {"minres"}
    assert again.points[0].reference == pytest.approx(exact.points[0].reference, rel=1e-8)


def test_the_jobs_own_solver_is_always_there(along: HypergradCheck) -> None:
    shown = [row.solver for row in along.points[1].solvers]
    assert shown[-1] == "cg iterations=5 damping=0.1"
    assert len(shown) == 3
    assert len(along.points[0].solvers) == 2  # there it is one of the candidates


def test_cost_counts_the_products(along: HypergradCheck) -> None:
    point = along.points[1]
    row = point.solvers[0]
    multiple = {level.level: level.multiple for level in point.levels}
    assert row.solver.startswith("cg iterations=5")
    assert all(1 <= count <= 5 for count in row.products.values())
    assert row.gradients == pytest.approx(sum(count * multiple[level] for level, count in row.products.items()))
    assert row.seconds > 0


def test_the_result_is_json_and_a_table(along: HypergradCheck) -> None:
    values = json.loads(json.dumps(along.as_dict()))
    assert values["points"][0]["levels"][0]["multiple"] > 0
    assert values["points"][3]["solvers"][1]["solver"] == "identity"
    text = along.table()
    assert text.count("\nafter 3 steps") == 2
    assert "float64" in text
    assert "not converged" not in text.split("after 0 steps, ")[2]
    assert "indefinite with the damping" in text
    assert "positive definite with the damping" in text


def test_the_verdict_names_no_solver_without_a_direction(along: HypergradCheck) -> None:
    first, second = along.points[-1].solvers[:2]
    undefined = replace(first, cosine=float("nan"))
    point = replace(along.points[-1], solvers=[undefined, replace(second, solver="second", cosine=0.5)])
    assert "closest is second (0.50)" in replace(along, points=[point]).verdict()
    point = replace(point, solvers=[undefined])
    assert "no solver gave a hypergradient" in replace(along, points=[point]).verdict()


def test_the_verdict_leads_with_the_default_solver_at_the_damping_of_a_reliable_reference(
    along: HypergradCheck,
) -> None:
    plain, safe = along.points[-2:]
    other, identity = safe.solvers[:2]
    safe = replace(safe, solvers=[replace(other, solver="cg", cosine=0.97), replace(identity, cosine=-0.2)])
    plain = replace(plain, solvers=[replace(identity, cosine=0.95)])
    for points in ([plain, safe], [safe, plain]):
        verdict = replace(along, points=points).verdict()
        assert verdict.startswith(
            f"verdict after 3 steps, with damping {safe.damping:g}: identity, the default, points against the "
            "reference (cosine -0.20); closest is cg (0.97). Use cg. With damping 0.1 identity is close to the "
            "reference (cosine 0.95), but that reference is indefinite ("
        )
    same = replace(plain, solvers=[replace(identity, cosine=-0.3)])
    assert "With damping 0.1" not in replace(along, points=[same, safe]).verdict()


def test_the_table_says_that_the_identity_solves_no_system(along: HypergradCheck) -> None:
    lines = [line for line in along.table().splitlines() if line.startswith("identity  ")]
    assert {line.split("  ")[-1] for line in lines} == {"no system solved"}


def test_of_solvers_that_are_equally_close_the_cheapest_is_named(along: HypergradCheck) -> None:
    """The cosines of two objectives are 1 or -1, and which one is largest is decided by rounding."""
    point = along.points[-1]
    assert [abs(row.cosine) for row in point.solvers] == pytest.approx([1.0] * len(point.solvers))
    dear, cheap, far = (
        replace(point.solvers[0], solver=name, cosine=cosine, gradients=gradients)
        for name, cosine, gradients in (("dear", 1.0, 20.0), ("cheap", 1 - 1e-15, 2.0), ("far", 0.95, 0.0))
    )
    verdict = replace(along, points=[replace(point, solvers=[dear, cheap, far])]).verdict()
    assert "closest is cheap (1.00). Use cheap. With two objectives only the sign" in verdict
    worse = replace(cheap, solver="worse", relative_error=2 * cheap.relative_error)
    weights = {"one": 0.3, "two": 0.3, "three": 0.4}
    verdict = replace(along, points=[replace(point, solvers=[worse, dear, cheap], weights=weights)]).verdict()
    assert verdict.endswith("closest is cheap (1.00). Use cheap.")


def test_the_verdict_on_two_objectives_is_the_cheapest_of_the_right_sign(along: HypergradCheck) -> None:
    point = along.points[-1]
    right = [row for row in point.solvers if row.cosine > 0]
    cheapest = min(right, key=lambda row: (row.gradients, row.relative_error))
    assert f"closest is {cheapest.solver} (1.00)" in along.verdict()
    assert along.verdict().endswith("name a third to compare directions.")


def test_a_product_that_is_not_finite_is_reported(along: HypergradCheck) -> None:
    point = along.points[-1]
    reference = MinresReference(limit=0)
    reference.solve(lambda v: v * float("nan"), torch.ones(3))
    broken = replace(point.levels[0], spectrum=reference.spectra[0])
    undefined = replace(point.solvers[0], cosine=float("nan"))
    check = replace(along, points=[replace(point, levels=[broken, point.levels[1]], solvers=[undefined])])
    assert f"{broken.level}: 3 variables, minres: a product is not finite" in check.table()
    assert f"none, because a product with the curvature is not finite ({broken.level})" in check.verdict()


def test_objectives_from_tables_count(data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> None:
    job = replace(TINY, objectives=["graphcl"], aux=["esol"], solver="identity", solver_options={})
    found = hypergrad_check(
        job, data, splits, corpus, points=(0,), dampings=[9.0], candidates=[], limit=0, iterations=2
    )
    assert set(found.points[0].weights) == {"graphcl", "source:esol"}
    many = replace(job, weighting_options={"prior": [0.2, 0.3, 0.5]})
    with pytest.raises(ConfigError, match="got 3 weights for 2 objectives"):
        hypergrad_check(many, data, splits, corpus, points=(0,))


def test_kendall_is_that_of_pandas() -> None:
    generator = torch.Generator().manual_seed(1)
    for size in (2, 3, 7):
        one, two = torch.randn(2, size, generator=generator)
        expected = pd.Series(one.numpy()).corr(pd.Series(two.numpy()), method="kendall")
        assert kendall(one, two) == pytest.approx(expected)


def test_default_candidates_hold_every_solver_but_the_dense_one() -> None:
    assert {name for name, _ in default_candidates()} >= {"identity", "neumann", "cg", "nystrom"}
    assert "dense" not in {name for name, _ in default_candidates()}


@pytest.mark.parametrize(
    ("job", "options", "expected"),
    [
        (TINY, {"points": ()}, "points="),
        (TINY, {"points": (-1,)}, "none negative"),
        (TINY, {"dampings": ("safe",)}, "must be a finite number"),
        (TINY, {"dampings": (-1.0,)}, "must be a finite number"),
        (TINY, {"dampings": (math.nan,)}, "must be a finite number"),
        (TINY, {"dampings": (1.0, math.inf)}, "must be a finite number"),
        (TINY, {"candidates": [("cg", {"iteration": 5})]}, "has no option 'iteration'"),
        (TINY, {"tolerance": 2.0}, "tolerance"),
        (replace(TINY, objectives=["graphcl"]), {}, "at least two objectives"),
        (replace(TINY, weighting="equal", weighting_options={}), {}, "trains no finetuning level"),
        (replace(TINY, weighting="none"), {}, "trains no finetuning level"),
        (replace(TINY, weighting="bilevel"), {}, "trains no finetuning level"),
    ],
)
def test_impossible_checks_are_refused(  # noqa: PLR0917 (parameters and fixtures)
    job: Job,
    options: dict[str, object],
    expected: str,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset,
) -> None:
    with pytest.raises(ConfigError, match=expected):
        hypergrad_check(job, data, splits, corpus, **({"points": (0,)} | options))  # type: ignore[arg-type]  # on purpose


def test_unknown_solver_is_answered_with_the_nearest(
    data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'neumann'"):
        hypergrad_check(TINY, data, splits, corpus, points=(0,), candidates=[("neuman", {})])
