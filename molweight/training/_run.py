"""What a fit leaves behind: the model, the learned weights, the history."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
import yaml

from molweight import __version__
from molweight.datasets import ROLES, Score, Splits, exact_labels, score
from molweight.errors import ConfigError, DataError, UnknownNameError, suggest
from molweight.graphs import Featuriser, MoleculeDataset, Reject, featurize
from molweight.mlo import Finding, diagnose
from molweight.report import Opened, render
from molweight.training._attribution import Attribution, attribute_atoms
from molweight.training._card import data_card, model_card
from molweight.training._device import resolve_device
from molweight.training._finetune import Finetuning, predict_positions
from molweight.training._models import Predictor, Pretrainer, build_predictor, build_pretrainer
from molweight.training._opened import opened_from, opened_tensors, opening
from molweight.training._report import gather
from molweight.training._store import as_tensor, from_tensor, read_tensors, write_file, write_tensors
from molweight.training._uncertainty import Uncertainty, dropout_rate, scale_to, stated

__all__ = ["Run", "load", "restore"]

Array = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Positions = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
_HISTORY: Final = "history"
_log = logging.getLogger(__name__)


class Run:
    """A finetuned model with the objective weights it was pretrained with.

    Args:
        options: What the run was started with.
        pretrainer: Encoder and heads after pretraining.
        model: Encoder and head of the task, finetuned.
        data: The table; ``None`` for a run that was loaded.
        splits: Its roles; ``None`` for a run that was loaded.
        weights: Weight per objective at the end of pretraining; empty if there was no continued pretraining.
        records: One record per step of continued pretraining.
        finetuning: How finetuning went.
        seconds: Duration of the fit.
        device: Where the models are.
    """

    def __init__(
        self,
        options: dict[str, Any],
        *,
        pretrainer: Pretrainer,
        model: Predictor,
        data: MoleculeDataset | None,
        splits: Splits | None,
        weights: dict[str, float],
        records: list[dict[str, Any]],
        finetuning: Finetuning,
        seconds: float,
        device: torch.device,
    ) -> None:
        """Keep everything; nothing is evaluated yet."""
        self.options = options
        self.pretrainer = pretrainer
        self.model = model
        self.data = data
        self.splits = splits
        self.weights = weights
        self.records = records
        self.finetuning = finetuning
        self.seconds = seconds
        self.device = device
        self.target_names: list[str] = list(data.target_names) if data else []
        self.featuriser = Featuriser() if data is None else data.featuriser
        self.rejects: list[Reject] = []
        self.trained_on: dict[str, Any] = {} if data is None or splits is None else data_card(data, splits)
        self.opened: Opened | None = None
        self.folder: Path | None = None
        self.factors: list[float] | None = None
        self._scores: dict[str, Score] = {}

    @property
    def method(self) -> str:
        """Name of the weighting; without continued pretraining, where the encoder came from."""
        weighting, start = str(self.options["weighting"]), str(self.options["start"])
        return start if weighting == "none" else weighting

    @property
    def history(self) -> pd.DataFrame:
        """One row per step of continued pretraining.

        Columns are ``step``, ``seconds``, ``weights.<objective>``, ``losses.<objective>``, ``norms.<objective>``,
        ``hypergradient.<objective>``, ``train_loss``, ``meta_loss`` and ``solves.<level>.<statistic>``; ``findings``
        names what was first found wrong around that step, if anything was.
        """
        return pd.json_normalize(self.records)

    @property
    def findings(self) -> list[Finding]:
        """What was wrong in continued pretraining, the most frequent first; empty for a healthy run.

        Objectives that teach nothing, explode or collapse, weights that saturate, solves that do not converge.
        """
        return diagnose(self.records)

    def evaluate(self, role: str = "test") -> Score:
        """Score the model on a role, by the metric that belongs to the table.

        The test set is opened once: the score is computed on the first call and remembered, and the predictions are
        kept with the run (:attr:`opened`), also by :meth:`save`.

        Args:
            role: ``"train"``, ``"meta"``, ``"select"`` or ``"test"``.

        Returns:
            The metric, per task and on average.

        Raises:
            ConfigError: If there is no such role, or the run was loaded without its table.
        """
        if role not in ROLES:
            raise ConfigError(f"role {role!r} is unknown;{suggest(role, ROLES)} Roles: {', '.join(ROLES)}.")
        if role == "test" and self.opened is not None:
            return self._score(self.opened.targets, self.opened.predictions[self.method])
        if self.data is None or self.splits is None or self.data.metric is None:
            raise ConfigError("this run was loaded without its table. Score run.predict(smiles) against the labels.")
        if role not in self._scores:
            positions = self.splits.roles()[role]
            predicted = predict_positions(self.model, self.data, positions, self.device)
            self._scores[role] = self._score(exact_labels(self.data, positions), predicted)
            if role == "test":
                spread = self._spread(self.data, positions).deviation if dropout_rate(self.model) > 0 else None
                self.opened = opening(self.data, positions, self.method, predicted, spread)
        return self._scores[role]

    def _score(self, truth: Array, predicted: Array) -> Score:
        return score(self.finetuning.metric, truth, predicted, self.target_names)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write one HTML file with everything about the run, which needs no network and nothing beside it.

        Weights, losses, solves, learning rates; test score with intervals against the baselines kept with the run;
        calibration or parity; a map; the most wrong molecules; audit, configuration, provenance. The test set is not
        opened for it: what :meth:`evaluate` saw is used, and where it was not called, the page says so.

        Args:
            path: Where to.

        Returns:
            The path.

        Raises:
            DataError: If it cannot be written, or a file beside the run is damaged.
        """
        write_file(Path(path), render(gather(self)).encode())
        return Path(path)

    def predict(self, smiles: Sequence[str]) -> Array:
        """Predictions for molecules, aligned with the input.

        Args:
            smiles: ``n`` SMILES.

        Returns:
            ``n x T``: probabilities for classification, labels in their own units for regression. A row that holds no
            molecule is NaN; :attr:`rejects` tells which ones, and why.
        """
        data, rows = self._read(smiles)
        everything = np.arange(len(rows))
        return self._aligned(len(smiles), rows, predict_positions(self.model, data, everything, self.device))

    def uncertainty(self, smiles: Sequence[str], *, samples: int = 30, seed: int = 0) -> Uncertainty:
        """Predictions with standard deviations under dropout, aligned with the input.

        Where labels are numbers, deviations are multiplied by the factor that makes them as large as the errors on
        ``select``; it is fitted once, while the table is there, and saved with the run. What they are worth on the test
        set stands in the report. For an encoder without dropout see :func:`molweight.training.spread_of`.

        Args:
            smiles: ``n`` SMILES.
            samples: Dropout masks, at least 2.
            seed: Of the masks.

        Returns:
            Predictions, as of :meth:`predict`, and deviations, both ``n x T``; NaN for a row without a molecule.

        Raises:
            ConfigError: If the encoder has no dropout.
        """
        data, rows = self._read(smiles)
        found = self._spread(data, np.arange(len(rows)), samples=samples, seed=seed)
        total = len(smiles)
        return Uncertainty(self._aligned(total, rows, found.prediction), self._aligned(total, rows, found.deviation))

    def _spread(self, data: MoleculeDataset, positions: Positions, *, samples: int = 30, seed: int = 0) -> Uncertainty:
        if self.factors is None and self.data is not None and self.splits is not None:
            raw = stated(self.model, self.data, self.splits.select, self.device)
            numbers = self.model.task == "regression"
            labels = exact_labels(self.data, self.splits.select)
            self.factors = scale_to(labels, raw) if numbers else [1.0] * labels.shape[1]
        factors = self.factors
        return stated(self.model, data, positions, self.device, factors=factors, samples=samples, seed=seed)

    def attribute(
        self, smiles: Sequence[str], target: str | None = None, *, pairs: int = 16, seed: int = 0
    ) -> list[Attribution | None]:
        """What each atom adds to a prediction: Shapley values, aligned with the input.

        Args:
            smiles: ``n`` SMILES.
            target: Which target; may be left out if there is one.
            pairs: Orders of the atoms to draw, each used in both directions; the error falls with its square root.
            seed: Of the orders.

        Returns:
            One per row; ``None`` for a row that holds no molecule.

        Raises:
            ConfigError: If there is no such target.
        """
        if target is None and len(self.target_names) > 1:
            raise ConfigError(f"name one target (target=...): {', '.join(self.target_names)}.")
        name = self.target_names[0] if target is None else target
        if name not in self.target_names:
            clause = suggest(name, self.target_names)
            raise ConfigError(f"target {name!r} is unknown;{clause} Targets: {', '.join(self.target_names)}.")
        place, (data, rows) = self.target_names.index(name), self._read(smiles)
        found: list[Attribution | None] = [None] * len(smiles)
        for position, row in enumerate(rows):
            values = attribute_atoms(self.model, data, position, self.device, pairs=pairs, seed=seed)
            output, reference, atoms, errors = (part[..., place] for part in values)
            found[row] = Attribution(smiles[row], name, float(output), float(reference), atoms, errors)
        return found

    def embed(self, smiles: Sequence[str]) -> Array:
        """Vectors of molecules from the finetuned encoder, aligned with the input.

        Args:
            smiles: ``n`` SMILES.

        Returns:
            ``n x d``; NaN where a row holds no molecule.
        """
        data, rows = self._read(smiles)
        self.model.eval()
        parts = [np.empty((0, self.model.encoder.width), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(rows), 512):
                graphs = data.graphs(range(start, min(start + 512, len(rows))), self.device)
                parts.append(self.model.encoder(graphs).graphs.cpu().numpy())
        return self._aligned(len(smiles), rows, np.concatenate(parts))

    def save(self, folder: str | Path) -> None:
        """Write the run: ``weights.safetensors``, which :func:`load` needs, and the rest for people.

        ``weights.safetensors`` holds the models, the history and, in its header, options, versions and a checksum; it
        is replaced as a whole or not at all. ``weights.json`` and ``history.csv`` repeat parts of it in text, and
        ``README.md`` is the model card. If the test set was opened, ``test_predictions.csv`` repeats what it showed.

        Args:
            folder: Where to; it is made if missing.

        Raises:
            DataError: If it cannot be written.
        """
        place, about = Path(folder), self.describe()
        kept = {**self.tensors(), **opened_tensors(self.opened), _HISTORY: as_tensor(self.records)}
        write_tensors(place / "weights.safetensors", kept, about)
        write_file(place / "weights.json", json.dumps(about, indent=2).encode())
        write_file(place / "history.csv", self.history.to_csv(index=False).encode())
        write_file(place / "README.md", model_card(about).encode())
        if self.opened is not None:
            write_file(place / "test_predictions.csv", self.opened.frame().to_csv(index=False).encode())
        self.folder = place

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything the two models know: parameters and buffers, named ``model.*`` and ``pretrainer.*``."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return tensors | {f"pretrainer.{name}": tensor for name, tensor in self.pretrainer.state_dict().items()}

    def describe(self) -> dict[str, Any]:
        """What the run is, as JSON values."""
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
            "opened": list(self.opened.predictions) if self.opened else [],
            "factors": self.factors,
            "seconds": self.seconds,
        }

    def _read(self, smiles: Sequence[str]) -> tuple[MoleculeDataset, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
        if isinstance(smiles, str):
            raise ConfigError(f"a sequence of SMILES is needed, got the single string {smiles!r}. Use [{smiles!r}].")
        molecules, self.rejects = featurize(list(smiles), featuriser=self.featuriser)
        if self.rejects:
            _log.warning("%d of %d rows hold no molecule; see run.rejects", len(self.rejects), len(smiles))
        return MoleculeDataset(molecules, featuriser=self.featuriser), molecules.rows

    def _aligned(
        self, total: int, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]], values: np.ndarray[Any, Any]
    ) -> Array:
        aligned = np.full((total, values.shape[1]), np.nan, dtype=np.float32)
        aligned[rows] = values
        return aligned


def load(folder: str | Path, device: str = "auto") -> Run:
    """A run that :meth:`Run.save` wrote, ready to predict.

    Args:
        folder: The run's folder.
        device: Where to put it.

    Returns:
        The run, without its table.

    Raises:
        DataError: If the folder holds no run, or one that is damaged or of another format, or one that was made with a
            plugin that has not been imported.
    """
    place = Path(folder)
    tensors, about = read_tensors(place / "weights.safetensors")
    if _HISTORY not in tensors:
        raise DataError(f"{place} holds a checkpoint of general pretraining, no finished run. Start from it: --start.")
    records = from_tensor(tensors.pop(_HISTORY))
    try:
        run = restore(tensors, about, records, resolve_device(device))
    except UnknownNameError as error:
        raise DataError(f"{place}: {error} {_plugin_hint(place)}") from error
    run.opened, run.folder = opened_from(tensors, about.get("opened", [])), place
    return run


def _plugin_hint(place: Path) -> str:
    """What to import before a run can be loaded, as far as its configuration says so."""
    try:
        kept = yaml.safe_load((place / "config.yaml").read_bytes())
    except (OSError, yaml.YAMLError):  # a run of the Python API has no such file
        kept = None
    named = kept.get("plugin") if isinstance(kept, dict) else None
    modules = ",".join(map(str, named)) if isinstance(named, list) and named else "MODULE"
    return f"It was registered by a plugin. Name it: --plugin {modules}; in Python, import it before."


def restore(
    tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any], records: list[dict[str, Any]], where: torch.device
) -> Run:
    """A run from its parts, without its table.

    Args:
        tensors: What :meth:`Run.tensors` returned.
        about: What :meth:`Run.describe` returned.
        records: The run's records.
        where: Device to put it on.
    """
    options = about["options"]
    state = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    heads = {key.removeprefix("pretrainer."): value for key, value in tensors.items() if key.startswith("pretrainer.")}
    model = build_predictor(
        options["encoder"], options["encoder_options"], about["task"], state["mean"], state["scale"]
    )
    pretrainer = build_pretrainer(
        options["encoder"], options["encoder_options"], options["objectives"], options["objective_options"]
    )
    model.load_state_dict(state)
    pretrainer.load_state_dict(heads)
    run = Run(
        options,
        pretrainer=pretrainer.to(where),
        model=model.to(where),
        data=None,
        splits=None,
        weights=about["weights"],
        records=records,
        finetuning=Finetuning(**about["finetuning"]),
        seconds=about["seconds"],
        device=where,
    )
    run.target_names, run.trained_on = about["target_names"], about["data"]
    run.factors = about.get("factors")
    run.featuriser = Featuriser.from_description(about["featuriser"])
    return run
