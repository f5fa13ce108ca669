"""Objectives and length of pretraining."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from molweight.options._field import hash_fields, option, settle_fields

__all__ = ["DEFAULT_OBJECTIVES", "PretrainingOptions"]

DEFAULT_OBJECTIVES: Final = ("attribute_masking", "graphcl", "functional_groups", "descriptors")


@dataclass(frozen=True, kw_only=True)
class PretrainingOptions:
    """Pretraining objectives and generic pretraining with equal weights.

    Args:
        objectives: Names of the pretraining objectives; see ``molweight list objectives``. With aliases
            (``graphcl:weak,graphcl:strong``) the same objective is used several times, each with its own options.
        objective_options: Options by name of objective, e.g. ``{"graphcl": {"strength": 0.1}}``.
        pretrain_steps: Steps of generic pretraining.
        pretrain_seed: Seed of generic pretraining, for runs that share a pretrained encoder but differ in ``seed``;
            ``None`` for ``seed``.
        batch_size: Molecules of the corpus per step.
        pretrain_lr: Learning rate of pretraining.

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    objectives: Sequence[str] = DEFAULT_OBJECTIVES
    objective_options: dict[str, dict[str, Any]] = option(factory=dict)
    pretrain_steps: int = option(500, at_least=0)
    pretrain_seed: int | None = option(None, at_least=0, below=2**32)
    batch_size: int = option(256, at_least=1)
    pretrain_lr: float = option(1e-3, above=0, below=1e36)

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)

    def __hash__(self) -> int:
        """A hash that agrees with equality."""
        return hash_fields(self)
