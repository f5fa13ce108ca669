"""Sizes that fit the machine, for options that were left out."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from molweight.errors import OptionError, suggest
from molweight.options.internal import AUTO, INITS, SHIPPED

__all__ = ["PRESETS", "choose", "preset_defaults"]

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "full": {},
    "small": {
        "encoder_options": {"layers": 3, "width": 64},
        "corpus_size": 2_000,
        "pretrain_steps": 200,
        "steps": 100,
        "batch_size": 64,
    },
}
"""``full``: the sizes of :class:`molweight.Job`, for a GPU or patience; ``small``: minutes on two cores."""

_OWN: Final = ("encoder", "pretrain_steps", "pretrain_seed")
"""Options that say that an encoder is to be pretrained, as do those of the encoder but for dropout."""


def choose(name: str) -> str:
    """The preset that ``auto`` stands for on this machine, or the named one.

    Args:
        name: ``"auto"`` or one of :data:`PRESETS`.

    Raises:
        OptionError: If there is no such preset.
    """
    if name == "auto":
        import torch

        return "full" if torch.cuda.is_available() else "small"
    if name not in PRESETS:
        choices = ("auto", *PRESETS)
        raise OptionError("preset", name, f"is unknown{suggest(name, choices)}", f"Presets: {', '.join(choices)}.")
    return name


def preset_defaults(given: Mapping[str, Any], known: Collection[str] = ("init", "weighting")) -> dict[str, Any]:
    """Defaults in place of those of the parser, for the options that were not given.

    Unless an encoder or its pretraining is asked for, a run starts from the checkpoint that is part of molweight; a
    command that does nothing but pretrain starts from random weights.

    Args:
        given: The options on the command line or in a file.
        known: The options that the command has.

    Example:
        >>> preset_defaults({"preset": "small", "steps": 7})["init"], preset_defaults({"preset": "full"})
        ('gin_zinc', {'init': 'gin_zinc'})
        >>> own = preset_defaults({"preset": "small", "encoder": "gps"})
        >>> own["init"], own["pretrain_steps"]
        ('pretrain', 200)
        >>> preset_defaults({"preset": "small"}, ("init", "encoder_options"))["encoder_options"]
        {'layers': 3, 'width': 64}
    """
    sizes = dict(PRESETS[choose(given.get("preset") or "auto")])
    init, own = given.get("init", AUTO), "weighting" not in known or any(name in given for name in _OWN)
    own = own or bool({*given.get("encoder_options", ())} - {"dropout"})
    if init == AUTO and "init" in known:
        init = sizes["init"] = "pretrain" if own else SHIPPED
    if "encoder" in given or init not in (AUTO, *INITS):
        sizes.pop("encoder_options", None)  # they are those of another encoder
    if init == SHIPPED:
        sizes.pop("pretrain_steps", None)
    return sizes
