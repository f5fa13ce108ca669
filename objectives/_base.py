"""The base class of objectives, and objectives by name."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from molweight.arrays import Column
from molweight.deprecation import renamed_function
from molweight.encoders import Encoding
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import GraphBatch, MoleculeDataset, TargetSpec
from molweight.registry import Registry
from molweight.typing import GraphLike

__all__ = [
    "FAMILIES",
    "Encode",
    "Objective",
    "available",
    "build",
    "check_share",
    "column_of",
    "corpus_column",
    "create",
    "draw_seed",
    "get",
    "known_rows",
    "mean_of_known",
    "register",
]

FAMILIES = ("masking", "contrastive", "motif", "property", "structure")
_REMEDY = (
    "Attach the targets of the objectives to the dataset first: "
    "molweight.graphs.attach_targets(dataset, objective.targets)."
)
_SEEDS: Final = 2**62
_PLACES: Final = 4
"""Generators of CUDA devices move on by multiples of this."""


class Encode(Protocol):
    """An encoder, or an encoder as a function of given parameters; called by losses."""

    def __call__(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch; see :class:`molweight.encoders.Encoder`."""
        ...


class Objective(nn.Module, ABC):
    """A pretraining task: a head, and a loss whose labels are computed from the molecule itself.

    All randomness is in :meth:`draw`, which creates views of a batch on the batch's device. :meth:`loss` is a pure
    function of the encoder's and the head's parameters and of the views, so every derivative of a training step sees
    the same masks, negatives and dropout. ``objective(encoder, views)`` is the loss, which lets
    ``torch.func.functional_call`` replace the head's parameters.

    Subclasses take ``width`` and named options in ``__init__`` and implement ``draw`` and ``loss``. A loss is twice
    differentiable and finite on every batch, even on a single atom.

    Args:
        width: Size ``d`` of the encoder's vectors.

    Attributes:
        family: Kind of task: masking, contrastive, motif, property or structure.
        paper: Publication of the objective.
        targets: Values per molecule or atom that the objective needs; batches carry each in ``columns[spec.name]`` or
            ``atom_columns[spec.name]``. An objective whose targets depend on its options sets them in ``__init__``.
        tables: Names of labelled tables for the objective, in addition to the corpus; they are passed to
            :meth:`attach`.
        cost: Number of times the atoms of a batch pass through a graph neural network in a step, which determines its
            time: 1 for one view, 2 for two. The time itself is measured by
            ``experiments/benchmarks/benchmark_objectives.py``.
        collapses: Whether the loss alone is minimal if all molecules get the same vector, so that it should be combined
            with another objective.
        learnable: Options of which the loss is a differentiable function, with the positive bounds for learning them
            (``--learn``). The loss reads each as an attribute of its name, which is then a tensor.
    """

    family: ClassVar[str]
    paper: ClassVar[str]
    targets: tuple[TargetSpec, ...] = ()
    tables: tuple[str, ...] = ()
    cost: ClassVar[float] = 1.0
    collapses: ClassVar[bool] = False
    learnable: ClassVar[Mapping[str, tuple[float, float]]] = {}

    def __init__(self, width: int) -> None:
        """Check ``width``; subclasses create their head."""
        super().__init__()
        if width < 1:
            raise OptionError("width", width, "must be at least 1", owner=f"objective {type(self).__name__}")
        self.width = width

    def prepare(self, columns: Mapping[str, Column]) -> None:
        """Compute statistics of the corpus, once, before training; most objectives need none.

        Args:
            columns: Values of each of the class's ``targets`` in the corpus, by name, one row per molecule or atom.
        """

    def attach(self, tables: Mapping[str, MoleculeDataset]) -> None:
        """Set the labelled tables of the objective, once, before training; most objectives need none.

        Args:
            tables: Molecules and labels of each of the class's ``tables``, by name.
        """

    @abstractmethod
    def draw(self, batch: GraphBatch, generator: torch.Generator) -> Any:
        """Create the views of one step.

        Args:
            batch: Molecules, with ``columns`` for ``targets``; not modified.
            generator: The only source of randomness, on the batch's device.

        Returns:
            A frozen dataclass for :meth:`loss`.
        """

    @abstractmethod
    def loss(self, encoder: Encode, views: Any) -> Tensor:
        """The loss of drawn views.

        Args:
            encoder: An encoder of this objective's width, or a function with the same signature.
            views: The views from :meth:`draw`.

        Returns:
            A scalar.
        """

    def forward(self, encoder: Encode, views: Any) -> Tensor:
        """The loss; see :meth:`loss`."""
        return self.loss(encoder, views)


def draw_seed(generator: torch.Generator) -> int:
    """A seed for the encoder's dropout, drawn from ``generator``.

    Example:
        >>> draw_seed(torch.Generator().manual_seed(0)) == draw_seed(torch.Generator().manual_seed(0))
        True
    """
    if generator.device.type == "cuda":
        return _seed_at(generator)
    return int(torch.randint(_SEEDS, (), generator=generator, device=generator.device).item())


def _seed_at(generator: torch.Generator) -> int:
    """A seed from a generator's position in its sequence; a number sampled on the device would have to be read."""
    place = generator.get_offset()
    generator.set_offset(place + _PLACES)
    return int(np.random.default_rng([generator.initial_seed(), place]).integers(_SEEDS))


def column_of(batch: GraphBatch, spec: TargetSpec) -> Tensor:
    """The values of ``spec`` in a batch, ``G x dim``, or ``N x dim`` for values per atom.

    Raises:
        DataError: If the batch lacks them.
    """
    carried = batch.atom_columns if spec.per == "atom" else batch.columns
    if spec.name not in carried:
        raise DataError(f"the batch has no column {spec.name!r}. {_REMEDY}")
    return carried[spec.name]


def corpus_column(columns: Mapping[str, Column], spec: TargetSpec) -> Column:
    """The values of ``spec`` for a whole corpus, from the argument of :meth:`Objective.prepare`.

    Raises:
        DataError: If they are missing.
    """
    if spec.name not in columns:
        raise DataError(f"prepare() needs the column {spec.name!r} of the corpus. {_REMEDY}")
    return columns[spec.name]


def known_rows(values: Tensor) -> Tensor | None:
    """Which molecules have values, ``G`` bool; ``None`` if the column is of integers, which are never missing.

    Args:
        values: A column, ``G x dim``; NaN where a value is missing.

    Example:
        >>> known_rows(torch.tensor([[1.0], [torch.nan]])), known_rows(torch.tensor([[1], [0]]))
        (tensor([ True, False]), None)
    """
    return ~values.isnan().any(dim=1) if values.is_floating_point() else None


def mean_of_known(each: Tensor, known: Tensor | None) -> Tensor:
    """Mean of losses over the molecules that have values; 0 without any.

    Args:
        each: Losses, ``G x dim``, finite.
        known: Which molecules have values, ``G`` bool; ``None`` for all.

    Example:
        >>> mean_of_known(torch.tensor([[1.0, 2.0], [5.0, 5.0]]), torch.tensor([True, False])).item()
        1.5
    """
    if known is None:
        return each.mean()
    weights = known.to(each.dtype)[:, None]
    mean: Tensor = (each * weights).sum() / (weights.sum().clamp(min=1) * each.size(1))
    return mean


def check_share(objective: str, option: str, value: float) -> None:
    """Refuse a share that is not at least 0 and below 1.

    Raises:
        OptionError: If ``value`` is outside this range.
    """
    if not 0 <= value < 1:
        raise OptionError(option, value, "must be at least 0 and below 1", owner=f"objective {objective!r}")


O = TypeVar("O", bound=type[Objective])  # noqa: E741 - the first letter of what it stands for


def _check(name: str, objective: type[Objective]) -> None:
    family = getattr(objective, "family", None)
    if family not in FAMILIES or not getattr(objective, "paper", None):
        families = ", ".join(FAMILIES)
        raise ConfigError(
            f"objective {name!r} needs the class attributes family (one of {families}; found {family!r}) and paper "
            "(where it comes from)."
        )


class _Objectives(Registry[type[Objective]]):
    """Objectives by name, or by name and alias, e.g. ``"assay_labels:chembl"``."""

    def get(self, name: str) -> type[Objective]:
        """The class of ``name``, without its alias.

        Raises:
            UnknownNameError: If there is no such objective, with the nearest names.
            ConfigError: If the alias cannot be used.
        """
        base, colon, alias = name.partition(":")
        if colon and not re.fullmatch(r"[\w-]+", alias):
            raise ConfigError(
                f"objective {name!r}: an alias is made of letters, digits, underscores and hyphens, e.g. '{base}:two'."
            )
        return super().get(base)


_OBJECTIVES = _Objectives("objective", group="molweight.objectives", base=Objective, check=_check, given=("width",))


def register(name: str) -> Callable[[O], O]:
    """Class decorator that registers an objective under ``name``.

    Args:
        name: Lower case with underscores.

    Returns:
        The decorator. It raises :class:`molweight.errors.ConfigError` if the class names no family or paper, and
        :class:`molweight.errors.DuplicateNameError` if the name is taken.
    """
    return cast(Callable[[O], O], _OBJECTIVES.register(name))


get = _OBJECTIVES.get
available = _OBJECTIVES.available
create = _OBJECTIVES.create
build = renamed_function("molweight.objectives.build", "molweight.objectives.create", create)
"""The old name of :func:`create`, supported for one more release."""
