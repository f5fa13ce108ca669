"""The encoder and the source of its initial parameters."""

from dataclasses import dataclass
from typing import Any, Final

from molweight.options._field import hash_fields, option, settle_fields

__all__ = ["AUTO", "INITS", "OWN_ENCODER", "SHIPPED", "EncoderOptions"]

AUTO: Final = "auto"
"""Value of ``init`` that is resolved to :data:`SHIPPED` or ``"pretrain"``, depending on the job."""

INITS: Final = ("pretrain", "scratch")
"""Values of ``init`` that name no checkpoint."""

SHIPPED: Final = "gin_zinc"
"""Name of the checkpoint that is part of the package."""

OWN_ENCODER: Final = ("encoder", "pretrain_steps", "pretrain_seed")
"""Options that request a newly pretrained encoder, as all encoder options but dropout do."""


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """The encoder.

    Args:
        encoder: Name of the encoder; see ``molweight list encoders``.
        encoder_options: Options of the encoder, e.g. ``{"layers": 3, "width": 64}``.
        init: ``"gin_zinc"``, the checkpoint that is part of the package; ``"pretrain"`` for generic pretraining on the
            corpus; ``"scratch"`` for a random encoder; the folder of a checkpoint (``molweight pretrain``) or of a run,
            whose encoder is then used; or a file of chemprop's message passing layers, CheMeleon's for example.
            ``"auto"`` becomes ``"gin_zinc"`` if ``encoder``, ``encoder_options``, ``pretrain_steps`` and
            ``pretrain_seed`` are left at their defaults, and ``"pretrain"`` otherwise. Dropout may be switched on in
            the encoder of a checkpoint: ``encoder_options={"dropout": 0.1}``.
        stereo: ``"use"``, or ``"ignore"`` to give stereoisomers the same features and so the same prediction. The
            choice is saved with the run and used by ``predict``.

    Raises:
        ConfigError: If an option is of the wrong kind, or ``stereo`` is neither.
    """

    encoder: str = "gin"
    encoder_options: dict[str, Any] = option(factory=dict)
    init: str = AUTO
    stereo: str = option("use", choices=("use", "ignore"))

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)

    def __hash__(self) -> int:
        """A hash that agrees with equality."""
        return hash_fields(self)
