"""Objectives by name."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from molweight.errors import ConfigError
from molweight.objectives._base import FAMILIES, Objective
from molweight.options import construct
from molweight.registry import Registry

__all__ = ["available", "build", "get", "register"]

O = TypeVar("O", bound=type[Objective])  # noqa: E741 - the first letter of what it stands for


def _check(name: str, objective: type[Objective]) -> None:
    family = getattr(objective, "family", None)
    if family not in FAMILIES or not getattr(objective, "paper", None):
        families = ", ".join(FAMILIES)
        raise ConfigError(
            f"objective {name!r} needs the class attributes family (one of {families}; found {family!r}) and paper "
            "(where it comes from)."
        )


_OBJECTIVES = Registry[type[Objective]]("objective", group="molweight.objectives", base=Objective, check=_check)


def register(name: str) -> Callable[[O], O]:
    """Class decorator that makes an objective known under ``name``.

    Args:
        name: Lower case with underscores.

    Returns:
        The decorator. It raises :class:`molweight.errors.ConfigError` if the class names no family or paper, and
        :class:`molweight.errors.DuplicateNameError` if the name is taken.
    """
    return cast(Callable[[O], O], _OBJECTIVES.register(name))


def get(name: str) -> type[Objective]:
    """The class of the objective ``name``.

    Raises:
        UnknownNameError: If there is none, with the nearest names.
    """
    return _OBJECTIVES.get(name)


def available() -> list[str]:
    """Names of all objectives, those of installed plugins included."""
    return _OBJECTIVES.available()


def build(name: str, *, width: int, **options: Any) -> Objective:
    """Create the objective ``name``.

    Args:
        name: One of :func:`available`.
        width: Size of the encoder's vectors, ``encoder.width``.
        **options: What its class takes besides; see there.

    Returns:
        A new objective with its head, on CPU.

    Raises:
        UnknownNameError: If there is no such objective.
        ConfigError: If an option is unknown or out of range.

    Example:
        >>> build("attribute_masking", width=64, rate=0.25).family
        'masking'
    """
    return construct("objective", name, get(name), options, fixed={"width": width})
