"""All settings of an ensemble."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from molweight.datasets.internal import SourceTable
from molweight.ensemble._fit_member import Schedule, schedule_for
from molweight.ensemble._partners import MINIMOL, MINIMOL_LINEAR, OF_VECTORS, PARTNERS
from molweight.ensemble._tabicl_network import Network
from molweight.features.internal import COLUMN_PREFIX

__all__ = ["DEFAULT_FEATURES", "Recipe", "members_for", "shortened"]

DEFAULT_FEATURES: Final = ("descriptors", "functional_groups")
"""Feature sets in addition to the graph."""

_FOLDS: Final = 5
_LARGE: Final = 10_000


@dataclass(frozen=True)
class Recipe:
    """The settings of an ensemble.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        members: Number of graph members, and of folds; at least 2.
        features: Feature sets that members and partners read.
        partners: Models without a graph.
        network: Weights of TabICL, which is then a further partner; ``None`` for none.
        sources: Auxiliary tables for the partner ``"profile"``, without held-out compounds of the task.
        readout: Composition of readouts; empty for the encoder's own.
        hidden: Width of the members' hidden layer.
        dropout: Dropout of the hidden layer.
        label_transform: ``"auto"`` or one of :data:`molweight.ensemble.TRANSFORMS`.
        class_balance: ``"auto"`` or one of :data:`molweight.ensemble._balance.BALANCES`.
        epochs: Maximum number of epochs of a member.
        freeze_epochs: Number of first epochs in which only the head is trained.
        seed: Seed of all random numbers.
    """

    encoder: str
    encoder_options: dict[str, Any]
    members: int = _FOLDS
    features: tuple[str, ...] = DEFAULT_FEATURES
    partners: tuple[str, ...] = PARTNERS
    readout: str = ""
    hidden: int = 256
    dropout: float = 0.2
    label_transform: str = "auto"
    class_balance: str = "auto"
    epochs: int = 100
    freeze_epochs: int = 0
    seed: int = 0
    network: Network | None = None
    sources: tuple[SourceTable, ...] = ()

    @property
    def profile_features(self) -> list[str]:
        """Feature sets of the models of auxiliary tables, which lack the columns of the task's table."""
        sets = [name for name in self.features if not name.startswith(COLUMN_PREFIX)]
        vectors = [MINIMOL] if any(name in OF_VECTORS for name in self.partners) else []
        return [*(sets or DEFAULT_FEATURES), *vectors]

    def schedule(self, rows: int) -> Schedule:
        """Training schedule of every member.

        Args:
            rows: Number of labelled rows outside the test set.
        """
        count = rows * (self.members - 1) // self.members
        return schedule_for(count, most=self.epochs, frozen=self.freeze_epochs, short=shortened(self.partners))


def shortened(partners: Sequence[str]) -> bool:
    """Whether members of a large table are trained for fewer epochs, because of a partner.

    Args:
        partners: Names of the partners.
    """
    return MINIMOL_LINEAR in partners


def members_for(rows: int) -> int:
    """Number of members by the size of the table: 5, or 3 above 10,000 rows.

    Args:
        rows: Number of labelled rows outside the test set.

    Example:
        >>> members_for(600), members_for(40_000)
        (5, 3)
    """
    return _FOLDS if rows <= _LARGE else 3
