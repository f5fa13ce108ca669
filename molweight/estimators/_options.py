"""The options of a job as parameters of an estimator."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, TypeVar

from molweight.errors import ConfigError, suggest
from molweight.options import Job
from molweight.options.internal import current_names

__all__ = ["JOB_OPTIONS", "checked", "signature", "with_signature"]

F = TypeVar("F", bound=Callable[..., Any])

JOB_OPTIONS: Final = tuple(field.name for field in fields(Job) if field.name != "seed")
"""Options of :class:`molweight.Job` that are parameters under the same name; ``seed`` is ``random_state``."""


def signature(**extra: Any) -> inspect.Signature:
    """``extra`` and every option of :class:`molweight.Job`, as keyword arguments with their defaults.

    ``extra`` may override the default of an option of the job. A mutable default, such as an empty dictionary, is shown
    as ``None``, because scikit-learn requires immutable defaults.
    """
    defaults = {field.name: None if field.default is MISSING else field.default for field in fields(Job)}
    named = {**extra, **{name: extra.get(name, defaults[name]) for name in JOB_OPTIONS}, "random_state": 0}
    kind = inspect.Parameter.KEYWORD_ONLY
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([first, *(inspect.Parameter(key, kind, default=value) for key, value in named.items())])


def with_signature(shown: inspect.Signature) -> Callable[[F], F]:
    """Decorator that sets the result of :func:`inspect.signature`, in which scikit-learn looks up parameters."""

    def decorate(function: F) -> F:
        function.__dict__["__signature__"] = shown
        return function

    return decorate


def checked(estimator: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of ``estimator`` with its given or default value.

    Raises:
        ConfigError: If there is no such parameter, with the nearest names.
    """
    options = current_names(options)
    known = {key: item.default for key, item in inspect.signature(estimator).parameters.items()}
    for name in options:
        if name not in known:
            # The name of the option in a job resembles another parameter.
            clause = "; it is called 'random_state' here." if name == "seed" else suggest(name, known)
            raise ConfigError(f"{estimator.__name__} has no parameter {name!r}{clause} See help({estimator.__name__}).")
    return {**known, **options}
