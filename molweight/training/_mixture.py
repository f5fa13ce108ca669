"""The learned mixture of an earlier run as the start of a new one."""

from typing import Any, Final

from molweight.errors import DataError, OptionError, mention
from molweight.options import Job
from molweight.runs import load

__all__ = ["weighting_options"]

_LEAST: Final = 1e-3
"""Weight that an objective starts with at least, as a share of the mean: one of zero could never come back."""


def weighting_options(job: Job) -> dict[str, Any]:
    """Options of the job's weighting, with the weights of the run that ``weights_from`` names.

    Objectives keep the proportions that they had to each other; one that is new has the mean weight, and one that is
    gone is left out. For ``fixed`` these are the weights; the rules that learn start from them; others have no start.

    Args:
        job: The options, with all objectives.

    Raises:
        OptionError: If there is no such run, none of its objectives is in the job, or the weighting's own options give
            its start.
    """
    key = {"fixed": "weights", "tapweight": "prior", "bilevel": "prior", "alignment": "prior"}.get(job.weighting)
    if job.weights_from is None or key is None:  # what learns from no start, such as the baseline "equal"
        return dict(job.weighting_options)
    if key in job.weighting_options:
        reason = f"gives the weights that {mention(f'weighting_options.{key}')} gives as well"
        raise OptionError("weights_from", job.weights_from, reason, "Leave one of them out.")
    found = _weights(job.weights_from)
    known = [found[name] for name in job.objectives if name in found]
    if not known:
        reason = f"is a run with other objectives ({', '.join(found) or 'none that was weighted'})"
        raise OptionError("weights_from", job.weights_from, reason, "Leave weights_from out.")
    mean = sum(known) / len(known)
    start = {name: max(found.get(name, mean), _LEAST * mean) for name in job.objectives}
    return {**job.weighting_options, key: {name: weight / sum(start.values()) for name, weight in start.items()}}


def _weights(folder: str) -> dict[str, float]:
    try:
        return load(folder, device="cpu").weights
    except DataError as error:
        raise OptionError("weights_from", folder, f"cannot be read: {error}") from error
