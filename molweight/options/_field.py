"""One option: its default, its range and its former names."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args, get_origin

from molweight.arguments import check_choice, check_kind
from molweight.deprecation import new_names
from molweight.errors import OptionError

__all__ = [
    "OLD_NAMES",
    "OLD_VALUES",
    "current_names",
    "hash_fields",
    "list_options",
    "option",
    "option_names",
    "settle_fields",
]

OLD_NAMES: Final = {
    "average": "finetune_ema",
    "every": "hypergradient_interval",
    "finetune_gamma": "finetune_proximal_strength",
    "finetunings": "finetune_restarts",
    "follow": "track_encoder",
    "gamma": "proximal_strength",
    "general_seed": "pretrain_seed",
    "general_steps": "pretrain_steps",
    "recompute": "recompute_graphs",
    "start": "init",
}
"""Old names of options with the current ones."""
OLD_VALUES: Final = {"init": {"pretrained": "pretrain"}}
"""Old values of options by current name."""


def option(
    default: Any = dataclasses.MISSING,
    *,
    factory: Callable[[], Any] | None = None,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A field of an option group.

    Args:
        default: Its default.
        factory: Creates the default, if it is mutable.
        at_least: Minimum value; an option that is ``None`` is always in range.
        above: Exclusive lower bound.
        below: Exclusive upper bound.
        choices: All allowed values, if there are few.
    """
    metadata = {"bounds": {"at_least": at_least, "above": above, "below": below}, "choices": choices}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def option_names(group: type) -> tuple[str, ...]:
    """Names of the options of a group, in their order.

    Args:
        group: A group or a job.
    """
    return tuple(item.name for item in dataclasses.fields(group))


def list_options(group: Any) -> "tuple[dataclasses.Field[Any], ...]":
    """Fields of a group whose values are lists of names, or ``None``.

    Args:
        group: A group or a job, as a class or an instance.
    """
    return tuple(item for item in dataclasses.fields(group) if _is_list(item.type))


def settle_fields(group: Any) -> None:
    """Store plain Python values in place of NumPy's, and refuse values of the wrong kind or out of range.

    Lists of names become tuples, and sequences in options of components become lists, so that two groups with the same
    options are equal, wherever they were read.

    Args:
        group: An instance of a group.

    Raises:
        OptionError: If there is such a value; with the option, the value and the requirement.
    """
    for item in dataclasses.fields(group):
        value = _plain(getattr(group, item.name))
        if _is_list(item.type) and value is not None:
            value = _names(item.name, value)
        _check_field(item, value)
        object.__setattr__(group, item.name, value)  # the group is frozen once it is created


def _plain(value: Any) -> Any:
    """The value as JSON would store it: NumPy's scalars and arrays, mappings and tuples as plain Python."""
    if type(value).__module__ == "numpy":  # not imported here: the help texts do without it
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {_plain(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _names(option: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        raise OptionError(option, value, "must be a list", f"Write [{value!r}].")
    if not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise OptionError(option, value, "must be a list")
    return tuple(_plain(part) for part in value)


def _check_field(item: "dataclasses.Field[Any]", value: Any) -> None:
    check_kind("", item.name, value, item.type)
    bounds = {name: bound for name, bound in item.metadata.get("bounds", {}).items() if bound is not None}
    if value is not None and not _inside(value, **bounds):
        raise OptionError(item.name, value, _demand(**bounds))
    choices = get_args(item.type) if get_origin(item.type) is Literal else item.metadata.get("choices")
    if choices is not None:
        check_choice("", item.name, value, choices)


def hash_fields(group: Any) -> int:
    """A hash of a group that agrees with equality, also if options are dictionaries.

    Args:
        group: An instance of a group.
    """
    return hash(tuple(_hashable(getattr(group, item.name)) for item in dataclasses.fields(group)))


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((key, _hashable(part)) for key, part in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _is_list(kind: Any) -> bool:
    """Whether an option is a list, or a list or ``None``."""
    return Sequence in [get_origin(part) for part in (kind, *get_args(kind))]


def _inside(
    value: float, at_least: float | None = None, above: float | None = None, below: float | None = None
) -> bool:
    # Written so that NaN, for which every comparison is false, is out of range.
    return all(
        [at_least is None or value >= at_least, above is None or value > above, below is None or value < below],
    )


def _demand(at_least: float | None = None, above: float | None = None, below: float | None = None) -> str:
    named = (("at least", at_least), ("above", above), ("below", below))
    parts = [f"{word} {bound:.15g}" for word, bound in named if bound is not None]
    plain = {"at least 0": "must not be negative", "above 0": "must be positive"}
    whole = " and ".join(parts)
    return plain.get(whole, f"must be {whole}")


def current_names(options: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Options under their current names.

    Args:
        options: Values by current or old name.
        warn: Whether to warn of old names and values; false for files of earlier versions.

    Raises:
        ConfigError: If an option is given under both names.

    Example:
        >>> current_names({"every": 5, "seed": 1}, warn=False)
        {'hypergradient_interval': 5, 'seed': 1}
    """
    return new_names(options, OLD_NAMES, "options", values=OLD_VALUES, warn=warn, stacklevel=3)
