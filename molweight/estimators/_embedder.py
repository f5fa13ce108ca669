"""Vectors from SMILES."""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from molweight.encoders import Encoder, calibrate
from molweight.errors import ConfigError
from molweight.estimators._base import OWN_OPTIONS, Array, MoleculeEstimator, check_rejects
from molweight.estimators._labels import encode_classes, numbers
from molweight.estimators._options import signature, with_signature
from molweight.estimators._state import dump_encoder, load_encoder
from molweight.graphs import MoleculeDataset, featurize
from molweight.training import general_pretraining, resolve_device

__all__ = ["MoleculeEmbedder"]

_BATCH = 512


class MoleculeEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, MoleculeEstimator):
    """Vectors of molecules from a pretrained encoder.

    Without a ``task``, labels are ignored: the encoder is pretrained with equal weights of the objectives on
    ``corpus`` (``None``: on the molecules given), and its statistics of batch normalisation are those of the molecules
    given. With ``task="classification"`` or ``"regression"``, the weights are learned for ``y`` and the encoder is
    finetuned on it.

    Args:
        **options: ``task``, and those of :class:`molweight.estimators.MoleculeEstimator`.

    Attributes:
        encoder_: The encoder.
        rejects_: Rows that ``fit`` left out, with the reason, under ``on_error="skip"``.

    Example:
        >>> small = {"encoder_options": {"layers": 1, "width": 8}, "objectives": ("attribute_masking",), "corpus": None}
        >>> embedder = MoleculeEmbedder(general_steps=2, **small).fit(["C", "CC", "CCO"])
        >>> embedder.transform(["CCO", "c1ccccc1"]).shape, list(embedder.get_feature_names_out()[:2])
        ((2, 8), ['moleculeembedder0', 'moleculeembedder1'])
    """

    _learned = "encoder_"

    @with_signature(signature(task=None, **OWN_OPTIONS))
    def __init__(self, **options: Any) -> None:
        """Keep every parameter as it is; nothing is checked before ``fit``."""
        super().__init__(**options)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what comes out, and whether labels are needed."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.target_tags.required = self.task is not None
        tags.target_tags.multi_output = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` was called."""
        return hasattr(self, "encoder_")

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Pretrain the encoder, and finetune it if a ``task`` is set.

        Args:
            X: ``n`` SMILES.
            y: Labels for the ``task``; ignored without one.

        Returns:
            The estimator.

        Raises:
            ConfigError: If the task is unknown.
            DataError: If molecules or labels cannot be used.
        """
        if self.task not in (None, "classification", "regression"):
            raise ConfigError(f"task={self.task!r} is unknown. Use 'classification', 'regression' or None.")
        if self.task is None:
            self.encoder_ = self._pretrain(self._table(X, None, None))
        else:
            labels = encode_classes(y)[0] if self.task == "classification" else numbers(y)
            self.encoder_ = self._train(self._table(X, labels, self.task)).model.encoder
        self._n_features_out = self.encoder_.width
        return self

    def transform(self, X: Any) -> Array:  # noqa: N803 - scikit-learn's name
        """Vectors, ``n x d`` float32; NaN in rows without a molecule, under ``on_error="skip"``.

        Args:
            X: ``n`` SMILES.
        """
        check_is_fitted(self)
        smiles = self._smiles(X)
        molecules, rejects = featurize(smiles)
        check_rejects(rejects, self.on_error)
        vectors = np.full((len(smiles), self.encoder_.width), np.nan, dtype=np.float32)
        vectors[molecules.rows] = self._embed(MoleculeDataset(molecules))
        return vectors

    def _embed(self, data: MoleculeDataset) -> Array:
        self.encoder_.eval()
        device = next(self.encoder_.parameters()).device
        parts = [np.empty((0, self.encoder_.width), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(data), _BATCH):
                graphs = data.graphs(range(start, min(start + _BATCH, len(data))), device)
                parts.append(self.encoder_(graphs).graphs.cpu().numpy())
        return np.concatenate(parts)

    def _pretrain(self, data: MoleculeDataset) -> Encoder:
        job, corpus = self.job(), self._corpus()
        device = resolve_device(job.device)
        encoder = general_pretraining(job, data if corpus is None else corpus, device)[0].encoder
        starts = range(0, len(data), _BATCH)
        calibrate(encoder, (data.graphs(range(at, min(at + _BATCH, len(data))), device) for at in starts))
        return encoder

    def _dump(self) -> dict[str, Any]:
        job = self.job()
        return dump_encoder(self.encoder_, job.encoder, job.encoder_options, job.device)

    def _load(self, state: dict[str, Any]) -> Encoder:
        return load_encoder(state)
