"""One run of a study, from its names to a row of the results."""

import platform
import time
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from molweight import datasets
from molweight.benchmark._classical import fit_classical
from molweight.benchmark._methods import Method, gradients_per_step, method_of
from molweight.benchmark._study import Job, Study
from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.training import TapWeight, search_weights

__all__ = ["RESULTS_VERSION", "do_job", "fixed_facts"]

RESULTS_VERSION: Final = 1
"""Raised whenever rows of an earlier version cannot stand beside new ones."""


def do_job(study: Study, job: Job) -> dict[str, Any]:
    """Run it.

    Args:
        study: What all runs have in common.
        job: Which one.

    Returns:
        The row: names, metric on ``select`` and ``test``, steps, gradients, seconds, peak memory, weights.
    """
    _forget_peak()
    data, method = datasets.load(job.table), method_of(job.method)
    splits = datasets.split(data, study.split, study.protocol, seed=job.seed)
    started = time.perf_counter()
    if method.kind == "classical":
        scores, tried = fit_classical(job.method, data, splits, job.seed)
        found: dict[str, Any] = {**scores, "settings": tried, "steps": 0, "gradients": 0.0, "weights": {}}
    else:
        found = _neural(study, method, study.base(job.seed), data, splits)
    return {
        **asdict(job),
        "metric": data.metric,
        **found,
        "seconds": time.perf_counter() - started,
        "peak_memory_mib": _peak(),
        "error": None,
    }


def _neural(study: Study, method: Method, base: TapWeight, data: MoleculeDataset, splits: Splits) -> dict[str, Any]:
    corpus = datasets.load_corpus(study.corpus, study.corpus_size)
    if method.kind == "search":
        steps = max(base.steps // study.trials, 1) if method.equal else base.steps
        search = search_weights(
            base.variant(weighting="equal", steps=steps),
            data,
            splits,
            corpus,
            method=method.search,
            trials=study.trials,
        )
        run, settings, taken = search.run, study.trials, search.steps
        gradients = taken * gradients_per_step(base.variant(weighting="equal"))
    else:
        job = matched(study, base.variant(**method.changes))
        run, settings = job.fit(data, splits, corpus), 1
        taken = job.steps if job.weighting != "none" else 0
        gradients = taken * gradients_per_step(job)
    return {
        "select": run.finetuning.best,
        "test": run.evaluate("test").value,
        "settings": settings,
        "steps": taken,
        "gradients": gradients,
        "weights": run.weights,
    }


def matched(study: Study, job: TapWeight) -> TapWeight:
    """The job with as many steps as its share of compute allows.

    Args:
        study: Whether steps or gradients are what is equal; the measure is equal weights.
        job: The job with the study's steps.

    Example:
        >>> study = Study(tables=["esol"], methods=["tapweight"], seeds=[0], job={"steps": 60}, match="gradients")
        >>> matched(study, study.base(0)).steps
        40
    """
    if study.match == "steps" or job.weighting == "none":
        return job
    budget = job.steps * gradients_per_step(job.variant(weighting="equal", weighting_options={}))
    return job.variant(steps=max(round(budget / gradients_per_step(job)), 1))


@lru_cache(maxsize=1)
def fixed_facts() -> dict[str, Any]:
    """What is the same for all runs of a process: versions and machine."""
    names = ("molweight", "torch", "torch-geometric", "rdkit", "scikit-learn", "numpy")
    return {
        "results_version": RESULTS_VERSION,
        "versions": {name: version(name) for name in names},
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}",
    }


def _forget_peak() -> None:
    """Let the peak of resident memory begin anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # another system: the peak is then that of the process so far
        return


def _peak() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
