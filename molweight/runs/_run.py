"""A finished run: the model, the learned weights, the history."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from molweight._version import __version__
from molweight.arrays import BoolArray, Float32Matrix, Indices
from molweight.datasets import Score, Splits, score
from molweight.datasets.internal import ROLES, exact_labels
from molweight.ensemble import Ensemble
from molweight.errors import ConfigError, OptionError, suggest
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.mlo import Finding, diagnose
from molweight.models import TaskModel
from molweight.models.internal import answer_positions, predict_positions
from molweight.report import TestResults, render
from molweight.runs._archive import RunParts, has_pretraining, read_pretraining, write_parts
from molweight.runs._assess import Assessment, assess, needed
from molweight.runs._attribution import Attribution, attribute_atoms, chosen_target
from molweight.runs._calibration import Calibration, calibrate
from molweight.runs._claim import locked
from molweight.runs._conformal import Intervals
from molweight.runs._finetuning import Finetuning
from molweight.runs._learned_labels import LearnedLabels
from molweight.runs._manifest import begin_manifest, extend_manifest
from molweight.runs._model_card import CARD, data_card, model_card
from molweight.runs._parsed import ParsedRows, parse
from molweight.runs._predict_ensemble import ENSEMBLE, predict_unseen
from molweight.runs._reference import Domain
from molweight.runs._report import gather
from molweight.runs._seen import seen_among, trained_keys
from molweight.runs._test_results import collect_test_results
from molweight.runs._uncertainty import Uncertainty, dropout_factors, dropout_rate, predict_with_dropout_std
from molweight.storage import csv_bytes, escape_controls, write_file

__all__ = ["Run"]

_SHOWN: Final = 3
"""Maximum number of targets in the representation of a run."""
_log = logging.getLogger(__name__)


class Run:
    """A finetuned model with the objective weights it was pretrained with.

    The model stays in evaluation mode, and predictions do not change it, so several threads may share a run.

    Args:
        options: The options of the run.
        pretrained: State of the pretrained encoder with the objectives' heads; empty if unknown or, for a loaded run,
            not read yet.
        model: Encoder and head of the task, finetuned; or the ensemble.
        data: The table; ``None`` for a loaded run.
        splits: Its roles; ``None`` for a loaded run.
        weights: Weight per objective after the last update; empty if there was no adaptive pretraining.
        records: One record per step of adaptive pretraining.
        finetuning: The record of finetuning.
        seconds: Duration of the fit.
        device: Device of the models.
    """

    def __init__(
        self,
        options: dict[str, Any],
        *,
        pretrained: dict[str, Tensor],
        model: TaskModel,
        data: MoleculeDataset | None,
        splits: Splits | None,
        weights: dict[str, float],
        records: list[dict[str, Any]],
        finetuning: Finetuning,
        seconds: float,
        device: torch.device,
    ) -> None:
        """Store the arguments; nothing is evaluated yet."""
        self.options = options
        self.model = model.eval()
        self.data, self.splits = data, splits
        self.weights = weights
        self._pretraining = pretrained, records
        self.finetuning = finetuning
        self.seconds = seconds
        self.device = device
        self.target_names: list[str] = list(data.target_names) if data else []
        self.featuriser = Featuriser() if data is None else data.featuriser
        self.trained_on: dict[str, Any] = {} if data is None or splits is None else data_card(data, splits)
        self.test_results: TestResults | None = None
        self.folder: Path | None = None
        self.factors: list[float] | None = None
        self.calibration: Calibration | None = None
        self.learned: list[LearnedLabels] | None = None
        self._seen: Tensor | None = None
        self._scores: dict[str, Score] = {}

    @property
    def method(self) -> str:
        """``"ensemble"``, or the weighting, or without adaptive pretraining the source of the encoder."""
        if isinstance(self.model, Ensemble):
            return ENSEMBLE
        weighting, init = str(self.options["weighting"]), str(self.options["init"])
        return escape_controls(init) if weighting == "none" else weighting

    @property
    def pretrained(self) -> dict[str, Tensor]:
        """State of the pretrained encoder (``encoder.*``) with the objectives' heads; read from the run's folder."""
        return self._read_pretraining()[0]

    @property
    def records(self) -> list[dict[str, Any]]:
        """One record per step of adaptive pretraining; read from the run's folder."""
        return self._read_pretraining()[1]

    def _read_pretraining(self) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """Data that only reports and further pretraining need; missing if only the model file was copied."""
        if self.folder is not None and not any(self._pretraining) and has_pretraining(self.folder):
            tensors, records, _ = read_pretraining(self.folder)
            self._pretraining = tensors, records
        return self._pretraining

    @property
    def history(self) -> pd.DataFrame:
        """One row per step of adaptive pretraining.

        Columns are ``step``, ``seconds``, ``weights.<objective>``, ``losses.<objective>``, ``reach.<objective>``,
        ``norms.<objective>`` at the steps at which they were recorded (:attr:`molweight.mlo.Record.norms`),
        ``hypergradient.<objective>``, ``train_loss``, ``meta_loss`` and ``solves.<level>.<statistic>``; for options
        that are learned ``learned.<option>``, ``learned_slopes.<option>`` and ``next_learned.<option>``; ``findings``
        names problems first detected around that step, and ``ended`` at the last step says that the evidence was in
        (``stop_when_decided``).
        """
        return pd.json_normalize(self.records)

    @property
    def findings(self) -> list[Finding]:
        """Findings about adaptive pretraining, the most frequent first; empty for a healthy run.

        These are objectives that do not learn, or whose loss explodes or vanishes, weights that saturate, and solves
        that do not converge.
        """
        return diagnose(self.records)

    def evaluate(self, role: str = "test") -> Score:
        """Score the model on a role by the metric of the table.

        The test set is evaluated once: the first call computes the score and stores it, and the predictions are kept
        with the run (:attr:`test_results`) and saved by :meth:`save`. An ensemble was trained on all other roles, so
        their rows are scored out of fold.

        Args:
            role: ``"train"``, ``"meta"``, ``"select"`` or ``"test"``.

        Returns:
            The metric, per task and on average.

        Raises:
            OptionError: If there is no such role.
            ConfigError: If the run was loaded without its table.
        """
        if role not in ROLES:
            raise OptionError("role", role, f"is unknown{suggest(role, ROLES)}", f"Roles: {', '.join(ROLES)}.")
        if role == "test" and self.test_results is not None:
            return self._score(self.test_results.targets, self.test_results.predictions[self.method])
        if self.data is None or self.splits is None or self.data.metric is None:
            raise ConfigError("this run was loaded without its table. Score run.predict(smiles) against the labels.")
        if role not in self._scores:
            positions = self.splits.roles()[role]
            predicted = predict_unseen(self.model, self.data, positions, self.device)
            self._scores[role] = self._score(exact_labels(self.data, positions), predicted)
            if role == "test":
                spread = self._spread(self.data, positions).deviation if self._states_deviations() else None
                self.test_results = collect_test_results(self.data, positions, self.method, predicted, spread)
        return self._scores[role]

    def _score(self, truth: Float32Matrix, predicted: Float32Matrix) -> Score:
        return score(self.finetuning.metric, truth, predicted, self.target_names)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write one HTML file with everything about the run, which needs no network and no other file.

        It shows weights, losses, solves and learning rates; the test score with intervals against the baselines kept
        with the run; calibration or parity; a map; the largest errors; audit, configuration, provenance. The test set
        is not evaluated for it: the results of :meth:`evaluate` are used, and if it was not called, the page says so.

        Args:
            path: The HTML file.

        Returns:
            The path.

        Raises:
            DataError: If it cannot be written, or a file next to the run is damaged.
        """
        write_file(Path(path), render(gather(self)).encode())
        return Path(path)

    def parse(self, smiles: Sequence[str]) -> ParsedRows:
        """Parse SMILES once for several methods, and find the rows without a valid molecule.

        Args:
            smiles: ``n`` SMILES.

        Example:
            ``parsed = run.parse(smiles); values = run.predict(parsed); reasons = parsed.rejects``
        """
        return parse(smiles, self.featuriser)

    def predict(self, smiles: Sequence[str] | ParsedRows) -> Float32Matrix:
        """Predictions for molecules, aligned with the input.

        Args:
            smiles: ``n`` SMILES, or the result of :meth:`parse`.

        Returns:
            ``n x T``: probabilities for classification, labels in their own units for regression. A row without a valid
            molecule is NaN; :meth:`parse` gives the reasons.
        """
        parsed = self._read(smiles)
        everything = np.arange(len(parsed.data))
        return parsed.align(predict_positions(self.model, parsed.data, everything, self.device))

    def uncertainty(self, smiles: Sequence[str] | ParsedRows, *, samples: int = 30, seed: int = 0) -> Uncertainty:
        """Predictions with standard deviations, aligned with the input.

        Deviations of an ensemble are the disagreement of its members and trees, calibrated out of fold; those of a
        single model come from dropout. For a single regression model without dropout, they are the typical error on
        ``select`` at the same distance from the training molecules. ``samples`` and ``seed`` apply to dropout only.

        For regression, deviations under dropout are multiplied by the factor that makes them as large as the errors on
        ``select``; it is fitted once, while the table is available, and saved with the run. The report compares the
        deviations with the errors on the test set.

        Args:
            smiles: ``n`` SMILES, or the result of :meth:`parse`.
            samples: Dropout masks, at least 2.
            seed: Seed of the masks.

        Returns:
            Predictions, as from :meth:`predict`, and deviations, both ``n x T``; NaN for a row without a molecule.

        Raises:
            ConfigError: If a single model has an encoder without dropout, and classifies or has no calibration.
        """
        parsed = self._read(smiles)
        found = self._spread(parsed.data, np.arange(len(parsed.data)), samples=samples, seed=seed)
        return Uncertainty(parsed.align(found.prediction), parsed.align(found.deviation))

    def intervals(self, smiles: Sequence[str] | ParsedRows, level: float = 0.9) -> Intervals:
        """Ranges that contain the labels with a given probability, aligned with the input.

        These are conformal intervals, calibrated on unseen rows: out of fold for an ensemble, on ``select`` for a
        single model. They are wider if the members of the ensemble disagree, and far from the training molecules. For
        classes, a range is a set: from 0 to 0, from 1 to 1, or from 0 to 1 if neither class can be excluded.

        The probability holds on average over molecules like those of the table. For molecules of other series it is
        lower; :meth:`domain` identifies these.

        Args:
            smiles: ``n`` SMILES, or the result of :meth:`parse`.
            level: The probability.

        Returns:
            Predictions and both ends, ``n x T``; infinite if there are too few rows for the level, NaN for a row
            without a molecule.

        Raises:
            ConfigError: If the run was written by an earlier version, which stored no errors.
            OptionError: If the level is not between 0 and 1.
        """
        return self.assess(smiles, level=level).intervals

    def domain(self, smiles: Sequence[str] | ParsedRows) -> Domain:
        """Distance of molecules to the training molecules, aligned with the input.

        Args:
            smiles: ``n`` SMILES, or the result of :meth:`parse`.

        Returns:
            Similarity and distance to the nearest training molecules, and whether both are within the limits from the
            table; see :class:`molweight.runs.Domain`.

        Raises:
            ConfigError: If the run was written by an earlier version, which stored no training molecules.
        """
        return self.assess(smiles).domain

    def assess(self, smiles: Sequence[str] | ParsedRows, level: float = 0.9) -> Assessment:
        """Predictions with deviations, intervals and domain, for which each molecule is encoded once.

        Args:
            smiles: ``n`` SMILES, or the result of :meth:`parse`.
            level: Level of the intervals.

        Raises:
            ConfigError: If an earlier version wrote the run, without the data for intervals and domain.
            OptionError: If the level is not between 0 and 1.
        """
        return assess(self.model, needed(self._calibrated()), self._read(smiles), self.device, level=level)

    def has_calibration(self) -> bool:
        """Whether the run has the data for :meth:`intervals` and :meth:`domain`."""
        return self._calibrated() is not None

    def _calibrated(self) -> Calibration | None:
        if self.calibration is None and self.data is not None and self.splits is not None:
            self.calibration = calibrate(self.model, self.data, self.splits, self.device)
        return self.calibration

    def _states_deviations(self) -> bool:
        """Whether the model has standard deviations; classes of a single model without dropout have none."""
        if isinstance(self.model, Ensemble) or dropout_rate(self.model) > 0:
            return True
        return "regression" in self.model.task and self.has_calibration()

    def _spread(self, data: MoleculeDataset, positions: Indices, *, samples: int = 30, seed: int = 0) -> Uncertainty:
        if isinstance(self.model, Ensemble):
            return Uncertainty(*answer_positions(self.model, data, positions, self.device)[:2])
        if not dropout_rate(self.model) > 0 and self._states_deviations():
            found = self.assess(ParsedRows.of(data.subset(positions)))
            return Uncertainty(found.prediction, found.deviation)
        factors = self._deviation_factors()
        return predict_with_dropout_std(
            self.model, data, positions, self.device, factors=factors, samples=samples, seed=seed
        )

    def _deviation_factors(self) -> list[float] | None:
        fitted = self.factors is not None or isinstance(self.model, Ensemble)
        if not fitted and self.data is not None and self.splits is not None:
            self.factors = dropout_factors(self.model, self.data, self.splits.select, self.device)
        return self.factors

    def attribute(
        self, smiles: Sequence[str] | ParsedRows, target: str | None = None, *, pairs: int = 16, seed: int = 0
    ) -> list[Attribution | None]:
        """Contribution of each atom to a prediction: Shapley values, aligned with the input.

        Args:
            smiles: ``n`` SMILES.
            target: Name of the target; optional if there is only one.
            pairs: Number of atom orders to sample, each used in both directions; the error falls with its square root.
            seed: Seed of the orders.

        Returns:
            One attribution per row; ``None`` for a row without a valid molecule.

        Raises:
            ConfigError: If there are several targets and none is named.
            OptionError: If there is no such target.
        """
        name = chosen_target(target, self.target_names)
        column, parsed = self.target_names.index(name), self._read(smiles)
        found: list[Attribution | None] = [None] * len(parsed.smiles)
        featured = self.model.with_features(parsed.data)
        for position, row in enumerate(parsed.rows):
            values = attribute_atoms(self.model, featured, position, self.device, pairs=pairs, seed=seed)
            output, reference, atoms, errors = (part[..., column] for part in values)
            found[row] = Attribution(parsed.smiles[row], name, float(output), float(reference), atoms, errors)
        return found

    def embed(self, smiles: Sequence[str] | ParsedRows) -> Float32Matrix:
        """Vectors of molecules from the finetuned encoder, aligned with the input.

        Args:
            smiles: ``n`` SMILES, or the result of :meth:`parse`.

        Returns:
            ``n x d``; NaN for a row without a valid molecule.
        """
        parsed = self._read(smiles)
        parts = [np.empty((0, self.model.first_encoder().width), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(parsed.data), 512):
                graphs = parsed.data.graphs(range(start, min(start + 512, len(parsed.data))), self.device)
                parts.append(self.model.embed(graphs).cpu().numpy())
        return parsed.align(np.concatenate(parts))

    def save(self, folder: str | Path, *, overwrite: bool = False, safe_csv: bool = False) -> None:
        """Write the run.

        ``model.safetensors`` is all that :func:`load` needs to predict. ``pretraining.safetensors`` holds the
        pretrained encoder with the objectives' heads and the history, ``test.safetensors`` the test results, and
        ``calibration.safetensors`` the data of :meth:`intervals` and :meth:`domain`.
        ``weights.json``, ``history.csv``, ``test_predictions.csv`` and ``README.md`` (the model card) repeat parts of
        them as text.
        ``manifest.json`` lists the files with their checksums. It is completed last, so an interrupted save is
        detected.

        Args:
            folder: The folder; created if missing.
            overwrite: Whether another run in the folder may be replaced.
            safe_csv: Whether to quote text in CSV files that a spreadsheet would run as a formula.

        Raises:
            ConfigError: If the folder holds another run that may not be replaced, or another process writes to it.
            DataError: If it cannot be written.
        """
        place, parts = Path(folder), self.parts(complete=True)
        about = parts.about
        texts = {
            "weights.json": json.dumps(about, indent=2).encode(),
            "history.csv": csv_bytes(self.history, safe=safe_csv),
        }
        if self.test_results is not None:
            texts["test_predictions.csv"] = csv_bytes(self.test_results.frame(), safe=safe_csv)
        with locked(place):
            begin_manifest(place, self.folder, overwrite=overwrite)
            names = write_parts(place, parts)
            for name, text in {**texts, CARD: escape_controls(model_card(about)).encode()}.items():
                write_file(place / name, text)
            self.folder = place
            extend_manifest(place, [*names, *texts], [CARD])

    def keep_seen(self, keys: Tensor | None) -> None:
        """Store the keys of the molecules that the model was trained on.

        Args:
            keys: See :func:`molweight.datasets.internal.molecule_keys`; ``None`` if unknown.
        """
        self._seen = keys

    def seen(self, smiles: Sequence[str]) -> BoolArray | None:
        """Whether each molecule was in a role used for training: train, meta or select.

        For a model that ignores stereochemistry, the stereoisomers of such a molecule count, too.

        Args:
            smiles: ``n`` SMILES.

        Returns:
            ``n`` values; ``None`` for a run of an earlier version, which does not record this.
        """
        keys = self._keys_of_seen()
        return None if keys is None else seen_among(smiles, keys, self.featuriser)

    def _keys_of_seen(self) -> Tensor | None:
        if self._seen is None and self.data is not None and self.splits is not None:
            self._seen = trained_keys(self.data, self.splits)
        return self._seen

    def parts(self, *, complete: bool = False) -> RunParts:
        """The stored parts of the run, without its table.

        Args:
            complete: Whether to include the data of :meth:`intervals`, :meth:`domain`, :meth:`seen` and
                :meth:`uncertainty`.
        """
        if complete:
            self._deviation_factors()
        pretrained, records = self._read_pretraining()
        found = RunParts(self.describe(), self.model.state_dict(), pretrained, records, self.test_results)
        if not complete:
            return found
        kept = self._calibrated()
        return replace(found, seen=self._keys_of_seen(), calibration=kept.to_tensors() if kept else {})

    def describe(self) -> dict[str, Any]:
        """Description of the run, as JSON values."""
        return {
            "molweight": __version__,
            "torch": torch.__version__,
            "featuriser": self.featuriser.describe(),
            "data": self.trained_on,
            "options": self.options,
            "task": self.model.task,
            "target_names": self.target_names,
            "weights": self.weights,
            "findings": [asdict(finding) for finding in self.findings],
            "finetuning": asdict(self.finetuning),
            "test_methods": list(self.test_results.predictions) if self.test_results else [],
            "dropout_factors": self.factors,
            "ensemble": self.model.spec.to_json() if isinstance(self.model, Ensemble) else None,
            "learned": None if self.learned is None else [item.to_json() for item in self.learned],
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        """Targets, method, encoder and the table it was trained on."""
        targets = ", ".join(self.target_names[:_SHOWN]) + (", ..." if len(self.target_names) > _SHOWN else "")
        table = self.trained_on.get("name", "unknown table")
        return f"Run({targets}; {self.method}, {self.options.get('encoder', '?')}, trained on {table})"

    def _read(self, smiles: Sequence[str] | ParsedRows) -> ParsedRows:
        parsed = parse(smiles, self.featuriser)
        if parsed.rejects and not isinstance(smiles, ParsedRows):
            _log.warning(
                "%d of %d rows have no valid molecule; their values are NaN", len(parsed.rejects), len(parsed.smiles)
            )
        return parsed
