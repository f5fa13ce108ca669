"""Where a job runs: its molecules, its device, and who follows it."""

import logging
from dataclasses import dataclass, field

import torch

from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable
from molweight.graphs import MoleculeDataset
from molweight.training._state import Session

__all__ = ["Context"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """What all stages of a job share and none of its options says.

    Args:
        data: The labelled table.
        splits: Its roles.
        sources: Auxiliary tables, without what the roles hold out.
        device: Where to compute.
        session: Checkpoints and callbacks.
        progress: Whether to show progress bars on a terminal.
    """

    data: MoleculeDataset
    splits: Splits
    device: torch.device
    session: Session = field(default_factory=Session)
    progress: bool = False
    sources: tuple[SourceTable, ...] = ()

    def announce(self, text: str) -> None:
        """Log the start of a stage, with the method it is for where there are several.

        Args:
            text: The stage.
        """
        if (title := self.title(text)) is not None:
            _log.info("%s", title)

    def title(self, text: str) -> str | None:
        """Title of a progress bar, after the method it is for where there are several; ``None`` for no bar.

        Args:
            text: The title.
        """
        method = self.session.prefix.rstrip("/")
        return (f"{method}: {text}" if method else text) if self.progress else None
