"""In-context learning: a pretrained network that receives the training rows as input; only their scale is fitted."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray
from molweight.ensemble._few_labels import constant, enough
from molweight.ensemble._tabicl_network import Network
from molweight.errors import DataError
from molweight.features import Standardiser
from molweight.features.internal import SCALE_MEDIAN, scale_from_state, scale_state
from molweight.graphs import Task

__all__ = ["MOST_TARGETS", "TABICL", "InContextModel"]

TABICL: Final = "tabicl"
"""Name of the partner."""
MOST_TARGETS: Final = 50
"""Maximum number of targets; each one costs as much as the first."""
_MOST_ROWS: Final = 10_000
"""Maximum number of context rows, sampled from larger tables."""
_VIEWS: Final = 2
"""Number of averaged passes: with original and with normalised columns, in different column orders."""
_KEPT: Final = 4
"""Number of targets whose encoded context is cached, about 100 MB each; others are encoded again when needed."""
_LEAST: Final = 10
"""With fewer labelled rows, or fewer labels of the rarer class, the mean label is predicted."""
_TENSORS: Final = ("rows", "labels", "known", "seed")
_LOCK: Final = threading.Lock()
"""Held while TabICL computes, because its network caches the encoded context in its own attributes."""


@dataclass(frozen=True, eq=False)
class InContextModel:
    """TabICL with one context per target; the classes of a multiclass target share one.

    All targets share the weights of one network. Predictions of rows are independent of each other.

    Args:
        network: Its weights.
        task: Task of the table.
        standardiser: Scale of the features.
        rows: Standardised features of the context, ``n x D`` float32.
        labels: ``n x T`` float64; 0 where unknown.
        known: Which labels are known, ``n x T`` bool.
        seed: Seed of the order of columns and classes, int64.
    """

    network: Network
    task: Task
    standardiser: Standardiser
    rows: Tensor
    labels: Tensor
    known: Tensor
    seed: Tensor
    _ready: "dict[tuple[int, str], Any]" = field(default_factory=dict, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """The state without the estimators, which are rebuilt: TabICL's would look for their original file."""
        return {**vars(self), "_ready": {}}

    @classmethod
    def fit(
        cls,
        network: Network,
        task: Task,
        features: AnyArray,
        labels: AnyArray,
        *,
        seed: int,
        weights: AnyArray | None = None,
    ) -> "InContextModel":
        """Store the rows as context.

        Args:
            network: The pretrained weights.
            task: Task of the table.
            features: ``n x F``; NaN where missing.
            labels: ``n x T``, NaN where missing.
            seed: Seed of all random numbers.
            weights: Weight of each label, ``n x T``: labels with weight 0 are left out, all others count equally.
        """
        known = ~np.isnan(labels) if weights is None else ~np.isnan(labels) & (weights > 0)
        used = np.flatnonzero(known.any(axis=1))
        if len(used) > _MOST_ROWS:
            used = np.sort(np.random.default_rng(seed).permutation(used)[:_MOST_ROWS])
        standardiser = Standardiser.fit(features)
        rows = standardiser(torch.from_numpy(np.asarray(features)[used]))
        filled = np.where(known, labels, 0.0)[used].astype(np.float64)
        tensors = rows, torch.from_numpy(filled), torch.from_numpy(known[used]), torch.tensor(seed)
        return cls(network, task, standardiser, *tensors)

    def predict(self, features: AnyArray, device: str = "cpu") -> AnyArray:
        """Probabilities or labels, ``m x T`` float64.

        Args:
            features: ``m x F``.
            device: Device to compute on.
        """
        rows = self.standardiser(torch.from_numpy(np.asarray(features))).numpy()
        if not len(rows):
            return np.empty((0, self.labels.shape[1]))
        with _LOCK:
            if self.task == "multiclass":
                return self._of_classes(rows, device)
            return np.stack([self._of_target(at, rows, device) for at in range(self.labels.shape[1])], axis=1)

    def _of_target(self, at: int, rows: AnyArray, device: str) -> AnyArray:
        """Predictions of one target, ``m``."""
        context, labels = self._context(at)
        if not (enough(labels, _LEAST, classes=self.network.classes) and _varies(context)):
            return np.full(len(rows), constant(labels, classes=self.network.classes))
        model = self._model(at, context, labels, device)
        found = model.predict_proba(rows)[:, 1] if self.network.classes else model.predict(rows)
        values: AnyArray = np.asarray(found, dtype=np.float64)
        return values

    def _of_classes(self, rows: AnyArray, device: str) -> AnyArray:
        """Probabilities of a multiclass target, ``m x T``; 0 for classes that the context lacks."""
        context, labels = self._context(0)
        counts = np.bincount(labels.astype(int), minlength=self.labels.shape[1])
        if len(labels) < _LEAST or (counts > 0).sum() < 2 or not _varies(context):  # noqa: PLR2004 - two classes
            return np.tile((counts + 1) / (counts + 1).sum(), (len(rows), 1))
        model = self._model(0, context, labels, device)
        found = np.zeros((len(rows), len(counts)))
        found[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(rows)
        return found

    def _context(self, at: int) -> tuple[AnyArray, AnyArray]:
        """Rows and labels of a target; for a multiclass target, the number of the class."""
        if self.task == "multiclass":
            used = self.known.all(dim=1).numpy()
            return self.rows.numpy()[used], self.labels.numpy()[used].argmax(axis=1)
        used = self.known[:, at].numpy()
        return self.rows.numpy()[used], self.labels[:, at].numpy()[used]

    def _model(self, at: int, context: AnyArray, labels: AnyArray, device: str) -> Any:
        """The estimator of one target with its context; the encoded context is cached for the first targets."""
        found = self._ready.get((at, device))
        if found is None:
            found = self._fitted(context, labels, device, keep=at < _KEPT)
            if at < _KEPT:
                self._ready[at, device] = found
        return found

    def _fitted(self, context: AnyArray, labels: AnyArray, device: str, *, keep: bool) -> Any:
        from tabicl import TabICLClassifier, TabICLRegressor

        kind = TabICLClassifier if self.network.classes else TabICLRegressor
        many = self.network.classes and len(np.unique(labels)) > self.network.most_classes
        with self.network.written() as path:
            model = kind(
                n_estimators=_VIEWS,
                batch_size=1,  # one view at a time, to bound the memory
                kv_cache="repr" if keep and not many else False,
                model_path=path,
                allow_auto_download=False,
                device=device,
                use_amp=False,  # with half precision, a prediction would depend on its batch
                use_fa3=False,
                random_state=int(self.seed),
            ).fit(context, labels)
        model.model_ = self._shared(model.model_, device)
        _in_order(model.ensemble_generator_)
        return model

    def _shared(self, made: torch.nn.Module, device: str) -> torch.nn.Module:
        """The network of the first estimator; it uses this object's weight tensors if they are on the same device."""
        found = self._ready.get((-1, device))
        if found is None:
            if device == "cpu":
                made.load_state_dict(dict(self.network.tensors), assign=True)
            found = self._ready[-1, device] = made
        shared: torch.nn.Module = found
        return shared

    def state(self) -> dict[str, Tensor]:
        """The state as tensors; the configuration of the network is in the specification."""
        own = {name: getattr(self, name) for name in _TENSORS}
        network = {f"network.{name}": tensor for name, tensor in self.network.tensors.items()}
        return {**own, **scale_state(self.standardiser), **network}

    @classmethod
    def from_state(
        cls, about: Mapping[str, Any], task: Task, targets: int, state: Mapping[str, Tensor]
    ) -> "InContextModel":
        """The model from its :meth:`state`.

        Args:
            about: Configuration of the network.
            task: Task of the table.
            targets: Number of targets.
            state: The tensors.

        Raises:
            DataError: If a tensor is missing or of another shape, or the package ``tabicl`` is missing.
        """
        missing = [name for name in (*_TENSORS, SCALE_MEDIAN) if name not in state]
        if missing:
            raise DataError(f"the context of TabICL in the ensemble lacks {', '.join(missing)}. Restore the file.")
        standardiser = scale_from_state(state)
        rows, labels, known, seed = (state[name].cpu() for name in _TENSORS)
        shape = (len(rows), targets)
        whole = rows.ndim == 2 and rows.shape[1] == standardiser.width and seed.ndim == 0  # noqa: PLR2004 - a matrix
        if not whole or (labels.shape, known.shape, known.dtype) != (shape, shape, torch.bool):
            raise DataError("the context of TabICL in the ensemble is damaged: its tensors do not match each other.")
        own = {name.removeprefix("network."): state[name].cpu() for name in state if name.startswith("network.")}
        network = Network.from_parts(about, own)
        if network.classes != (task != "regression"):
            raise DataError(f"the network of TabICL in the ensemble is not for a table of task {task!r}.")
        return cls(network, task, standardiser, rows, labels, known, seed)


def _varies(context: AnyArray) -> bool:
    """Whether any column is not constant; TabICL drops constant ones."""
    return bool(context.shape[1]) and bool((context != context[0]).any())


def _in_order(generator: Any) -> None:
    """Sort the views, whose order comes from a set of strings: it differs between processes and affects float sums."""
    for name in ("ensemble_configs_", "feature_shuffles_", "class_shuffles_"):
        found = getattr(generator, name, None)
        if found is not None:
            setattr(generator, name, OrderedDict(sorted(found.items())))
