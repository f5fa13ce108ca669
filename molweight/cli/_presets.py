"""Default sizes that suit the machine."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from molweight.errors import OptionError, suggest
from molweight.options.internal import AUTO, INITS, OWN_ENCODER, SHIPPED

__all__ = ["CONDITIONS", "PRESETS", "choose", "preset_defaults"]

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
"""``full``: the sizes of :class:`molweight.Job`, for a GPU or long runs; ``small``: minutes on two cores."""

CONDITIONS: Final = {
    "encoder_options": "only for a new encoder",
    "pretrain_steps": "only if an encoder is pretrained",
}
"""When a size applies, if not always: by default, a fit starts from the checkpoint that is part of molweight."""


def choose(name: str) -> str:
    """The preset that ``auto`` selects on this machine, or the named one.

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
    """Defaults that replace those of the parser, for options that were not given.

    Unless an option of the encoder or of its pretraining is given, a run starts from the checkpoint that is part of
    molweight. A command that only pretrains starts from random parameters.

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
    init, own = given.get("init", AUTO), "weighting" not in known or any(name in given for name in OWN_ENCODER)
    own = own or bool({*given.get("encoder_options", ())} - {"dropout"})
    if init == AUTO and "init" in known:
        init = sizes["init"] = "pretrain" if own else SHIPPED
    if "encoder" in given or init not in (AUTO, *INITS):
        sizes.pop("encoder_options", None)  # these belong to another encoder
    if init == SHIPPED:
        sizes.pop("pretrain_steps", None)
    return sizes
