"""Learned options of a job's objectives: validation, and the buffers that hold them."""

from collections.abc import Mapping, Sequence

import torch

from molweight.errors import OptionError
from molweight.mlo.internal import LearnedOption, OptionLearner
from molweight.models import Pretrainer
from molweight.objectives import Objective, get
from molweight.options import Job

__all__ = ["check_learned", "option_learner", "renamed_for_parts"]


def check_learned(job: Job) -> None:
    """Reject options that cannot be learned.

    Args:
        job: Its option ``learn`` names them, ``OBJECTIVE.OPTION``.

    Raises:
        OptionError: If the job has no such objective, or its loss is not a differentiable function of the option.
    """
    known = [f"{name}.{option}" for name in job.objectives for option in get(name).learnable]
    for name in job.learn:
        objective, _, option = name.rpartition(".")
        if name in known:
            continue
        if objective not in job.objectives:
            reason = "names no option of an objective of this job"
        else:
            reason = f"cannot be learned: the loss of {objective} is not a differentiable function of {option!r}"
        remedy = "No objective of this job has an option that can be learned."
        if known:
            remedy = f"Options that can be learned: {', '.join(known)}."
        raise OptionError("learn", name, reason, remedy)


def renamed_for_parts(learn: Sequence[str], copies: Mapping[str, list[str]]) -> list[str]:
    """Rename learned options for the copies of each objective.

    Args:
        learn: Options of objectives, ``OBJECTIVE.OPTION``.
        copies: Names of the copies by the name of the objective.

    Example:
        >>> renamed_for_parts(["graphcl.temperature"], {"graphcl": ["graphcl:own", "graphcl:zinc"]})
        ['graphcl:own.temperature', 'graphcl:zinc.temperature']
    """
    split = [name.rpartition(".") for name in learn]
    return [f"{copy}.{option}" for objective, _, option in split for copy in copies.get(objective, [objective])]


def option_learner(job: Job, model: Pretrainer) -> OptionLearner:
    """Learner of the job's options; their values become buffers of the objectives, which the learner overwrites.

    Args:
        job: Its options ``learn`` and the learning rate.
        model: Model with the objectives.

    Raises:
        OptionError: If the initial value of an option is outside its bounds.
    """
    device = next(model.parameters()).device
    found: dict[str, LearnedOption] = {}
    for name in job.learn:
        objective, _, option = name.rpartition(".")
        owner = model.objective(objective)
        value = torch.tensor(float(getattr(owner, option)), device=device)
        _become_buffer(owner, option, value)
        found[name] = LearnedOption(objective, f"objectives.{objective}.{option}", value, owner.learnable[option])
    return OptionLearner(found, job.learn_lr)


def _become_buffer(objective: Objective, option: str, value: torch.Tensor) -> None:
    """Make the loss read the option from a tensor that is not part of the objective's saved state."""
    delattr(objective, option)
    objective.register_buffer(option, value, persistent=False)
