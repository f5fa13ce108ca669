"""The standard form of new molecules: by default that in which the run was trained."""

from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace

from molweight._yaml import load_yaml, read_options
from molweight.cli._output import say
from molweight.errors import ConfigError, DataError

__all__ = ["standard_form", "with_standard_form"]

_CONFIG: Final = "config.yaml"


def with_standard_form(options: Namespace) -> Namespace:
    """The options with the steps of the run, if none are given: a model gets new molecules in the form it has learned.

    Args:
        options: Those of the command, with ``run`` and ``standardize``.
    """
    if options.standardize is not None:
        return options
    steps = _trained_with(Path(options.run))
    if steps:
        say(options, f"{_said(steps)} (--standardize [] leaves them unchanged)")
    found = options.clone()
    found.standardize = steps
    return found


def standard_form(options: Namespace, run: str, usual: list[str]) -> list[str]:
    """The steps for a further run: those of the command, or by default those of that run, with a message.

    Args:
        options: Those of the command as they were given, with ``standardize``.
        run: Folder of the further run.
        usual: The steps for the first run.
    """
    if options.standardize is not None:
        return list(options.standardize)
    steps = _trained_with(Path(run))
    if steps != usual:
        say(options, f"{run}: {_said(steps) if steps else 'molecules are left unchanged, as in training'}")
    return steps


def _said(steps: list[str]) -> str:
    return f"molecules are standardised as in training: {','.join(steps)}"


def _trained_with(run: Path) -> list[str]:
    """The steps in the options of a run; none for a run that was saved in Python.

    Raises:
        DataError: If the file of options is damaged.
    """
    path = run / _CONFIG
    if not path.is_file():
        return []
    try:
        content: Any = load_yaml(read_options(path), str(path))
    except ConfigError as error:
        raise DataError(f"{error} Restore it, or fit again.") from error
    steps = content.get("standardize") if isinstance(content, dict) else None
    return [str(step) for step in steps] if isinstance(steps, list) else []
