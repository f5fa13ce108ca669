"""One run of a study, from its table, method and seed to a row of the results."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

import torch
from filelock import FileLock

from molweight import datasets
from molweight.benchmark._chemprop import CHEMPROP, fit_chemprop
from molweight.benchmark._classical import fit_classical
from molweight.benchmark._compute_budget import matched
from molweight.benchmark._methods import Method, gradients_per_step
from molweight.benchmark._peers import fit_peer
from molweight.benchmark._resources import Footprint, machine
from molweight.benchmark._study import Cell, Study
from molweight.datasets import Splits
from molweight.datasets.internal import higher_is_better
from molweight.devices import resolve_device
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import cache_root
from molweight.options import Job
from molweight.plugins import import_plugins
from molweight.runs import Run
from molweight.training import fit, generic_pretraining, resolve, search_weights, variant
from molweight.training.internal import HeldOut, with_sources

__all__ = ["RESULTS_VERSION", "fixed_facts", "run_cell"]

RESULTS_VERSION: Final = 2
"""Incremented whenever rows of an earlier version cannot be compared with new ones."""


def run_cell(study: Study, cell: Cell) -> dict[str, Any]:
    """Run one cell of a study.

    Args:
        study: The settings that all runs share.
        cell: The table, method and seed.

    Returns:
        The row: names, metric on ``select`` and ``test``, number of trials, cost (steps, gradients, seconds, peak
        memory of the process and of the GPU, if there is one), and weights. ``seconds`` is the time of the method with
        all its trials and settings; ``general_seconds`` the time of the shared generic pretraining, in the run that
        performed it; ``overhead_seconds`` the rest: reading, splitting.

    Raises:
        DataError: If the score is undefined.
    """
    entered = time.perf_counter()
    import_plugins(study.plugins, "plugins:")
    data, method = datasets.load(cell.table), study.method(cell.method)
    splits = datasets.split(data, study.split, study.protocol, seed=cell.seed)
    setting = _Setting(study, method, data, splits)
    classical = method.kind in ("classical", "peer")
    footprint = Footprint(torch.device("cpu") if classical else resolve_device(setting.job(cell.seed).device))
    waited, general = (0.0, 0.0) if classical else setting.share_pretraining(cell.seed)
    started = time.perf_counter()
    found = setting.classical(cell) if classical else setting.neural(cell.seed)
    ended = time.perf_counter()
    if not math.isfinite(found["test"]):
        raise DataError(f"{data.metric} is undefined on the test molecules of {data.name}: {found['test']}.")
    return {
        **fixed_facts(),
        **footprint.facts(),
        **asdict(cell),
        "metric": data.metric,
        **found,
        "seconds": ended - started,
        "general_seconds": general,
        "overhead_seconds": started - entered - general - waited,
        "error": None,
    }


@dataclass(frozen=True)
class _Tried:
    """One setting of a neural method: the run and its cost."""

    run: Run
    setting: Mapping[str, Any]
    trials: int
    steps: int
    gradients: float


@dataclass(frozen=True)
class _Setting:
    """The context of a run."""

    study: Study
    method: Method
    data: MoleculeDataset
    splits: Splits

    def job(self, seed: int) -> Job:
        """The options of the method, without settings."""
        return variant(self.study.base(seed), **self.method.changes)

    def corpus(self) -> MoleculeDataset:
        """The corpus of the study."""
        return datasets.load_corpus(self.study.corpus, self.study.corpus_size)

    def share_pretraining(self, seed: int) -> tuple[float, float]:
        """Seconds of waiting for another process, and of the shared generic pretraining, which is cached."""
        job = resolve(self.job(seed), self.data)
        asked = time.perf_counter()
        cache_root().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_root() / "pretrained.lock"):
            started = time.perf_counter()
            job, sources = with_sources(job, self.data, self.splits)
            held = HeldOut(self.data, self.splits, sources, cross_fitted=job.members != 1)
            generic_pretraining(job, self.corpus(), resolve_device(job.device), held=held)
        return started - asked, time.perf_counter() - started

    def classical(self, cell: Cell) -> dict[str, Any]:
        """A model without a graph, with as many settings as a neural method, at most four; a peer has one."""
        if self.method.kind == "peer":
            peer = fit_chemprop if cell.method in CHEMPROP else fit_peer
            scores, tried = peer(cell.method, self.data, self.splits, cell.seed), 1
        else:
            most = len(self.study.settings)
            scores, tried = fit_classical(cell.method, self.data, self.splits, cell.seed, most=most)
        return {**scores, "settings": tried, "trials": 0, "steps": 0, "gradients": 0.0, "weights": {}}

    def neural(self, seed: int) -> dict[str, Any]:
        """Every setting of the study; the one with the best score outside the test set is evaluated on it, once."""
        tried = [self._try(seed, setting) for setting in self.study.settings]
        sign = 1 if higher_is_better(self.data.metric or "") else -1
        best = max(tried, key=lambda found: sign * found.run.finetuning.best)
        return {
            "select": best.run.finetuning.best,
            "test": best.run.evaluate("test").value,
            "settings": len(tried),
            "setting": json.dumps(dict(best.setting)),
            "trials": sum(found.trials for found in tried),
            "steps": sum(found.steps for found in tried),
            "gradients": sum(found.gradients for found in tried),
            "weights": best.run.weights,
            **_out_of_fold(best.run),
        }

    def _try(self, seed: int, setting: Mapping[str, Any]) -> _Tried:
        base = variant(self.study.base(seed), **setting)
        return self._search(base, setting) if self.method.kind == "search" else self._fit(base, setting)

    def _search(self, base: Job, setting: Mapping[str, Any]) -> _Tried:
        trials = self.method.trials or self.study.trials
        job = variant(base, **{**self.method.changes, "weighting": "equal", "weighting_options": {}})
        if self.method.equal:
            job = variant(job, steps=max(job.steps // trials, 1))
        search = search_weights(job, self.data, self.splits, self.corpus(), method=self.method.search, trials=trials)
        return _Tried(search.run, setting, trials, search.steps, search.steps * gradients_per_step(job))

    def _fit(self, base: Job, setting: Mapping[str, Any]) -> _Tried:
        corpus = self.corpus()
        job = matched(self.study, variant(base, **{**self.method.changes, **setting}), self.data, self.splits, corpus)
        run = fit(job, self.data, self.splits, corpus)
        taken = job.steps if job.weighting != "none" else 0
        return _Tried(run, setting, 1, taken, taken * gradients_per_step(job))


def _out_of_fold(run: Run) -> dict[str, Any]:
    """The out-of-fold score of an ensemble with its interval, the weights of its parts, and the expected test score."""
    found = run.finetuning.cross_fitting
    if not found:
        return {}
    at, test = found["scores"]["ensemble"], found["test"]
    return {
        "out_of_fold": at["value"],
        "low": at["low"],
        "high": at["high"],
        "expected_low": test.get("low"),
        "expected_high": test.get("high"),
        "parts": json.dumps(found["weights"]),
    }


@lru_cache(maxsize=1)
def fixed_facts() -> dict[str, Any]:
    """Versions and machine, which all runs of a process share."""
    names = ("molweight", "torch", "torch-geometric", "rdkit", "scikit-learn", "numpy")
    return {
        "results_version": RESULTS_VERSION,
        "versions": {name: version(name) for name in names},
        "machine": machine(torch.device("cpu")),
    }
