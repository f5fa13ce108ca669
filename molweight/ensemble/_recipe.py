"""All settings of an ensemble."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Self

import numpy as np

from molweight.datasets.internal import SourceTable
from molweight.ensemble._fit_member import Schedule, schedule_for
from molweight.ensemble._partner_kinds import MINIMOL, MINIMOL_LINEAR, OF_VECTORS, PARTNERS
from molweight.ensemble._tabicl_network import Network
from molweight.features.internal import COLUMN_PREFIX
from molweight.options import EnsembleOptions
from molweight.options.internal import option_names

__all__ = ["DEFAULT_FEATURES", "Recipe", "members_for", "shortened"]

DEFAULT_FEATURES: Final = tuple(EnsembleOptions().features)
"""Feature sets in addition to the graph."""

_FOLDS: Final = 5
_LARGE: Final = 10_000
_STREAMS: Final = {"folds": 0, "members": 1, "trees": 2, "sources": 3}


@dataclass(frozen=True)
class Recipe(EnsembleOptions):
    """The settings of an ensemble: its options, resolved for a table, and what its members start from.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        epochs: Maximum number of epochs of a member.
        freeze_epochs: Number of first epochs in which only the head is trained.
        dropout: Dropout of the hidden layer.
        seed: Seed of all random numbers.
        network: Weights of TabICL, which is then a further partner; ``None`` for none.
        sources: Auxiliary tables for the partner ``"profile"``, without held-out compounds of the task.
    """

    encoder: str
    encoder_options: dict[str, Any]
    _: KW_ONLY
    members: int = _FOLDS
    features: tuple[str, ...] = DEFAULT_FEATURES
    partners: tuple[str, ...] = PARTNERS
    epochs: int = 100
    freeze_epochs: int = 0
    dropout: float = 0.2
    seed: int = 0
    network: Network | None = None
    sources: tuple[SourceTable, ...] = ()

    def __post_init__(self) -> None:
        """Check nothing: the options are those of a job, which is checked."""

    @classmethod
    def of(cls, options: EnsembleOptions, **resolved: Any) -> Self:
        """The settings with the values of the option group.

        Args:
            options: The options, or a job that contains them.
            **resolved: The other settings, and options with other values.
        """
        return cls(**{name: getattr(options, name) for name in option_names(EnsembleOptions)} | resolved)

    def stream(self, name: str, *further: int) -> np.random.Generator:
        """The random numbers of a part of the work.

        Args:
            name: The part.
            *further: Numbers that tell streams of the same part apart.
        """
        return np.random.default_rng([self.seed, _STREAMS[name], *further])

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
        rows: Number of rows of the table.

    Example:
        >>> members_for(600), members_for(40_000)
        (5, 3)
    """
    return _FOLDS if rows <= _LARGE else 3
