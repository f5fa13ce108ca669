"""Learned options of a job's objectives: validation, and the buffers that hold them."""

from collections.abc import Mapping, Sequence
from numbers import Real
from types import new_class

import torch

from molweight import encoders
from molweight.errors import OptionError
from molweight.mlo.internal import LearnedOption, OptionLearner
from molweight.models import Pretrainer
from molweight.objectives import Objective, create, get
from molweight.options import Job
from molweight.seeding import seeded

__all__ = ["check_learned", "option_learner", "renamed_for_parts"]


def check_learned(job: Job) -> None:
    """Reject options that cannot be learned.

    Args:
        job: Its option ``learn`` names them, ``OBJECTIVE.OPTION``.

    Raises:
        OptionError: If the job has no such objective, its loss is not a differentiable function of the option, or the
            initial value is missing or outside its bounds.
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
    if job.learn:
        _check_initial_values(job)


def _check_initial_values(job: Job) -> None:
    """Refuse initial values that are missing or outside their bounds, before anything is trained."""
    owners = {name.rpartition(".")[0]: name for name in job.learn}
    with seeded(0):
        width = encoders.create(job.encoder, **job.encoder_options).width
        made = {name: create(name, width=width, **job.objective_options.get(name, {})) for name in owners}
    found = {}
    for name in job.learn:
        objective, _, option = name.rpartition(".")
        value = torch.tensor(_initial_value(name, made[objective]))
        found[name] = LearnedOption(objective, name, value, made[objective].learnable[option])
    OptionLearner(found, job.learn_lr)


def _initial_value(name: str, owner: Objective) -> float:
    objective, _, option = name.rpartition(".")
    value = getattr(owner, option, None)
    if isinstance(value, Real) or (isinstance(value, torch.Tensor) and value.numel() == 1):
        return float(value)
    raise OptionError(
        "learn",
        name,
        f"is listed in learnable of the objective {objective!r}, but its self.{option} is not a number",
        f"Set self.{option} in its __init__, or correct the name in learnable.",
    )


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
        OptionError: If the initial value of an option is missing or outside its bounds.
    """
    device = next(model.parameters()).device
    found: dict[str, LearnedOption] = {}
    for name in job.learn:
        objective, _, option = name.rpartition(".")
        owner = model.objective(objective)
        value = torch.tensor(_initial_value(name, owner), device=device)
        _become_buffer(owner, option, value)
        found[name] = LearnedOption(objective, f"objectives.{objective}.{option}", value, owner.learnable[option])
    return OptionLearner(found, job.learn_lr)


def _become_buffer(objective: Objective, option: str, value: torch.Tensor) -> None:
    """Make the loss read the option from a tensor that is not part of the objective's saved state."""
    kind = type(objective)
    if not hasattr(kind, option):
        delattr(objective, option)
    else:  # an attribute of the class, which would hide the buffer
        vars(objective).pop(option, None)
        own = {option: property(_of_module), "__module__": kind.__module__, "__qualname__": kind.__qualname__}
        objective.__class__ = new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(own))
    objective.register_buffer(option, value, persistent=False)


def _of_module(_: Objective) -> torch.Tensor:
    """No value: Python then asks the module, which finds the buffer."""
    raise AttributeError
