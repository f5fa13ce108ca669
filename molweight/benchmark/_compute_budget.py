"""Equal compute: the number of steps that a method may take if gradients or seconds are matched."""

import math
import time
from typing import Final

from molweight.benchmark._methods import gradients_per_step
from molweight.benchmark._study import Study
from molweight.datasets import Splits
from molweight.devices import resolve_device
from molweight.graphs import MoleculeDataset
from molweight.mlo import weightings
from molweight.options import Job
from molweight.training import generic_pretraining, resolve, variant
from molweight.training.internal import HeldOut, adaptive_pretraining, with_sources

__all__ = ["matched", "seconds_per_step"]

_ROUNDING: Final = 1e-9
"""Tolerated rounding error of a product that should be an integer."""


def matched(study: Study, job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> Job:
    """The job with as many steps as the compute budget of equal weights allows, at least up to one hypergradient.

    Args:
        study: The study, with the quantity to match: steps, gradients or seconds.
        job: The job with the study's steps.
        data: The table.
        splits: Its roles.
        corpus: The pretraining corpus.
    """
    if study.match == "steps" or job.weighting == "none":
        return job
    equal = variant(job, weighting="equal", weighting_options={})
    if study.match == "gradients":
        share = gradients_per_step(equal) / gradients_per_step(job)
    else:
        share = seconds_per_step(equal, data, splits, corpus) / seconds_per_step(job, data, splits, corpus)
    least = job.hypergradient_interval if weightings.get(job.weighting).needs.task else 1
    return variant(job, steps=max(math.floor(job.steps * share + _ROUNDING), least))


def seconds_per_step(job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> float:
    """Mean duration of a step of adaptive pretraining, over whole periods of the hypergradient and at least 10 steps.

    Args:
        job: The job; its own models are not trained.
        data: The table.
        splits: Its roles.
        corpus: The pretraining corpus.
    """
    job, device = resolve(job, data), resolve_device(job.device)
    job, sources = with_sources(job, data, splits)
    model, prepared = generic_pretraining(job, corpus, device, held=HeldOut(data, splits, sources))
    setup = adaptive_pretraining(job, model, prepared, data, splits, device=device)
    periods = -(-10 // job.hypergradient_interval)
    for _ in range(job.hypergradient_interval):  # skipped because the first hypergradient is slower
        setup.step()
    started = time.perf_counter()
    for _ in range(periods * job.hypergradient_interval):
        setup.step()
    return (time.perf_counter() - started) / (periods * job.hypergradient_interval)
