"""Where the steps take their molecules from, and how far they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from molweight.graphs import MoleculeDataset
from molweight.mlo import LossFn
from molweight.training._models import Predictor, Pretrainer
from molweight.training._sampling import Batches

__all__ = ["Corpus", "TaskSource"]


@dataclass(frozen=True)
class Corpus:
    """Where pretraining takes its molecules from.

    Args:
        data: The molecules, with the columns that the objectives need.
        batches: Which of them a step trains on.
        solve_batches: Which of them the curvature of level 1 is taken on; ``None`` for those of the step itself.
        generator: Source of what the objectives draw, on the device.
    """

    data: MoleculeDataset
    batches: Batches
    solve_batches: Batches | None
    generator: torch.Generator

    def losses(self, model: Pretrainer, *, solve: bool = False) -> dict[str, LossFn]:
        """Draw a batch and views of it; the losses of the objectives on them as pure functions.

        Args:
            model: Whose objectives draw.
            solve: Whether the batch is for the curvature.
        """
        batches = self.solve_batches if solve and self.solve_batches else self.batches
        return model.draw(self.data.graphs(batches.next(), self.generator.device), self.generator)

    def state_dict(self) -> dict[str, Any]:
        """Position in the data and all random states."""
        solve = self.solve_batches
        return {
            "batches": self.batches.state_dict(),
            "solve": None if solve is None else solve.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Args:
            state: What it gave.
        """
        self.batches.load_state_dict(state["batches"])
        if self.solve_batches is not None:
            self.solve_batches.load_state_dict(state["solve"])
        self.generator.set_state(state["generator"])


@dataclass(frozen=True)
class TaskSource:
    """Where levels 2 and 3 take their labelled molecules from.

    Args:
        model: The model of level 2.
        data: The labelled molecules.
        train: Which of them a step finetunes on.
        meta: Which of them a step judges the weights on.
        seeds: Source of dropout seeds.
        device: Where to compute.
        meta_batches: Meta batches that one hypergradient is averaged over.
    """

    model: Predictor
    data: MoleculeDataset
    train: Batches
    meta: Batches
    seeds: np.random.Generator
    device: torch.device
    meta_batches: int = 1

    def loss(self, batches: Batches, *, dropout: bool) -> LossFn:
        """The loss on the next batch as a pure function."""
        seed = int(self.seeds.integers(2**31)) if dropout else None
        return self.model.bound_loss(self.data.graphs(batches.next(), self.device), seed)

    def state_dict(self) -> dict[str, Any]:
        """Position in the data and all random states."""
        return {
            "train": self.train.state_dict(),
            "meta": self.meta.state_dict(),
            "seeds": self.seeds.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Args:
            state: What it gave.
        """
        self.train.load_state_dict(state["train"])
        self.meta.load_state_dict(state["meta"])
        self.seeds.bit_generator.state = state["seeds"]
