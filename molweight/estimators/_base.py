"""The common base of the estimators."""

import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from molweight.arrays import AnyArray, BoolArray
from molweight.datasets import SPLITTERS, Request, Splits, from_smiles, load_corpus
from molweight.errors import DataError, OptionError
from molweight.estimators._input import smiles_of
from molweight.estimators._options import JOB_OPTIONS, checked, signature, with_signature
from molweight.estimators._state import dump_run, load_run
from molweight.graphs import MoleculeDataset, Reject, Task
from molweight.options import Job
from molweight.plugins import import_modules
from molweight.registry import registering_modules
from molweight.runs import ParsedRows, Run
from molweight.training import fit

__all__ = ["OWN_OPTIONS", "MoleculeEstimator", "TapWeightEstimator", "check_rejects"]

_LOG: Final = logging.getLogger(__name__)
OWN_OPTIONS: Final = {"corpus": "zinc", "corpus_size": 10_000, "split": "random", "holdout": 0.1, "on_error": "raise"}
"""Parameters that are not options of a job, with their defaults."""
_MODULES: Final = "_modules"
"""Entry of a pickled state: names of Python modules to import."""


class MoleculeEstimator(BaseEstimator, ABC):
    """Base class of the estimators: parameters, reading of SMILES, pickling.

    Args:
        **options: The parameters below, and every option of :class:`molweight.Job` under its own name, except
            ``seed``, which is called ``random_state`` as everywhere in scikit-learn. ``None`` is the default of the
            option.

            * ``corpus``: molecules to pretrain on: the name of an embedded corpus, SMILES, a
              :class:`molweight.graphs.MoleculeDataset`, or ``None`` for the training molecules.
            * ``corpus_size``: number of molecules of an embedded corpus.
            * ``split``: how the training molecules are divided into roles, ``"random"`` or ``"scaffold"``.
            * ``holdout``: share of them for learning the weights, and share for choosing the checkpoint; at least one
              molecule each. The others are for finetuning.
            * ``members``: ``None`` by default, as on the command line: an ensemble on all training molecules, with 5
              graph members (3 above 10,000 molecules) and models without a graph, such as boosted trees; 1 finetunes a
              single model.
            * ``on_error``: treatment of a row without a valid molecule: ``"raise"``, or ``"skip"``, which leaves it
              out of ``fit`` (see ``rejects_``) and predicts NaN for it.

    Raises:
        ConfigError: If there is no such parameter, with the nearest names.
    """

    _learned: ClassVar[str]
    """Name of the attribute that ``fit`` sets to the modules it learned."""
    rejects_: list[Reject]

    @with_signature(signature(members=None, **OWN_OPTIONS))
    def __init__(self, **options: Any) -> None:
        """Store the parameters unchanged; they are checked by ``fit``."""
        for name, value in checked(type(self), options).items():
            setattr(self, name, value)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """The state, with models as safetensors bytes and JSON, and the names of Python modules that register names.

        All of these modules: a grid may choose names that the estimator itself does not use.
        """
        state: dict[str, Any] = dict(super().__getstate__())
        if self._learned in state:
            state[self._learned] = self._dump()
        modules = registering_modules()
        return {**state, _MODULES: modules} if modules else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Import the modules that register names, and rebuild the models."""
        state = dict(state)
        import_modules(state.pop(_MODULES, []), f"a pickled {type(self).__name__}")
        super().__setstate__(state)
        if self._learned in state:
            setattr(self, self._learned, self._load(state[self._learned]))

    @abstractmethod
    def _dump(self) -> dict[str, Any]: ...

    @abstractmethod
    def _load(self, state: dict[str, Any]) -> Any: ...

    def job(self) -> Job:
        """The job that the parameters describe.

        Raises:
            ConfigError: If one is out of range.
        """
        values = {**{name: getattr(self, name) for name in JOB_OPTIONS}, "init": self._init()}
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        given = {name: value for name, value in values.items() if value is not None}
        return Job(**{"members": None, **given}, seed=int(seed))

    def _init(self) -> str | None:
        found: str | None = self.init
        return found

    def _table(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        labels: AnyArray | None,
        task: Task | None,
        sample_weight: Any = None,
    ) -> MoleculeDataset:
        smiles = self._smiles(X, reset=True)
        if self.on_error not in ("raise", "skip"):
            raise OptionError("on_error", self.on_error, "is unknown", "Choices: raise, skip.")
        return from_smiles(
            smiles,
            labels,
            task=task,
            name="training molecules",
            sample_weight=sample_weight,
            on_error=self.on_error,
            cache=False,
        )

    def _learn(self, data: MoleculeDataset, **learned: Any) -> Self:
        """Set what ``fit`` has learned from ``data``, once nothing can fail.

        All attributes at once: a fit that fails or is interrupted leaves those of the fit before as they were.
        """
        self.__dict__.update(learned, rejects_=list(data.rejects))
        return self

    def _train(self, data: MoleculeDataset) -> Run:
        job = self.job()
        return fit(job, data, self._roles(data, job.seed), self._corpus())

    def _smiles(self, X: Any, *, reset: bool = False) -> list[str]:  # noqa: N803 - scikit-learn's name
        """The SMILES of ``X``; the one place where input is read."""
        smiles = smiles_of(X)
        if reset:
            self.n_features_in_ = 1
        return smiles

    def _corpus(self) -> MoleculeDataset | None:
        if self.corpus is None or isinstance(self.corpus, MoleculeDataset):
            return self.corpus
        if isinstance(self.corpus, str):
            return load_corpus(self.corpus, size=self.corpus_size)
        return from_smiles(smiles_of(self.corpus), name="corpus", on_error=self.on_error)

    def _roles(self, data: MoleculeDataset, seed: int) -> Splits:
        """Train, meta and select; nothing is held out as test, because scikit-learn does that."""
        if not 0 < self.holdout < 0.5:  # noqa: PLR2004 - twice that has to leave something to train on
            raise OptionError("holdout", self.holdout, "must lie above 0 and below 0.5")
        least = 3
        if len(data) < least:
            raise DataError(
                f"{len(data)} samples (molecules) are too few: one each is needed to finetune, to train the weights "
                "and to select the checkpoint. Give at least 3."
            )
        share = max(self.holdout, 1 / len(data))
        parts = SPLITTERS.get(self.split)(data, Request("paper", (1 - 2 * share, share, share), seed))
        roles = replace(parts, select=parts.test, test=parts.test[:0], protocol="four-role")
        if min(len(roles.train), len(roles.meta), len(roles.select)) == 0:
            raise DataError(
                f"split={self.split!r} leaves no molecule for a role ({roles!r}): too many of the {len(data)} "
                "molecules belong together. Use split='random', another holdout, or more molecules."
            )
        return roles


class TapWeightEstimator(MoleculeEstimator):
    """Base of classifier and regressor: fit a :class:`molweight.Job`, predict with its run."""

    _learned = "run_"
    run_: Run
    weights_: dict[str, float]
    _single: bool
    """Whether ``y`` had a single column without its dimension."""

    def _dump(self) -> dict[str, Any]:
        return dump_run(self.run_)

    def _load(self, state: dict[str, Any]) -> Run:
        return load_run(state)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that there may be several labels."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` was called."""
        return hasattr(self, "run_")

    def _fit(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        labels: AnyArray,
        task: Task,
        sample_weight: Any,
        **learned: Any,
    ) -> Self:
        data = self._table(X, labels, task, sample_weight)
        run = self._train(data)
        return self._learn(data, run_=run, weights_=dict(run.weights), **learned)

    def _predict(self, X: Any) -> AnyArray:  # noqa: N803 - scikit-learn's name
        parsed = self._parse(X)  # first, as it refuses an estimator that is not fitted
        return self.run_.predict(parsed)

    def _predict_to_score(self, X: Any) -> tuple[AnyArray, BoolArray]:  # noqa: N803 - scikit-learn's name
        """Predictions, and whether each row has a molecule; a score leaves the others out, with a warning."""
        parsed = self._parse(X)
        usable = np.zeros(len(parsed.smiles), dtype=bool)
        usable[parsed.rows] = True
        if not usable.any():
            raise DataError(f"X: none of {len(usable)} rows has a valid molecule, so there is no score. Correct them.")
        if parsed.rejects:
            _LOG.warning("%d of %d rows have no valid molecule and are not scored", len(parsed.rejects), len(usable))
        return self.run_.predict(parsed), usable

    def _parse(self, X: Any) -> ParsedRows:  # noqa: N803 - scikit-learn's name
        check_is_fitted(self)
        parsed = self.run_.parse(self._smiles(X))
        check_rejects(parsed.rejects, self.on_error)
        return parsed


def check_rejects(rejects: list[Reject], on_error: str) -> None:
    """Refuse invalid molecules under ``on_error="raise"``.

    Raises:
        DataError: For the first invalid molecule.
    """
    if not rejects or on_error != "raise":
        return
    first = rejects[0]
    raise DataError(
        f"X: {len(rejects)} rows have no valid molecule, first row {first.row}: {first.smiles!r} {first.reason}. "
        "Correct them, or use on_error='skip' to predict NaN for them."
    )
