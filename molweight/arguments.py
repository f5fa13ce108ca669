"""Building a registered class from a name and options that a user typed."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from molweight.errors import ConfigError, OptionError, suggest

__all__ = ["accepted_options", "check_choice", "check_kind", "check_seed", "construct"]

T = TypeVar("T")


def accepted_options(factory: Callable[..., Any], reserved: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options that ``factory`` takes, with their defaults.

    A constructor that takes ``**options`` passes them to its base class, so the options of the base class count as
    well.

    Args:
        factory: A class or function.
        reserved: Parameters that the caller fills in, not the user.

    Returns:
        Name of each named parameter that is not reserved, mapped to its default or to ``inspect.Parameter.empty``.

    Example:
        >>> accepted_options(lambda width, rate=0.15: None, reserved=("width",))
        {'rate': 0.15}
        >>> class Base:
        ...     def __init__(self, *, width=8): ...
        >>> class Special(Base):
        ...     def __init__(self, *, heads=4, **options): ...
        >>> accepted_options(Special)
        {'heads': 4, 'width': 8}
    """
    return {name: parameter.default for name, parameter in _parameters(factory, reserved).items()}


def _parameters(factory: Callable[..., Any], reserved: tuple[str, ...]) -> dict[str, inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found: dict[str, inspect.Parameter] = {}
    for signature in _signatures(factory):
        for parameter in signature.parameters.values():
            if parameter.kind in kinds and parameter.name not in reserved:
                found.setdefault(parameter.name, parameter)
    return found


def _signatures(factory: Callable[..., Any]) -> Iterator[inspect.Signature]:
    """Signature of ``factory``, followed by those of the constructors to which it passes its ``**options``."""
    signature = inspect.signature(factory)
    yield signature
    bases = factory.__mro__[1:] if isinstance(factory, type) else ()
    for base in bases:
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values()):
            return
        if base is not object and "__init__" in vars(base):
            signature = inspect.signature(base)
            yield signature


def construct(
    kind: str, name: str, factory: Callable[..., T], options: Mapping[str, Any], fixed: Mapping[str, Any] | None = None
) -> T:
    """Call ``factory`` with ``options``; the error for an unknown option suggests the nearest names.

    Args:
        kind: Kind of component, in the singular, e.g. ``"encoder"``; used in messages.
        name: Name under which it was requested; used in messages.
        factory: A class or function whose named parameters are the options.
        options: The options that the user set.
        fixed: Further keyword arguments, which are not options.

    Returns:
        The return value of ``factory``.

    Raises:
        ConfigError: If ``factory`` has no such option, or needs one that is missing.

    Example:
        >>> construct("encoder", "toy", lambda width=2: width * "o", {"widht": 3})
        Traceback (most recent call last):
            ...
        molweight.errors.ConfigError: encoder 'toy' has no option 'widht'; did you mean 'width'? Options: width.
    """
    fixed = fixed or {}
    parameters = _parameters(factory, tuple(fixed))
    listed = ", ".join(parameters) or "none"
    for option in options:
        if option not in parameters:
            clause = suggest(option, parameters)
            raise ConfigError(f"{kind} {name!r} has no option {option!r}{clause} Options: {listed}.")
        check_kind(f"{kind} {name!r}", option, options[option], parameters[option].annotation)
    needed = [key for key, parameter in parameters.items() if parameter.default is inspect.Parameter.empty]
    missing = [key for key in needed if key not in options]
    if missing:
        raise ConfigError(f"{kind} {name!r} needs the option {missing[0]!r}. Options: {listed}.")
    return factory(**fixed, **options)


def check_choice(owner: str, option: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices of an option.

    Args:
        owner: Owner of the option, e.g. ``"encoder 'gin'"``; empty for an option of a job.
        option: Name of the option.
        value: The given value.
        choices: The allowed values.

    Raises:
        OptionError: If ``value`` is not among ``choices``; the message names the nearest ones.

    Example:
        >>> check_choice("gin", "norm", "bacth", ("batch", "layer"))
        Traceback (most recent call last):
            ...
        molweight.errors.OptionError: gin: norm='bacth' is unknown; did you mean 'batch'? Choices: batch, layer.
    """
    if value not in choices:
        clause = suggest(str(value), choices)
        shown = [choice if any(map(str.isalnum, choice)) else repr(choice) for choice in choices if choice]
        known = ", ".join(shown)
        raise OptionError(option, value, f"is unknown{clause}", f"Choices: {known}.", owner=owner)


def check_seed(seed: object) -> None:
    """Refuse values that cannot seed a generator, and ``None``, which would give another seed each time.

    Args:
        seed: The value of the option ``seed``.

    Raises:
        OptionError: If it is not an integer, or negative.

    Example:
        >>> check_seed(-1)
        Traceback (most recent call last):
        ...
        molweight.errors.OptionError: seed=-1 must be a whole number, at least 0.
    """
    if not isinstance(seed, Integral) or seed < 0:
        raise OptionError("seed", seed, "must be a whole number, at least 0")


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


_PLAIN: Final[dict[object, tuple[str, Callable[[object], bool]]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: not isinstance(value, bool) and isinstance(value, Integral)),
    float: ("a finite number", _is_number),
    str: ("a text", lambda value: isinstance(value, str)),
    Literal: ("a text", lambda value: isinstance(value, str)),
    dict: ("options by name", lambda value: isinstance(value, Mapping)),
    tuple: ("numbers", lambda value: isinstance(value, list | tuple) and all(map(_is_number, value))),
    NoneType: ("null", lambda value: value is None),
}


def check_kind(owner: str, option: str, value: object, kind: object) -> None:
    """Refuse a value whose type does not match the option's annotation.

    Args:
        owner: Owner of the option, e.g. ``"encoder 'gin'"``; empty for an option of a job.
        option: Name of the option.
        value: The given value.
        kind: The annotation. Only bool, int, float, str, dict, tuples of numbers, None and unions of these are
            checked.

    Raises:
        OptionError: If the value has another type, or is a number that is not finite.

    Example:
        >>> check_kind("solver 'cg'", "iterations", 5, int)
        >>> check_kind("solver 'cg'", "iterations", None, int)
        Traceback (most recent call last):
            ...
        molweight.errors.OptionError: solver 'cg': iterations=None must be a whole number.
    """
    kinds = get_args(kind) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,)
    plain = [_PLAIN.get(get_origin(part) or part) for part in kinds]
    known = [found for found in plain if found is not None]
    if len(known) == len(plain) and not any(fits(value) for _, fits in known):
        reason = f"must be {' or '.join(name for name, _ in known)}"
        raise OptionError(option, value, reason, owner=owner)
