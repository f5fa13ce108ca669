"""Old names that keep working, with a warning, for one release."""

import functools
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from molweight.errors import ConfigError

__all__ = ["moved_names", "new_names", "renamed_attributes", "renamed_function", "renamed_options"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Callable[..., Any])

Changed = Mapping[str, Mapping[str, Any]]
"""By name of an option, old value to new value."""


def renamed_options(values: Changed | None = None, /, **renamed: str) -> Callable[[T], T]:
    """Decorate a function or class so that it still accepts keyword arguments under their old names.

    Args:
        values: Old value to new value, for each option by its new name.
        **renamed: Old name to new name.

    Returns:
        The decorator. It preserves signatures and changes classes in place. An old name raises a
        :class:`DeprecationWarning`; an old name together with its new name raises
        :class:`molweight.errors.ConfigError`.

    Example:
        >>> @renamed_options(every="interval")
        ... def plan(*, interval=1):
        ...     return interval
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     print(plan(every=5), caught[0].message)
        5 plan: option 'every' is now 'interval'. The old name will be removed in the next release.
    """

    def decorate(target: T) -> T:
        if isinstance(target, type):
            # A class stays the same object, so that isinstance, pickling and dataclass tools see no wrapper.
            target.__init__ = _accepting(target.__init__, target.__name__, renamed, values or {})  # type: ignore[misc]  # wraps the class's own
            return target
        owner = target.__qualname__.removesuffix(".__init__").rpartition(".")[2]
        return _accepting(target, owner, renamed, values or {})

    return decorate


def _accepting(function: T, owner: str, renamed: Mapping[str, str], values: Changed) -> T:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if not options.keys().isdisjoint((*renamed, *values)):
            options = new_names(options, renamed, owner, values=values)
        return function(*arguments, **options)

    return call  # type: ignore[return-value]  # it has the wrapped function's signature


def new_names(
    options: Mapping[str, Any],
    renamed: Mapping[str, str],
    owner: str,
    *,
    values: Changed | None = None,
    warn: bool = True,
    stacklevel: int = 2,
) -> dict[str, Any]:
    """Options with old names replaced by new ones, for options read from a file or the command line.

    Args:
        options: Values by name.
        renamed: Old name to new name.
        owner: Owner of the options, for the message.
        values: Old value to new value, for each option by its new name.
        warn: Whether to warn.
        stacklevel: See :func:`warnings.warn`.

    Returns:
        The same values, in the same order.

    Raises:
        ConfigError: If a value is given under both names.
    """
    result: dict[str, Any] = {}
    said: list[str] = []
    for name, value in options.items():
        new = renamed.get(name, name)
        if new != name:
            if new in options:
                raise ConfigError(f"{owner}: {name!r} is the old name of {new!r}; give only the latter.")
            said.append(f"option {name!r} is now {new!r}. The old name")
        changes = (values or {}).get(new, {})
        old = isinstance(value, str) and value in changes
        result[new] = changes[value] if old else value
        if old:
            said.append(f"{new}={value!r} is now {result[new]!r}. The old value")
    for sentence in said if warn else ():
        text = f"{owner}: {sentence} will be removed in the next release."
        warnings.warn(text, DeprecationWarning, stacklevel=stacklevel + 1)
    return result


def renamed_function(old: str, new: str, function: Callable[P, R]) -> Callable[P, R]:
    """A function under its old name, which warns and calls the new one.

    Args:
        old: Its old name, with the module, for the message.
        new: The replacement, in words.
        function: The function.

    Example:
        >>> import warnings
        >>> largest = renamed_function("shapes.largest", "max", max)
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     print(largest(1, 2), caught[0].message)
        2 shapes.largest is deprecated; use max. The old name will be removed in the next release.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        warnings.warn(
            f"{old} is deprecated; use {new}. The old name will be removed in the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        return function(*arguments, **options)

    return call


def renamed_attributes(module: str, renamed: Mapping[str, tuple[str, Any]]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module whose public names have changed.

    Args:
        module: Name of the module, for the message.
        renamed: Old name to the replacement, in words, and the object that the old name still returns.

    Example:
        >>> look_up = renamed_attributes("shapes", {"Circel": ("Circle", int)})
        >>> look_up("Square")
        Traceback (most recent call last):
            ...
        AttributeError: module 'shapes' has no attribute 'Square'
    """

    def look_up(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        instead, value = renamed[name]
        warnings.warn(
            f"{module}.{name} is deprecated; use {instead}. The old name will be removed in the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        return value

    return look_up


def moved_names(package: str, *homes: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package whose public names have partly moved.

    Args:
        package: The package.
        *homes: The modules that define them, relative to the package; ``_private`` ones are internal.

    Example:
        >>> look_up = moved_names("molweight", "errors")
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     print(look_up("suggest").__name__, "-", caught[0].message)
        suggest - molweight.suggest is deprecated; use molweight.errors.suggest.
    """

    def look_up(name: str) -> Any:
        for home in () if name.startswith("_") else homes:
            module = import_module(f"{package}.{home}")
            if name in module.__all__:
                hint = "it is internal" if home.startswith("_") else f"use {package}.{home}.{name}"
                warnings.warn(f"{package}.{name} is deprecated; {hint}.", DeprecationWarning, stacklevel=2)
                return getattr(module, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return look_up
