"""How an ensemble is made, with everything decided."""

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["DEFAULT_FEATURES", "TREE_FEATURES", "Recipe", "members_for"]

DEFAULT_FEATURES: Final = ("descriptors", "functional_groups")
"""Feature sets next to the graph."""
TREE_FEATURES: Final = ("ecfp_counts",)
"""Feature sets that the trees read besides."""

_FOLDS: Final = 5
_LARGE: Final = 10_000


@dataclass(frozen=True)
class Recipe:
    """How an ensemble is made.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        members: Number of graph members, and of folds; at least 2.
        features: Feature sets that members and trees read.
        boosted: Whether boosted trees take part.
        readout: Composition of readouts; empty for the encoder's own.
        hidden: Width of the members' hidden layer.
        dropout: Of the hidden layer.
        label_transform: ``"auto"`` or one of :data:`molweight.ensemble.TRANSFORMS`.
        epochs: Most epochs of a member.
        batch_size: Rows per step.
        lr: Peak of the learning rate.
        seed: Seed of everything random.
    """

    encoder: str
    encoder_options: dict[str, Any]
    members: int = _FOLDS
    features: tuple[str, ...] = DEFAULT_FEATURES
    boosted: bool = True
    readout: str = ""
    hidden: int = 256
    dropout: float = 0.2
    label_transform: str = "auto"
    epochs: int = 100
    batch_size: int = 32
    lr: float = 3e-4
    seed: int = 0

    @property
    def tree_features(self) -> tuple[str, ...]:
        """Feature sets of the trees; none without trees."""
        return tuple(dict.fromkeys([*self.features, *TREE_FEATURES])) if self.boosted else ()


def members_for(rows: int) -> int:
    """Number of members by the size of the table: 5, above 10,000 rows 3.

    Args:
        rows: Labelled rows outside the test set.

    Example:
        >>> members_for(600), members_for(40_000)
        (5, 3)
    """
    return _FOLDS if rows <= _LARGE else 3
