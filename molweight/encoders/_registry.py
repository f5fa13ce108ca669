"""Encoders by name."""

from collections.abc import Callable
from typing import TypeVar, cast

from molweight.deprecation import renamed_function
from molweight.encoders._base import Encoder
from molweight.registry import Registry

__all__ = ["available", "build", "create", "get", "register"]

E = TypeVar("E", bound=type[Encoder])

_ENCODERS = Registry[type[Encoder]]("encoder", group="molweight.encoders", base=Encoder)


def register(name: str) -> Callable[[E], E]:
    """Class decorator that registers an encoder under ``name``.

    Args:
        name: Lower case with underscores.

    Returns:
        The decorator. It raises :class:`molweight.errors.DuplicateNameError` if the name is taken.
    """
    return cast(Callable[[E], E], _ENCODERS.register(name))


get = _ENCODERS.get
available = _ENCODERS.available
create = _ENCODERS.create
build = renamed_function("molweight.encoders.build", "molweight.encoders.create", create)
"""The old name of :func:`create`, supported for one more release."""
