"""Random numbers of weightings and solvers follow from the seed of the job."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from molweight import datasets
from molweight.options import Job
from molweight.runs import Run
from molweight.training import Session, fit
from molweight.training._resolve import create_solver
from molweight.training._weighting import weighting_options

SMALL = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["attribute_masking", "functional_groups"],
    init="scratch",
    steps=4,
    epochs=1,
    batch_size=16,
    task_batch_size=16,
    meta_batch_size=4,
    solve_batch_size=8,
    members=1,
    device="cpu",
)


def _fit(job: Job, **options: Any) -> Run:
    data = datasets.load("freesolv").subset(range(60))
    return fit(job, data, datasets.split(data, "random"), datasets.load_corpus("zinc", size=32), **options)


def _weights(run: Run) -> list[dict[str, float]]:
    return [record["weights"] for record in run.records]


@pytest.mark.parametrize("name", ["random", "pcgrad", "mgda", "upgrad"])
def test_the_seed_of_a_weighting_follows_from_the_job(name: str) -> None:
    one, same, other = (weighting_options(replace(SMALL, weighting=name, seed=seed))["seed"] for seed in (0, 0, 1))
    assert one == same != other
    assert weighting_options(replace(SMALL, weighting=name, weighting_options={"seed": 0}, seed=1)) == {"seed": 0}
    assert weighting_options(replace(SMALL, weighting="equal")) == {}


def test_the_seed_of_a_solver_follows_from_the_job() -> None:
    one, same, other = (create_solver(replace(SMALL, solver="nystrom", seed=seed)) for seed in (0, 0, 1))
    assert one == same != other
    given = [create_solver(replace(SMALL, solver="nystrom", solver_options={"seed": 7}, seed=seed)) for seed in (0, 1)]
    assert given[0] == given[1]
    assert create_solver(replace(SMALL, solver="cg", seed=0)) == create_solver(replace(SMALL, solver="cg", seed=1))


def test_random_weights_differ_between_seeds() -> None:
    job = replace(SMALL, weighting="random")
    runs = [_weights(_fit(replace(job, seed=seed))) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    given = [_weights(_fit(replace(job, seed=seed, weighting_options={"seed": 3}))) for seed in (0, 1)]
    assert given[0] == given[1]


class _StopError(RuntimeError):
    pass


class _StopsAt:
    def __init__(self, step: int) -> None:
        self.step = step

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        del values
        if (stage, step) == ("adaptive", self.step):
            raise _StopError


@pytest.mark.parametrize("changes", [{"weighting": "random"}, {"weighting": "pcgrad"}, {"solver": "nystrom"}])
def test_a_resumed_run_has_the_same_random_numbers(changes: dict[str, Any], tmp_path: Path) -> None:
    job = replace(SMALL, seed=5, **changes)
    with pytest.raises(_StopError):
        _fit(job, session=Session(tmp_path, seconds=0.0, callbacks=[_StopsAt(2)]))
    resumed, whole = _fit(job, resume=tmp_path), _fit(job)
    assert resumed.weights == whole.weights
    assert _weights(resumed) == _weights(whole)
