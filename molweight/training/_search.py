"""Search over fixed weights, as a comparison for learned weights; the cost of every trial counts."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from molweight._progress import with_progress
from molweight.datasets import Splits
from molweight.datasets.internal import higher_is_better
from molweight.devices import resolve_device
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run
from molweight.training._fit import describe_job, fit
from molweight.training._resolve import check_job, variant, with_metric
from molweight.training._sources import with_parts, with_sources

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as OptunaTrial

__all__ = ["SearchMethod", "Trial", "WeightSearch", "search_weights"]

SearchMethod: TypeAlias = Literal["random", "tpe"]
_METHODS: Final = ("random", "tpe")
_STARTUP: Final = 2
"""Number of random trials of TPE before it uses scores; with optuna's 10, a short search would have no others."""
_LEAST: Final = 1e-6
"""Minimum sampled share, so that its logarithm is finite."""


@dataclass(frozen=True)
class Trial:
    """A trial with one set of fixed weights.

    Args:
        number: Position in the search, from 0.
        weights: Weight per objective.
        select: The table's metric on ``select``; the test set is not used.
        seconds: Cost of the trial: adaptive pretraining and finetuning.
        steps: Number of steps of adaptive pretraining.
    """

    number: int
    weights: dict[str, float]
    select: float
    seconds: float
    steps: int


@dataclass(frozen=True)
class WeightSearch:
    """The result of a search, and its cost.

    Args:
        method: ``"random"`` or ``"tpe"``.
        trials: All trials, in order.
        best: The trial with the best metric on ``select``.
        run: The run of the best trial.
    """

    method: SearchMethod
    trials: list[Trial]
    best: Trial
    run: Run

    @property
    def seconds(self) -> float:
        """Cost of the search: the seconds of all its trials, not only of the best."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def steps(self) -> int:
        """Steps of adaptive pretraining of all trials."""
        return sum(trial.steps for trial in self.trials)


def search_weights(
    job: Job,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset | None = None,
    *,
    method: SearchMethod = "tpe",
    trials: int = 20,
    journal: str | Path | None = None,
    progress: bool = False,
) -> WeightSearch:
    """Try fixed weights, each with a full run, and keep those with the best metric on ``select``.

    Weights are uniform on the simplex: normalised ``-log u_k`` with ``u_k`` uniform in (0, 1). ``"random"`` samples
    them independently; ``"tpe"`` samples them from optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS
    2011), after two random trials. Generic pretraining is shared by all trials and cached.

    Args:
        job: The job; its weighting is replaced by ``"fixed"``, and ``weights_from`` is not used.
        data: The labelled table.
        splits: Its roles; ``test`` is not used.
        corpus: Unlabelled molecules, as in :func:`molweight.fit`.
        method: How weights are proposed.
        trials: Number of trials.
        journal: File to which every finished trial is written immediately; with an existing file, a search continues
            after the last trial and gives the same result as without an interruption.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        All trials, the best, and its run.

    Raises:
        ConfigError: If ``method`` or ``trials`` is out of range, optuna is not installed, or the journal belongs to
            a search with other options, molecules or roles.
        TrainingError: If a loss stops being finite.

    Example:
        >>> from molweight import datasets
        >>> data = datasets.load("freesolv")
        >>> small = Job(
        ...     encoder_options={"layers": 2, "width": 16},
        ...     objectives=["attribute_masking", "functional_groups"],
        ...     init="scratch",
        ...     steps=2,
        ...     epochs=1,
        ...     batch_size=32,
        ... )
        >>> search = search_weights(small, data, datasets.split(data), method="random", trials=2)
        >>> len(search.trials), search.steps, search.best in search.trials
        (2, 4, True)
    """
    _check(method, trials)
    job, sources = with_sources(check_job(job), data, splits)
    data = with_metric(job, data)
    corpus = data.subset(splits.train) if corpus is None else corpus
    job = with_parts(job, corpus)
    about = describe_job(job, data, splits, corpus, resolve_device(job.device), sources=sources)
    study = _study({"method": method, **about}, data, journal)
    runs: dict[int, Run] = {}
    for number in _numbers(len(_finished(study)), trials, progress=progress):
        study.sampler = _sampler(method, job.seed, number)
        asked = study.ask()
        runs = _better(study, asked, _fit(job, asked, data, splits, corpus), runs)
    done = [_read(job, number, trial) for number, trial in enumerate(_finished(study)[:trials])]
    choose = max if study.direction.name == "MAXIMIZE" else min
    best = choose(done, key=lambda trial: trial.select)
    run = runs.get(best.number) or fit(variant(job, **_fixed(best.weights)), data, splits, corpus)
    return WeightSearch(method, done, best, run)


def _finished(study: "Study") -> "list[FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _check(method: str, trials: int) -> None:
    if method not in _METHODS:
        raise OptionError("method", method, "is unknown", f"Methods: {', '.join(_METHODS)}.")
    if trials < 1:
        raise OptionError("trials", trials, "must be at least 1")


def _numbers(done: int, trials: int, *, progress: bool) -> Iterator[int]:
    return with_progress(range(done, trials), "search for weights" if progress else None, "trials", total=trials - done)


def _study(about: Mapping[str, Any], data: MoleculeDataset, journal: str | Path | None) -> "Study":
    """A study in memory, or one written to ``journal`` trial by trial, with a description of its inputs."""
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
        from optuna.study import StudyDirection
    except ImportError as error:
        raise ConfigError("searching weights needs optuna: pip install 'molweight[baselines]'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    backend = None
    if journal is not None:
        backend = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    higher = data.metric is not None and higher_is_better(data.metric)
    direction = StudyDirection.MAXIMIZE if higher else StudyDirection.MINIMIZE
    study = optuna.create_study(storage=backend, study_name="weights", direction=direction, load_if_exists=True)
    _claim(study, about, journal)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # interrupted trials are repeated
    return study


def _claim(study: "Study", about: Mapping[str, Any], journal: str | Path | None) -> None:
    """Mark a new study with a description of its search; refuse a study of another search."""
    for key, value in json.loads(json.dumps(about)).items():  # as it is read from a journal
        found = study.user_attrs.get(key)
        if found is None:
            study.set_user_attr(key, value)
        elif found != value:
            raise ConfigError(f"{journal}: its trials belong to another search ({key} differs). Name another journal.")


def _sampler(method: str, seed: int, number: int) -> "BaseSampler":
    """A sampler that depends only on the seed and the trial, so that a resumed search proposes the same weights."""
    from optuna.samplers import RandomSampler, TPESampler

    own = (1_000_003 * seed + number) % 2**32  # the limit of NumPy's generator
    return RandomSampler(seed=own) if method == "random" else TPESampler(seed=own, n_startup_trials=_STARTUP)


def _fixed(weights: dict[str, float]) -> dict[str, Any]:
    return {"weighting": "fixed", "weighting_options": {"weights": list(weights.values())}, "weights_from": None}


def _simplex(job: Job, uniform: Mapping[str, float]) -> dict[str, float]:
    sizes = [-math.log(uniform[name]) for name in job.objectives]
    return {name: size / sum(sizes) for name, size in zip(job.objectives, sizes, strict=True)}


def _fit(
    job: Job,
    asked: "OptunaTrial",
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset | None,
) -> Run:
    """The run with the sampler's weights; its cost is stored in the trial."""
    uniform = {name: asked.suggest_float(name, _LEAST, 1 - _LEAST) for name in job.objectives}
    started = time.perf_counter()
    run = fit(variant(job, **_fixed(_simplex(job, uniform))), data, splits, corpus)
    asked.set_user_attr("seconds", time.perf_counter() - started)
    return run


def _better(study: "Study", asked: "OptunaTrial", run: Run, kept: dict[int, Run]) -> dict[int, Run]:
    """Report the run's metric to the study; keep the run if it is the best so far."""
    value = run.finetuning.best
    if not math.isfinite(value):
        raise DataError(
            f"'select' cannot be scored ({run.finetuning.metric} is {value}). Choose another split or seed."
        )
    number = len(_finished(study))
    study.tell(asked, value)
    return {number: run} if study.best_trial.number == asked.number else kept


def _read(job: Job, number: int, trial: "FrozenTrial") -> Trial:
    value = math.nan if trial.value is None else trial.value
    return Trial(number, _simplex(job, trial.params), value, trial.user_attrs["seconds"], job.steps)
