"""Encoders by name."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from molweight.encoders._base import Encoder
from molweight.options import construct
from molweight.registry import Registry

__all__ = ["available", "build", "get", "register"]

E = TypeVar("E", bound=type[Encoder])

_ENCODERS = Registry[type[Encoder]]("encoder", group="molweight.encoders", base=Encoder)


def register(name: str) -> Callable[[E], E]:
    """Class decorator that makes an encoder known under ``name``.

    Args:
        name: Lower case with underscores.

    Returns:
        The decorator. It raises :class:`molweight.errors.DuplicateNameError` if the name is taken.
    """
    return cast(Callable[[E], E], _ENCODERS.register(name))


def get(name: str) -> type[Encoder]:
    """The class of the encoder ``name``.

    Raises:
        UnknownNameError: If there is none, with the nearest names.
    """
    return _ENCODERS.get(name)


def available() -> list[str]:
    """Names of all encoders, those of installed plugins included."""
    return _ENCODERS.available()


def build(name: str, **options: Any) -> Encoder:
    """Create the encoder ``name``.

    Args:
        name: One of :func:`available`.
        **options: What its class takes; see there.

    Returns:
        A new encoder, in training mode, on CPU.

    Raises:
        UnknownNameError: If there is no such encoder.
        ConfigError: If an option is unknown or out of range.

    Example:
        >>> build("gin", layers=3, width=64).width
        64
    """
    return construct("encoder", name, get(name), options)
