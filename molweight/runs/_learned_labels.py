"""Labels from which a pretrained encoder has learned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from molweight.arrays import BoolArray, Uint64Array
from molweight.datasets.internal import identities, skeleton_keys, without_isotopes
from molweight.graphs import MoleculeDataset
from molweight.mlo import TwoLevelGraph, weightings

__all__ = ["LearnedLabels", "trains_encoder"]


@dataclass(frozen=True)
class LearnedLabels:
    """Labels of one table from which an encoder has learned.

    Args:
        learner: Name of the objective, or of the weighting that trains the encoder on the task.
        table: Name or file of the table.
        data: Digest of the task's table whose held-out compounds were left out; empty if none were.
        roles: Digest of the roles of that table.
        compounds: Hexadecimal keys of the compounds with these labels, with and without their isotopes; empty for all
            compounds of the table.
        skeletons: Hexadecimal keys of the first blocks of the InChIKeys of these compounds; empty in files of earlier
            versions.
    """

    learner: str
    table: str
    data: str = ""
    roles: str = ""
    compounds: str = ""
    skeletons: str = ""

    @classmethod
    def of_task(cls, learner: str, data: MoleculeDataset) -> Self:
        """Labels of the task itself.

        Args:
            learner: Name of the weighting.
            data: The molecules with these labels.
        """
        compounds, skeletons = np.unique(_both_keys(data)), skeleton_keys(list(data.smiles))
        return cls(learner, data.name, compounds=_stored(compounds), skeletons=_stored(skeletons[skeletons > 0]))

    @classmethod
    def under(cls, learner: str, table: str, card: Mapping[str, Any] | None) -> Self:
        """Labels of a table without the compounds that a task holds out.

        Args:
            learner: Name of the objective.
            table: Name or file of the table.
            card: Card of the task; ``None`` if there was no task.
        """
        known = card or {}
        return cls(learner, table, str(known.get("sha256", "")), str(known.get("split_sha256", "")))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The result of :meth:`to_json`.

        Args:
            values: The fields by name.
        """
        return cls(**{field.name: str(values.get(field.name, "")) for field in fields(cls)})

    def to_json(self) -> dict[str, str]:
        """The fields by name; empty ones are omitted."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def is_task(self) -> bool:
        """Whether these are the labels of a task, without its compounds: the run is of a version without records."""
        return not self.compounds and self.learner in weightings.available()

    def respects(self, card: Mapping[str, Any]) -> bool:
        """Whether the compounds that a task holds out were left out.

        Args:
            card: Card of the task.
        """
        return bool(self.data) and (self.data, self.roles) == (card["sha256"], card["split_sha256"])

    def covers(self, data: MoleculeDataset) -> BoolArray:
        """Which molecules are forms of the compounds with these labels.

        Args:
            data: The molecules.
        """
        (keys, plain), stored = _both_keys(data), _read(self.compounds)
        out = np.isin(keys, stored) | np.isin(plain, stored)
        if self.skeletons:
            rest = np.flatnonzero(~out)
            # Where InChI fails, the key is 0, which is not stored.
            out[rest] = np.isin(skeleton_keys([data.smiles[int(place)] for place in rest]), _read(self.skeletons))
        return out


def trains_encoder(weighting: str) -> bool:
    """Whether adaptive pretraining trains the encoder itself on the labels of ``train``, not only a copy of it.

    Args:
        weighting: Name of the weighting; ``"none"`` for no adaptive pretraining.

    Raises:
        UnknownNameError: If it is not registered.

    Example:
        >>> trains_encoder("bilevel"), trains_encoder("tapweight")
        (True, False)
    """
    return weighting != "none" and issubclass(weightings.get(weighting).graph, TwoLevelGraph)


def _both_keys(data: MoleculeDataset) -> Uint64Array:
    """The compound keys of molecules, and those without isotopes, ``2 x n``."""
    keys = identities(data)[:, 1]
    return np.stack([keys, without_isotopes(data, keys)])


def _stored(keys: Uint64Array) -> str:
    """The different keys in hexadecimal digits."""
    return np.unique(keys).tobytes().hex()


def _read(stored: str) -> Uint64Array:
    """The keys from :func:`_stored`."""
    return np.frombuffer(bytes.fromhex(stored), dtype=np.uint64)
