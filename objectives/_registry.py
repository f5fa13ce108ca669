"""Objectives by name."""

import re
from collections.abc import Callable
from typing import TypeVar, cast

from molweight.deprecation import renamed_function
from molweight.errors import ConfigError
from molweight.objectives._base import FAMILIES, Objective
from molweight.registry import Registry

__all__ = ["available", "build", "create", "get", "register"]

O = TypeVar("O", bound=type[Objective])  # noqa: E741 - the first letter of what it stands for


def _check(name: str, objective: type[Objective]) -> None:
    family = getattr(objective, "family", None)
    if family not in FAMILIES or not getattr(objective, "paper", None):
        families = ", ".join(FAMILIES)
        raise ConfigError(
            f"objective {name!r} needs the class attributes family (one of {families}; found {family!r}) and paper "
            "(where it comes from)."
        )


class _Objectives(Registry[type[Objective]]):
    """Objectives by name, or by name and alias, e.g. ``"assay_labels:chembl"``."""

    def get(self, name: str) -> type[Objective]:
        """The class of ``name``, whatever its alias.

        Raises:
            UnknownNameError: If there is no such objective, with the nearest names.
            ConfigError: If the alias cannot be used.
        """
        base, colon, alias = name.partition(":")
        if colon and not re.fullmatch(r"[\w-]+", alias):
            raise ConfigError(
                f"objective {name!r}: an alias is made of letters, digits, underscores and hyphens, e.g. '{base}:two'."
            )
        return super().get(base)


_OBJECTIVES = _Objectives("objective", group="molweight.objectives", base=Objective, check=_check, given=("width",))


def register(name: str) -> Callable[[O], O]:
    """Class decorator that makes an objective known under ``name``.

    Args:
        name: Lower case with underscores.

    Returns:
        The decorator. It raises :class:`molweight.errors.ConfigError` if the class names no family or paper, and
        :class:`molweight.errors.DuplicateNameError` if the name is taken.
    """
    return cast(Callable[[O], O], _OBJECTIVES.register(name))


get = _OBJECTIVES.get
available = _OBJECTIVES.available
create = _OBJECTIVES.create
build = renamed_function("molweight.objectives.build", "molweight.objectives.create", create)
"""The old name of :func:`create`, for one more release."""
