"""Vectors from SMILES."""

from dataclasses import replace
from typing import Any, Final, Literal, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from molweight.arrays import AnyArray
from molweight.devices import resolve_device
from molweight.encoders import Encoder
from molweight.encoders.internal import calibrate
from molweight.errors import OptionError
from molweight.estimators._base import OWN_OPTIONS, MoleculeEstimator, check_rejects
from molweight.estimators._labels import encode_classes, numbers
from molweight.estimators._options import signature, with_signature
from molweight.estimators._state import dump_encoder, load_encoder
from molweight.graphs import Featuriser, MoleculeDataset, featurize
from molweight.options import EncoderOptions, Job, PretrainingOptions
from molweight.options.internal import INITS, SHIPPED, option_names
from molweight.runs import read_checkpoint
from molweight.training import generic_pretraining
from molweight.training.internal import check_job, with_stereo

__all__ = ["MoleculeEmbedder"]

_BATCH = 512

_PRETRAINING: Final = tuple(
    {*option_names(EncoderOptions), *option_names(PretrainingOptions)} - {"init", "pretrain_seed", "stereo"}
)
"""Options of pretraining: if one of them or the corpus is set, a new encoder is pretrained."""


class MoleculeEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, MoleculeEstimator):
    """Vectors of molecules from a pretrained encoder.

    Without a ``task``, labels are ignored: the encoder is that of the checkpoint ``init``, or, with
    ``init="pretrain"``, one that is pretrained with equal weights of the objectives on ``corpus`` (``None``: on the
    molecules given). Its statistics of batch normalisation are those of the molecules given to ``fit``, and it ignores
    stereochemistry if the checkpoint was pretrained so. With
    ``task="classification"`` or ``"regression"``, the weights are learned for ``y`` and the encoder is finetuned on it.

    Args:
        **options: ``task``, and those of :class:`molweight.estimators.MoleculeEstimator`. ``init`` is ``None`` by
            default. It then means the checkpoint ``"gin_zinc"``, which is part of molweight; but it means
            ``"pretrain"`` if an option of pretraining is set (``encoder``, ``encoder_options``, ``objectives``,
            ``objective_options``, ``pretrain_steps``, ``batch_size``, ``pretrain_lr``, ``corpus``, ``corpus_size``).

    Attributes:
        encoder_: The encoder.
        rejects_: Rows that ``fit`` left out, with the reason, under ``on_error="skip"``.

    Example:
        >>> MoleculeEmbedder().fit_transform(["C", "CC", "CCO"]).shape
        (3, 128)
        >>> small = {"encoder_options": {"layers": 1, "width": 8}, "objectives": ("attribute_masking",), "corpus": None}
        >>> embedder = MoleculeEmbedder(pretrain_steps=2, **small).fit(["C", "CC", "CCO"])
        >>> embedder.transform(["CCO", "c1ccccc1"]).shape, list(embedder.get_feature_names_out()[:2])
        ((2, 8), ['moleculeembedder0', 'moleculeembedder1'])
    """

    _learned = "encoder_"
    encoder_: Encoder
    _stereo: Literal["use", "ignore"]
    _built: tuple[str, dict[str, Any], str]
    """Name, options and device of the encoder."""

    @with_signature(signature(task=None, init=None, members=1, **OWN_OPTIONS))
    def __init__(self, **options: Any) -> None:
        """Store the parameters unchanged; they are checked by ``fit``."""
        super().__init__(**options)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn the type of the output, and whether labels are needed."""
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
            OptionError: If the task is unknown.
            DataError: If molecules or labels cannot be used.
        """
        if self.task not in (None, "classification", "regression"):
            raise OptionError("task", self.task, "is unknown", "Use 'classification', 'regression' or None.")
        if self.task is None:
            data = self._table(X, None, None)
            read = self._as_learned(data)
            encoder, stereo = self._pretrain(read), read.featuriser.stereo
        else:
            labels = encode_classes(y)[0] if self.task == "classification" else numbers(y)
            data = self._table(X, labels, self.task)
            run = self._train(data)
            encoder, stereo = run.model.first_encoder(), run.featuriser.stereo
        job = check_job(self.job())
        built = (job.encoder, job.encoder_options, job.device)
        return self._learn(data, encoder_=encoder, _stereo=stereo, _built=built, _n_features_out=encoder.width)

    def transform(self, X: Any) -> AnyArray:  # noqa: N803 - scikit-learn's name
        """Vectors, ``n x d`` float32; NaN in rows without a molecule, under ``on_error="skip"``.

        Args:
            X: ``n`` SMILES.
        """
        check_is_fitted(self)
        smiles = self._smiles(X)
        molecules, rejects = featurize(smiles)
        data = MoleculeDataset(molecules)
        if hasattr(self, "_stereo"):
            data = data.with_featuriser(Featuriser(stereo=self._stereo))
        else:  # pickled by an earlier version
            data = with_stereo(self.job(), data)
        check_rejects(rejects, self.on_error)
        vectors = np.full((len(smiles), self.encoder_.width), np.nan, dtype=np.float32)
        vectors[molecules.rows] = self._embed(data)
        return vectors

    def _embed(self, data: MoleculeDataset) -> AnyArray:
        self.encoder_.eval()
        device = next(self.encoder_.parameters()).device
        parts = [np.empty((0, self.encoder_.width), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(data), _BATCH):
                graphs = data.graphs(range(start, min(start + _BATCH, len(data))), device)
                parts.append(self.encoder_(graphs).graphs.cpu().numpy())
        return np.concatenate(parts)

    def _init(self) -> str | None:
        """The shipped checkpoint if no option of pretraining is set; ``"auto"`` considers fewer options."""
        return super()._init() or ("pretrain" if self._sets_pretraining() else SHIPPED)

    def _sets_pretraining(self) -> bool:
        given = {name: getattr(self, name) for name in _PRETRAINING}
        # A job converts values of NumPy and lists, so that an explicit default is recognised.
        job = Job(**{name: value for name, value in given.items() if value is not None})
        if any(getattr(job, name) != getattr(Job(), name) for name in _PRETRAINING):
            return True
        # Check the type first: comparing an array of SMILES with a name fails.
        named = isinstance(self.corpus, str) and self.corpus == OWN_OPTIONS["corpus"]
        whole = isinstance(self.corpus_size, int | np.integer) and self.corpus_size == OWN_OPTIONS["corpus_size"]
        return not (named and whole)

    def _as_learned(self, data: MoleculeDataset) -> MoleculeDataset:
        """The molecules without stereochemistry if the job ignores it, or the checkpoint that is used unchanged."""
        job = check_job(self.job())
        data = with_stereo(job, data)
        if job.init not in INITS and read_checkpoint(job.init).featuriser.stereo == "ignore":
            return data.with_featuriser(replace(data.featuriser, stereo="ignore"))
        return data

    def _pretrain(self, data: MoleculeDataset) -> Encoder:
        job = check_job(self.job())
        device = resolve_device(job.device)
        if job.init in INITS:
            corpus = self._corpus()
            encoder = generic_pretraining(job, data if corpus is None else corpus, device)[0].encoder
        else:
            encoder = read_checkpoint(job.init).build(data.featuriser).to(device)
        starts = range(0, len(data), _BATCH)
        calibrate(encoder, (data.graphs(range(at, min(at + _BATCH, len(data))), device) for at in starts))
        return encoder

    def _dump(self) -> dict[str, Any]:
        return dump_encoder(self.encoder_, *self._built)

    def _load(self, state: dict[str, Any]) -> Encoder:
        return load_encoder(state)
