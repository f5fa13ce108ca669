"""Labels of held-out compounds: no other table and no checkpoint may have taught them."""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight import datasets, objectives
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable, read_sources
from molweight.errors import ConfigError, DataError, mention
from molweight.graphs import MoleculeDataset
from molweight.runs import Checkpoint
from molweight.runs.internal import data_card

__all__ = ["HeldOut", "allowed_rows", "load_labelled", "refuse_leaky_checkpoint"]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """A task with held-out compounds: other tables may contribute labels only for its compounds in ``train``.

    Args:
        data: The labelled table.
        splits: Its roles.
        sources: Auxiliary tables without its held-out compounds.
    """

    data: MoleculeDataset
    splits: Splits
    sources: tuple[SourceTable, ...] = ()

    def without(self, table: MoleculeDataset) -> MoleculeDataset:
        """A labelled table without all forms of the compounds in ``meta``, ``select`` and ``test``.

        Names of labels are ignored, because a table may repeat labels of another one under other names.

        Args:
            table: The table.

        Raises:
            DataError: If nothing is left.
        """
        roles = self.splits.roles()
        held = np.concatenate([np.asarray(roles[name], dtype=np.int64) for name in ("meta", "select", "test")])
        kept = datasets.without(table, self.data, held)
        if len(kept) == 0:
            raise DataError(
                f"every molecule of {table.name} is in meta, select or test of {self.data.name}, so none is left to "
                "learn labels from. Name another table with objective_options."
            )
        return kept


def load_labelled(table: str) -> MoleculeDataset:
    """A labelled table by its name, or an auxiliary table by its file.

    Args:
        table: The name or the path.
    """
    return datasets.load(table) if table in datasets.available() else read_sources([table])[0].data


def refuse_leaky_checkpoint(checkpoint: Checkpoint, init: str, held: HeldOut) -> None:
    """Refuse a checkpoint that was trained on labels of held-out compounds.

    Args:
        checkpoint: The checkpoint.
        init: Its name.
        held: The task.

    Raises:
        ConfigError: If it was; names the table and the remedy.
    """
    task = {name: value for name, value in (checkpoint.task or {}).items() if name != "sources"}
    if task and task == data_card(held.data, held.splits):
        return  # a run on the same table and roles left out the same compounds
    for name, options in checkpoint.objectives.items():
        for table in map(load_labelled, objectives.create(name, width=1, **options).tables):
            seen = len(table) - len(held.without(table))
            if seen:
                raise ConfigError(
                    f"{mention('init', init)} was trained on labels of {table.name} ({name}), and {seen} of its "
                    f"molecules are compounds that {held.data.name} holds out, so the score would be too optimistic. "
                    f"Leave init out, so that {name} is learned without them, or name a checkpoint without {name}."
                )


def allowed_rows(name: str, table: MoleculeDataset, held: HeldOut | None) -> MoleculeDataset:
    """The part of a table that may be learned.

    Args:
        name: The objective that learns it.
        table: The table.
        held: The task; with ``None`` all rows are allowed, with a warning.
    """
    if held is None:
        _LOG.warning(
            "%s learns all labels of %s: do not use these labels to evaluate a model that starts from this checkpoint",
            name,
            table.name,
        )
        return table
    kept = held.without(table)
    if len(kept) < len(table):
        _LOG.info("%s: %d molecules of %s are held out", name, len(table) - len(kept), table.name)
    return kept
