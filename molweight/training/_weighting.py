"""Weighting of a job: its options, its initial weights, and the context in which its code runs."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from molweight.arguments import accepted_options
from molweight.errors import DataError, OptionError, mention
from molweight.mlo import weightings
from molweight.mlo.weightings import Weighting
from molweight.options import Job
from molweight.plugins import ForeignCode
from molweight.runs import load
from molweight.training._batches import generator_for

__all__ = ["create_weighting", "weighting_guard", "weighting_options", "with_seed"]

_LEAST_SHARE: Final = 1e-3
"""Minimum initial weight of an objective, as a fraction of the mean, because a weight of zero could never recover."""


def create_weighting(job: Job) -> Weighting:
    """The weighting with its options.

    Args:
        job: The options, with all objectives.

    Raises:
        ConfigError: If an option is invalid.
        TrainingError: If the code of a plug-in raises anything, with its file and line.
    """
    options = weighting_options(job)
    with weighting_guard(job.weighting)("__init__"):
        return weightings.create(job.weighting, list(job.objectives), **options)


def weighting_guard(name: str) -> Callable[[str], AbstractContextManager[None]]:
    """Creates the context in which the code of a weighting runs: that of a plug-in is named in messages.

    Args:
        name: Name of the weighting.
    """
    module = weightings.get(name).__module__
    if module.startswith("molweight."):
        return lambda _: nullcontext()
    file = getattr(sys.modules.get(module), "__file__", None)
    return lambda what: ForeignCode(f"weighting {name!r}, {what}", file)


def weighting_options(job: Job) -> dict[str, Any]:
    """Options of the job's weighting, with the weights of the run in ``weights_from`` and a seed from the job's.

    Objectives keep their proportions; a new objective gets the mean weight, and a removed one is dropped. ``fixed``
    uses these weights; rules that learn start from them; other rules ignore them.

    Args:
        job: The options, with all objectives.

    Raises:
        OptionError: If there is no such run, none of its objectives is in the job, or the weighting's own options set
            the initial weights.
    """
    rule = weightings.get(job.weighting)
    options = with_seed(rule, job.weighting_options, job.seed, "weighting")
    key = rule.prior_option
    if job.weights_from is None or not key:  # weightings without initial weights, such as the baseline "equal"
        return options
    if key in options:
        reason = f"sets the weights, and so does {mention(f'weighting_options.{key}')}"
        raise OptionError("weights_from", job.weights_from, reason, "Leave one of them out.")
    return {**options, key: _weights_for(job.objectives, job.weights_from)}


def _weights_for(objectives: Sequence[str], folder: str) -> dict[str, float]:
    """Initial weight per objective, from the weights of a run."""
    found = _weights_of(folder)
    known = [found[name] for name in objectives if name in found]
    if not known:
        reason = f"is a run with other objectives ({', '.join(found) or 'none weighted'})"
        raise OptionError("weights_from", folder, reason, "Leave weights_from out.")
    mean = sum(known) / len(known)
    start = {name: max(found.get(name, mean), _LEAST_SHARE * mean) for name in objectives}
    return {name: weight / sum(start.values()) for name, weight in start.items()}


def _weights_of(folder: str) -> dict[str, float]:
    try:
        return load(folder, device="cpu").weights
    except DataError as error:
        raise OptionError("weights_from", folder, f"cannot be read: {error}") from error


def with_seed(made: type, options: dict[str, Any], seed: int, stream: str) -> dict[str, Any]:
    """The options, with a seed that follows from the job's if the class has one and none is given."""
    if "seed" in options or "seed" not in accepted_options(made):
        return dict(options)
    return {**options, "seed": int(generator_for(seed, stream).integers(2**31))}
