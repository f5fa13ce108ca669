"""The molecules of each step: batches, and the sources of levels 1, 2 and 3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from molweight.arrays import Indices
from molweight.datasets.internal import PART
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.mlo import LossFn, SharedObjectives
from molweight.models import Predictor, Pretrainer

__all__ = ["Batches", "Corpus", "TaskSource", "generator_for", "part_batches"]

_WHOLE: Final = 2**20
"""Maximum number of molecules shuffled at once: 8 MiB in memory and in every saved state."""
_BLOCK: Final = 2**12
"""Number of consecutive molecules per block: about 2 MiB of a corpus on disk."""
_WINDOW: Final = 64
"""Number of blocks shuffled together: a quarter of a million molecules."""


def generator_for(seed: int, stream: str) -> np.random.Generator:
    """An independent random stream per purpose, so that the use of one does not affect the others.

    Args:
        seed: The run's seed.
        stream: Name of the stream's purpose.
    """
    return np.random.default_rng([seed, *stream.encode()])


class Batches:
    """Endless batches: every molecule once per epoch, in a new order each time.

    A last incomplete batch is dropped; if there are fewer molecules than the batch size, each batch has all of them.
    More than a million molecules are shuffled by blocks: 64 random blocks of 4,096 consecutive molecules are shuffled
    together, then the next 64. Memory, states and disk accesses therefore do not grow with the corpus.

    Args:
        indices: Positions of the molecules.
        size: Molecules per batch.
        rng: Random generator.

    Raises:
        ConfigError: If there are no positions or ``size`` is not positive.

    Example:
        >>> batches = Batches([4, 5, 6, 7], 2, np.random.default_rng(0))
        >>> sorted([*batches.next(), *batches.next()])
        [np.int64(4), np.int64(5), np.int64(6), np.int64(7)]
    """

    def __init__(self, indices: Sequence[int] | Indices, size: int, rng: np.random.Generator) -> None:
        """Start before the first epoch."""
        if len(indices) == 0 or size < 1:
            raise ConfigError(f"cannot draw batches of {size} from {len(indices)} molecules; both must be at least 1.")
        by_blocks = len(indices) > _WHOLE
        keep = by_blocks and isinstance(indices, range)  # as a list it would take 8 bytes per molecule
        self.indices = indices if keep else np.asarray(indices, dtype=np.int64)
        self.size = min(size, len(self.indices))
        self.rng = rng
        self._order: Indices = np.empty(0, dtype=np.int64)
        self._blocks: Indices | None = np.empty(0, dtype=np.int64) if by_blocks else None
        self._at = 0

    def next(self) -> Indices:
        """The next batch of positions."""
        while self._at + self.size > len(self._order):
            self._mix()
        batch = self._order[self._at : self._at + self.size]
        self._at += self.size
        return batch

    def _mix(self) -> None:
        """Draw the next part of the order: an epoch, or a window of blocks after the rest of the last one."""
        if self._blocks is None:
            self._order, self._at = self.rng.permutation(self.indices), 0
            return
        left = self._order[self._at :]
        if len(self._blocks) == 0:
            self._blocks, left = self.rng.permutation(-(-len(self.indices) // _BLOCK)), left[:0]
        window, self._blocks = self._blocks[:_WINDOW], self._blocks[_WINDOW:]
        rows = [np.asarray(self.indices[block * _BLOCK : (block + 1) * _BLOCK], dtype=np.int64) for block in window]
        self._order, self._at = np.concatenate([left, self.rng.permutation(np.concatenate(rows))]), 0

    def epoch(self) -> list[Indices]:
        """All molecules once, in a new order, in batches of nearly equal size."""
        order = self.rng.permutation(self.indices)
        count = max(1, round(len(order) / self.size))
        return np.array_split(order, count)

    def state_dict(self) -> dict[str, Any]:
        """Order, position in the epoch, and random state."""
        blocks = {} if self._blocks is None else {"blocks": torch.tensor(self._blocks)}
        return {"order": torch.tensor(self._order), "at": self._at, "rng": self.rng.bit_generator.state, **blocks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state saved by :meth:`state_dict`."""
        self._order, self._at = np.asarray(state["order"], dtype=np.int64), int(state["at"])
        self.rng.bit_generator.state = state["rng"]
        if self._blocks is not None:
            self._blocks = np.asarray(state["blocks"], dtype=np.int64)


def part_batches(
    data: MoleculeDataset, objectives: Sequence[str], size: int, seed: int, stream: str = "part"
) -> dict[str, Batches]:
    """Batches for each part of a joined corpus that is the alias of an objective; the parts share the batch size.

    Args:
        data: The molecules.
        objectives: Names of the objectives, e.g. ``graphcl:own``.
        size: Molecules per step.
        seed: Seed of the orders.
        stream: Purpose of the batches; another one draws other molecules.
    """
    aliases = {name.partition(":")[2] for name in objectives}
    found = {name.removeprefix(PART): column for name, column in data.columns.items() if name.startswith(PART)}
    used = {name: np.flatnonzero(column) for name, column in found.items() if name in aliases}
    return {
        name: Batches(rows, max(1, size // len(used)), generator_for(seed, f"{stream} {name}"))
        for name, rows in used.items()
    }


@dataclass(frozen=True)
class Corpus:
    """Source of molecules for pretraining.

    Args:
        data: The molecules, with the columns that the objectives need.
        batches: Batches for training.
        solve_batches: Batches for the curvature of level 1; ``None`` for those of the step itself.
        generator: Random generator of the objectives, on the device.
        parts: Molecules of each part of the corpus, for objectives with its name as alias.
        pad: Whether padded batches are encoded.
        names: Objectives that use it; all if empty.
        own: The task's own molecules, if they are used for the gradients in the hypergradient.
        solve_parts: As ``parts``, for the curvature of level 1; used with ``solve_batches``.
    """

    data: MoleculeDataset
    batches: Batches
    solve_batches: Batches | None
    generator: torch.Generator
    parts: Mapping[str, Batches] = field(default_factory=dict)
    pad: bool = False
    names: Sequence[str] = ()
    own: "Corpus | None" = None
    solve_parts: Mapping[str, Batches] = field(default_factory=dict)

    def losses(self, model: Pretrainer, *, solve: bool = False) -> SharedObjectives:
        """Draw a batch and its views, and return the losses of the objectives as pure functions.

        Args:
            model: Model with the objectives.
            solve: Whether the batch is for the curvature.
        """
        batches, pieces = self.batches, self.parts
        if solve and self.solve_batches:
            batches, pieces = self.solve_batches, self.solve_parts
        drawn = self.data.graphs(batches.next(), self.generator.device)
        parts = {name: self.data.graphs(piece.next(), self.generator.device) for name, piece in pieces.items()}
        return model.draw(drawn, self.generator, parts, pad=self.pad, names=self.names or None)

    def state_dict(self) -> dict[str, Any]:
        """Position in the data and all random states."""
        solve = self.solve_batches
        return {
            "batches": self.batches.state_dict(),
            "solve": None if solve is None else solve.state_dict(),
            "generator": self.generator.get_state(),
            **_states("parts", self.parts),
            **_states("solve_parts", self.solve_parts),
            **({} if self.own is None else {"own": self.own.state_dict()}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state saved by :meth:`state_dict`.

        Args:
            state: A result of :meth:`state_dict`.
        """
        self.batches.load_state_dict(state["batches"])
        if self.solve_batches is not None:
            self.solve_batches.load_state_dict(state["solve"])
        self.generator.set_state(state["generator"])
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        # Earlier states took the curvature from the batches above: there, these start from their beginning.
        for name, saved in state.get("solve_parts", {}).items():
            self.solve_parts[name].load_state_dict(saved)
        if self.own is not None:
            self.own.load_state_dict(state["own"])


def _states(key: str, parts: Mapping[str, Batches]) -> dict[str, Any]:
    """The states of all parts under one key; empty if there are none."""
    return {key: {name: part.state_dict() for name, part in parts.items()}} if parts else {}


@dataclass(frozen=True)
class TaskSource:
    """Source of labelled molecules for levels 2 and 3.

    Args:
        model: The model of level 2.
        data: The labelled molecules.
        train: Batches for finetuning.
        meta: Batches for the meta loss.
        seeds: Source of dropout seeds.
        device: Device to compute on.
        meta_batches: Meta batches that one hypergradient is averaged over.
        pad: Whether padded batches are encoded.
    """

    model: Predictor
    data: MoleculeDataset
    train: Batches
    meta: Batches
    seeds: np.random.Generator
    device: torch.device
    meta_batches: int = 1
    pad: bool = False

    def loss(self, batches: Batches, *, dropout: bool) -> LossFn:
        """The loss on the next batch as a pure function."""
        seed = int(self.seeds.integers(2**31)) if dropout else None
        return self.model.bound_loss(self.data.graphs(batches.next(), self.device), seed, pad=self.pad)

    def state_dict(self) -> dict[str, Any]:
        """Position in the data and all random states."""
        return {
            "train": self.train.state_dict(),
            "meta": self.meta.state_dict(),
            "seeds": self.seeds.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state saved by :meth:`state_dict`.

        Args:
            state: A result of :meth:`state_dict`.
        """
        self.train.load_state_dict(state["train"])
        self.meta.load_state_dict(state["meta"])
        self.seeds.bit_generator.state = state["seeds"]
