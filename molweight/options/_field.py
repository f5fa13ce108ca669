"""One option: its default, its range and its former names."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_args, get_origin

from molweight.arguments import check_choice, check_kind
from molweight.deprecation import new_names
from molweight.errors import OptionError

__all__ = ["OLD_NAMES", "OLD_VALUES", "check_fields", "current_names", "list_options", "option", "option_names"]

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


def check_fields(group: Any) -> None:
    """Refuse values of the wrong kind or out of range.

    Args:
        group: An instance of a group.

    Raises:
        OptionError: If there is such a value; with the option, the value and the requirement.
    """
    for item in dataclasses.fields(group):
        value = getattr(group, item.name)
        check_kind("", item.name, value, item.type)
        if isinstance(value, str) and _is_list(item.type):
            raise OptionError(item.name, value, "must be a list", f"Write [{value!r}].")
        bounds = {name: bound for name, bound in item.metadata.get("bounds", {}).items() if bound is not None}
        if value is not None and not _inside(value, **bounds):
            raise OptionError(item.name, value, _demand(**bounds))
        choices = get_args(item.type) if get_origin(item.type) is Literal else item.metadata.get("choices")
        if choices is not None:
            check_choice("", item.name, value, choices)


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
