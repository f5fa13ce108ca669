"""Level 1: an encoder with the heads of the objectives."""

import logging
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from molweight import encoders, objectives
from molweight.encoders import Encoder, Encoding
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch
from molweight.graphs.internal import pad_batch
from molweight.mlo import Params, SharedObjectives
from molweight.objectives import Objective, draw_seed
from molweight.plugins import ForeignCode
from molweight.seeding import seeded
from molweight.typing import GraphLike

__all__ = ["Loss", "Pretrainer", "bind", "build_pretrainer", "check_models"]

_log = logging.getLogger(__name__)

Loss = Callable[[dict[str, Tensor]], Tensor]


class Pretrainer(nn.Module):
    """Level 1: an encoder and the heads of the objectives.

    Args:
        encoder: The encoder theta.
        heads: The objectives by name; their parameters are phi.
    """

    def __init__(self, encoder: Encoder, heads: Mapping[str, Objective]) -> None:
        """Register both as submodules, so that parameters are named ``encoder.*`` and ``objectives.<name>.*``."""
        super().__init__()
        self.encoder = encoder
        self.objectives = nn.ModuleDict(heads)

    def objective(self, name: str) -> Objective:
        """The objective ``name``."""
        found = self.objectives[name]
        if not isinstance(found, Objective):
            raise ConfigError(f"objective {name!r} is a {type(found).__name__}, which is not an Objective.")
        return found

    def forward(self, name: str, views: Any, encode: "_SharedEncoder | _PaddedEncoder | None" = None) -> Tensor:
        """Loss of the objective ``name`` on its views, 0-dim.

        Args:
            name: Name of the objective.
            views: The views that its ``draw`` returned.
            encode: Function that it calls in place of the encoder.

        Raises:
            TrainingError: If its code raises anything, with its file and line.
        """
        objective = self.objective(name)
        with _code_of(name, objective, "loss"):
            return objective.loss(encode or self.encoder, views)

    def draw(
        self,
        batch: GraphBatch,
        generator: torch.Generator,
        parts: Mapping[str, GraphBatch] | None = None,
        *,
        pad: bool = False,
        names: Iterable[str] | None = None,
    ) -> SharedObjectives:
        """Draw the views of every objective, and return the losses as pure functions of the parameters.

        Graphs that occur in the views of several objectives, usually the batch itself, are encoded once for all of
        them, with the same dropout masks.

        Args:
            batch: Molecules of the corpus, with the columns that the objectives need.
            generator: Source of all randomness, on the batch's device.
            parts: Molecules that objectives with this alias draw from in place of the batch: ``graphcl:own`` from
                ``parts["own"]``.
            pad: Whether to encode padded batches: the losses are the same, dropout masks apart.
            names: Objectives that draw; all if ``None``.

        Raises:
            TrainingError: If the code of an objective raises anything, with its file and line.
        """
        seeds = _Seeds(generator.clone_state())
        parts = parts or {}
        sources = {name: parts.get(name.partition(":")[2], batch) for name in names or self.objectives}
        drawn = {name: self._drawn(name, source, generator) for name, source in sources.items()}
        return _Draw(self, drawn, seeds, pad=pad).objectives()

    def _drawn(self, name: str, batch: GraphBatch, generator: torch.Generator) -> Any:
        objective = self.objective(name)
        with _code_of(name, objective, "draw"):
            return objective.draw(batch, generator)


class _Seeds:
    """Dropout seeds that the objectives of a step have in common: the first, the second, ..."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator, self._drawn = generator, list[int]()

    def __getitem__(self, place: int) -> int:
        while len(self._drawn) <= place:
            self._drawn.append(draw_seed(self._generator))
        return self._drawn[place]


class _Draw:
    """The draws of all objectives in a step."""

    def __init__(self, model: Pretrainer, views: Mapping[str, Any], seeds: _Seeds, *, pad: bool) -> None:
        self.model, self.views, self.seeds = model, views, seeds
        held = {name: {id(graphs): graphs for graphs in _graphs_in(drawn)} for name, drawn in views.items()}
        counts = Counter(key for own in held.values() for key in own)
        self.shared = {key: graphs for own in held.values() for key, graphs in own.items() if counts[key] > 1}
        every = {key: graphs for own in held.values() for key, graphs in own.items()}
        self.encoder = _PaddedEncoder(model.encoder, {key: pad_batch(each) for key, each in every.items() if pad})
        self.readers = frozenset(name for name, own in held.items() if own.keys() & self.shared.keys())
        self._encoder = {f"encoder.{name}": tensor for name, tensor in model.encoder.named_parameters()}
        # Collected once per step: functional_call would walk through all heads for each head.
        self._tied = len(list(model.named_parameters(remove_duplicate=False))) > len(list(model.parameters()))
        self._used = {name: {**self._encoder, **self._own(name)} for name in views}

    def objectives(self) -> SharedObjectives:
        """The losses, as functions of the parameters and of the shared encodings."""
        heads = {name: self._head(name) for name in self.views}
        return SharedObjectives(heads, self._encode, self.readers, self._used)

    def _own(self, name: str) -> dict[str, Tensor]:
        objective, prefix = self.model.objective(name), f"objectives.{name}"
        learned = {option: tensor for option, tensor in objective.named_buffers() if option in objective.learnable}
        named = {f"{prefix}.{option}": tensor for option, tensor in learned.items()}
        return dict(objective.named_parameters(prefix=prefix)) | named

    def _head(self, name: str) -> Callable[[Params, Callable[[Hashable], tuple[Tensor, ...]]], Tensor]:
        def loss(params: Params, read: Callable[[Hashable], tuple[Tensor, ...]]) -> Tensor:
            alone = self.encoder if self.encoder.padded else None
            encode = _SharedEncoder(self, read) if name in self.readers else alone
            value: Tensor = _call(
                self.model, self._used[name], params, (name, self.views[name], encode), tied=self._tied
            )
            return value

        return loss

    def _encode(self, params: Params, key: Any) -> tuple[Tensor, ...]:
        graphs, seed = key
        own, given = (
            {name.removeprefix("encoder."): tensor for name, tensor in some.items() if name in self._encoder}
            for some in (self._encoder, params)
        )
        batch = self.encoder.padded.get(graphs, self.shared[graphs])
        encoding: Encoding = _call(self.model.encoder, own, given, (batch, seed), tied=self._tied)
        return tuple(encoding)


def _call(
    module: nn.Module, used: Mapping[str, Tensor], params: Params, arguments: tuple[Any, ...], *, tied: bool
) -> Any:
    """Call the module with the given parameters that it uses; the others stay in place, because swapping takes time."""
    given = {name: params[name] for name in used if name in params}
    if all(tensor is used[name] for name, tensor in given.items()):
        return module(*arguments)
    return functional_call(module, given, arguments, tie_weights=tied)


class _PaddedEncoder:
    """Encoder that pads batches to a few sizes; losses do not see the vectors of the padding.

    Args:
        encoder: The encoder.
        padded: Padded batches, by the ``id`` of the batches that they replace.
    """

    def __init__(self, encoder: Encoder, padded: Mapping[int, GraphBatch]) -> None:
        self.encoder, self.padded = encoder, padded

    def __call__(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        batch = self.padded.get(id(graphs))
        return self.encoder(graphs, seed) if batch is None else self.trimmed(self.encoder(batch, seed), graphs)

    def trimmed(self, encoding: Encoding, graphs: GraphLike) -> Encoding:
        """The encoding without padding atoms; it contains no padding molecules."""
        if id(graphs) not in self.padded:
            return encoding
        return Encoding(encoding.nodes[: len(graphs.batch)], encoding.graphs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)


class _SharedEncoder:
    """An encoder as seen by the loss of one objective: graphs that other objectives also use are encoded once for all.

    The objective's dropout seeds are replaced by those of the step, in order, so that all objectives that encode the
    same graphs with dropout use the same masks.
    """

    def __init__(self, draw: _Draw, read: Callable[[Hashable], tuple[Tensor, ...]]) -> None:
        self._draw, self._read, self._encoder = draw, read, draw.encoder
        self._places: dict[int, int] = {}

    def __call__(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        if seed is not None:
            seed = self._draw.seeds[self._places.setdefault(seed, len(self._places))]
        if id(graphs) not in self._draw.shared:
            return self._encoder(graphs, seed)
        if getattr(self._encoder, "dropout", None) == 0:
            seed = None
        return self._encoder.trimmed(Encoding(*self._read((id(graphs), seed))), graphs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def _graphs_in(views: Any) -> Iterator[GraphBatch]:
    """The graphs among an objective's views."""
    if isinstance(views, GraphBatch):
        yield views
    elif is_dataclass(views):
        for field in fields(views):
            yield from _graphs_in(getattr(views, field.name))
    elif isinstance(views, Mapping):
        yield from _graphs_in(tuple(views.values()))
    elif isinstance(views, tuple | list):
        for part in views:
            yield from _graphs_in(part)


def _code_of(name: str, objective: Objective, method: str) -> ForeignCode:
    """Context in which an objective's code runs."""
    module = sys.modules.get(type(objective).__module__)
    return ForeignCode(f"objective {name!r}, {method}", getattr(module, "__file__", None))


def bind(model: nn.Module, *arguments: Any) -> Loss:
    """``model(*arguments)`` as a function of the model's parameters."""

    def loss(params: dict[str, Tensor]) -> Tensor:
        value: Tensor = functional_call(model, params, arguments)
        return value

    return loss


def build_pretrainer(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> Pretrainer:
    """A new encoder with the heads of the objectives; warns if the encoder can collapse under these objectives alone.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        names: Names of the objectives.
        objective_options: Options by name of objective.

    Raises:
        UnknownNameError: If a name is unknown.
        ConfigError: If an option is unknown, or options are given for an objective that is not used.
    """
    made = _pretrainer(encoder, encoder_options, names, objective_options)
    heads = {name: made.objective(name) for name in names}
    if heads and all(head.collapses for head in heads.values()):
        _log.warning(
            "pretraining with only %s may collapse to the same vector for all molecules, which minimises its loss. "
            "Add another objective, e.g. attribute_masking.",
            ", ".join(heads),
        )
    return made


def _pretrainer(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> Pretrainer:
    for name in objective_options:
        if name not in names:
            raise ConfigError(f"options are given for objective {name!r}, which is not among {', '.join(names)}.")
    body = encoders.create(encoder, **encoder_options)
    heads = {name: objectives.create(name, width=body.width, **objective_options.get(name, {})) for name in names}
    return Pretrainer(body, heads)


def check_models(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> None:
    """Refuse options of the encoder and the objectives, before any data is loaded, by building both once.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        names: Names of the objectives.
        objective_options: Options by name of objective.

    Raises:
        UnknownNameError: If a name is unknown.
        ConfigError: If an option is unknown or out of range, or options are given for an objective that is not used.
    """
    with seeded(0):
        _pretrainer(encoder, encoder_options, names, objective_options)
