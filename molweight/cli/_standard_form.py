"""The standard form of new molecules: by default that in which the run was trained."""

from collections.abc import Sequence
from typing import Any, Final

from jsonargparse import Namespace

from molweight._yaml import load_yaml, read_options
from molweight.cli._output import say
from molweight.errors import ConfigError, DataError, mention
from molweight.runs import Run
from molweight.runs.internal import files_of_run

__all__ = ["record_steps", "standard_form", "with_standard_form"]

_CONFIG: Final = "config.yaml"
_STEPS: Final = "standardize"
"""Key of the steps in the description of the training data, and option of the command."""


def record_steps(run: Run, steps: Sequence[str]) -> None:
    """Store the steps in the description of a run, which is part of the file of its model.

    Args:
        run: The run, not saved yet.
        steps: Steps that its training molecules have gone through; none if they were left unchanged.
    """
    run.trained_on[_STEPS] = list(steps)


def with_standard_form(options: Namespace, run: Run) -> Namespace:
    """The options with the steps of the run, if none are given: a model gets new molecules in the form it has learned.

    Args:
        options: Those of the command, with ``run`` and ``standardize``.
        run: The run.
    """
    if options.standardize is not None:
        return options
    steps = _trained_with(options, run)
    if steps:
        say(options, f"{_said(steps)} (--standardize [] leaves them unchanged)")
    found = options.clone()
    found.standardize = steps
    return found


def standard_form(options: Namespace, run: Run, usual: list[str]) -> list[str]:
    """The steps for a further run: those of the command, or by default those of that run, with a message.

    Args:
        options: Those of the command as they were given, with ``standardize``.
        run: The further run.
        usual: The steps for the first run.
    """
    if options.standardize is not None:
        return list(options.standardize)
    steps = _trained_with(options, run)
    if steps != usual:
        say(options, f"{run.folder}: {_said(steps) if steps else 'molecules are left unchanged, as in training'}")
    return steps


def _said(steps: list[str]) -> str:
    return f"molecules are standardised as in training: {','.join(steps)}"


def _trained_with(options: Namespace, run: Run) -> list[str]:
    """The steps of a run; none, with a message, if it does not record them."""
    steps = run.trained_on[_STEPS] if _STEPS in run.trained_on else _in_options_file(run)
    if steps is None:
        say(options, f"{run.folder} does not record a standard form of its molecules: they are left unchanged")
    return list(steps or [])


def _in_options_file(run: Run) -> list[str] | None:
    """The steps in the options of a run of an earlier version; ``None`` for a run that was saved in Python.

    Raises:
        DataError: If the file of options is damaged, or missing from the files of the run.
    """
    folder = run.folder
    if folder is None:
        return None
    path = folder / _CONFIG
    if not path.is_file():
        if _CONFIG in files_of_run(folder):
            raise DataError(
                f"{path} is missing, and only it states the standard form of the molecules of this run. Restore it, or "
                f"state the steps with {mention(_STEPS, 'salts')}; {mention(_STEPS, [])} for none."
            )
        return None
    try:
        content: Any = load_yaml(read_options(path), str(path))
    except ConfigError as error:
        raise DataError(f"{error} Restore it, or fit again.") from error
    steps = content.get(_STEPS) if isinstance(content, dict) else None
    return [str(step) for step in steps] if isinstance(steps, list) else []
