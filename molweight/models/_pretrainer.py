"""Level 1: an encoder with the heads of the objectives."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from molweight.encoders import Encoder
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch
from molweight.objectives import Objective
from molweight.plugins import ForeignCode

__all__ = ["Loss", "Pretrainer", "bind"]

Loss = Callable[[dict[str, Tensor]], Tensor]


class Pretrainer(nn.Module):
    """Level 1: an encoder and the heads of the objectives.

    Args:
        encoder: The encoder theta.
        heads: The objectives by name; their parameters are phi.
    """

    def __init__(self, encoder: Encoder, heads: Mapping[str, Objective]) -> None:
        """Keep both as submodules, so that parameters are named ``encoder.*`` and ``objectives.<name>.*``."""
        super().__init__()
        self.encoder = encoder
        self.objectives = nn.ModuleDict(heads)

    def objective(self, name: str) -> Objective:
        """The objective ``name``."""
        found = self.objectives[name]
        if not isinstance(found, Objective):
            raise ConfigError(f"objective {name!r} is a {type(found).__name__}, which is no Objective.")
        return found

    def forward(self, name: str, views: Any) -> Tensor:
        """Loss of the objective ``name`` on what it drew, 0-dim.

        Raises:
            TrainingError: If its code raises anything, with its file and line.
        """
        objective = self.objective(name)
        with _code_of(name, objective, "loss"):
            return objective.loss(self.encoder, views)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> dict[str, Loss]:
        """Draw for every objective; what comes back are pure functions of the parameters.

        Args:
            batch: Molecules of the corpus, with the columns that the objectives need.
            generator: Source of all randomness, on the batch's device.

        Raises:
            TrainingError: If the code of an objective raises anything, with its file and line.
        """
        return {name: bind(self, name, self._drawn(name, batch, generator)) for name in self.objectives}

    def _drawn(self, name: str, batch: GraphBatch, generator: torch.Generator) -> Any:
        objective = self.objective(name)
        with _code_of(name, objective, "draw"):
            return objective.draw(batch, generator)


def _code_of(name: str, objective: Objective, method: str) -> ForeignCode:
    """Where an objective's code runs."""
    module = sys.modules.get(type(objective).__module__)
    return ForeignCode(f"objective {name!r}, {method}", getattr(module, "__file__", None))


def bind(model: nn.Module, *arguments: Any) -> Loss:
    """``model(*arguments)`` as a function of the model's parameters."""

    def loss(params: dict[str, Tensor]) -> Tensor:
        value: Tensor = functional_call(model, params, arguments)
        return value

    return loss
