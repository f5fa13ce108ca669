"""Random search and TPE over fixed weights."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pytest

from molweight.datasets import Splits, split
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training import fit, search_weights, variant
from molweight.training._search import _sampler

NAMES = ["attribute_masking", "functional_groups"]


@pytest.fixture(scope="module")
def quick(job: Job) -> Job:
    return variant(job, objectives=NAMES, init="scratch", steps=2, epochs=1)


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_trial_is_a_run_with_fixed_weights(
    method: Literal["random", "tpe"], quick: Job, data: MoleculeDataset, splits: Splits
) -> None:
    search = search_weights(quick, data, splits, method=method, trials=3)
    assert [trial.number for trial in search.trials] == [0, 1, 2]
    assert search.best.select == min(trial.select for trial in search.trials)  # freesolv: an error, so the least
    assert search.run.weights == pytest.approx(search.best.weights)
    assert search.run.finetuning.best == search.best.select
    again = fit(variant(quick, weighting="fixed", weighting_options={"weights": search.best.weights}), data, splits)
    assert again.finetuning.best == search.best.select


def test_the_metric_of_the_job_says_which_trial_is_best(quick: Job, data: MoleculeDataset, splits: Splits) -> None:
    search = search_weights(variant(quick, select_metric="r2"), data, splits, method="random", trials=3)
    assert search.best.select == max(trial.select for trial in search.trials)  # the table's metric is an error
    assert search.run.finetuning.metric == "r2"


def test_every_trial_is_counted(quick: Job, data: MoleculeDataset, splits: Splits) -> None:
    search = search_weights(quick, data, splits, method="random", trials=3)
    assert search.steps == 3 * quick.steps
    assert search.seconds == pytest.approx(sum(trial.seconds for trial in search.trials))
    assert min(trial.seconds for trial in search.trials) > 0


def test_an_interrupted_search_ends_like_an_uninterrupted_one(
    quick: Job, data: MoleculeDataset, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search_weights(quick, data, splits, method="tpe", trials=4)
    count = iter(range(10))

    def interrupted(*args: Any, **options: Any) -> Any:
        if next(count) == 2:
            raise KeyboardInterrupt
        return fit(*args, **options)

    journal = tmp_path / "trials.log"
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["molweight.training._search"], "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search_weights(quick, data, splits, method="tpe", trials=4, journal=journal)
    resumed = search_weights(quick, data, splits, method="tpe", trials=4, journal=journal)
    assert [(trial.weights, trial.select) for trial in resumed.trials] == [
        (trial.weights, trial.select) for trial in whole.trials
    ]
    assert resumed.run.finetuning == whole.run.finetuning


def test_tpe_looks_at_scores_within_a_short_search() -> None:
    """Of few trials, those after the first two depend on what the others scored."""

    def third(scores: Sequence[float]) -> float:
        study, drawn = optuna.create_study(), 0.0
        for number in range(3):
            study.sampler = _sampler("tpe", 0, number)
            trial = study.ask()
            drawn = trial.suggest_float("x", 0, 1)
            if number < len(scores):
                study.tell(trial, scores[number])
        return drawn

    assert third([0.0, 1.0]) != third([1.0, 0.0])


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_the_largest_seed_of_a_job_can_be_used(method: str) -> None:
    study = optuna.create_study()
    study.sampler = _sampler(method, 2**32 - 1, 3)
    assert 0 < study.ask().suggest_float("x", 0, 1) < 1


def test_random_weights_are_uniform_on_the_simplex() -> None:
    import optuna

    from molweight.training._search import _sampler, _simplex

    job, drawn = Job(objectives=[*NAMES, "graphcl"]), []
    study = optuna.create_study()
    for number in range(400):
        study.sampler = _sampler("random", 0, number)
        trial = study.ask()
        uniform = {name: trial.suggest_float(name, 1e-6, 1 - 1e-6) for name in job.objectives}
        drawn.append(list(_simplex(job, uniform).values()))
    values = np.array(drawn)
    assert np.allclose(values.sum(axis=1), 1)
    # Dirichlet(1, 1, 1): mean 1/3, variance 1/18.
    assert np.allclose(values.mean(axis=0), 1 / 3, atol=4 * math.sqrt(1 / 18 / 400))
    assert np.allclose(values.var(axis=0), 1 / 18, atol=0.015)


def test_what_cannot_be_searched_is_refused(quick: Job, data: MoleculeDataset, splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trials=0"):
        search_weights(quick, data, splits, trials=0)
    with pytest.raises(ConfigError, match="Methods: random, tpe"):
        search_weights(quick, data, splits, method="grid")  # type: ignore[arg-type] # the point of the test
    journal = tmp_path / "trials.log"
    search_weights(quick, data, splits, method="random", trials=1, journal=journal)
    with pytest.raises(ConfigError, match="another search"):
        search_weights(variant(quick, steps=3), data, splits, method="random", trials=1, journal=journal)


def test_a_journal_belongs_to_one_split_and_corpus(
    quick: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    journal = tmp_path / "trials.log"
    first = search_weights(quick, data, splits, corpus, method="random", trials=1, journal=journal)
    with pytest.raises(ConfigError, match=r"another search \(data differs\)"):
        search_weights(quick, data, split(data, "random", seed=7), corpus, method="random", trials=1, journal=journal)
    with pytest.raises(ConfigError, match=r"another search \(corpus differs\)"):
        search_weights(quick, data, splits, corpus.subset(range(64)), method="random", trials=1, journal=journal)
    again = search_weights(quick, data, splits, corpus, method="random", trials=1, journal=journal)
    assert again.trials == first.trials
