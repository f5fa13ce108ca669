"""Checkpoints of generic pretraining as folders, from which many runs can start."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from molweight import encoders, objectives
from molweight._version import __version__
from molweight.encoders import Encoder
from molweight.encoders.internal import merge_handedness
from molweight.errors import OptionError, mention
from molweight.features import available as feature_sets
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.graphs.internal import cache_root
from molweight.models import Pretrainer
from molweight.options import Job
from molweight.options.internal import AUTO, INITS, SHIPPED
from molweight.runs._archive import LEGACY, PRETRAINING, read_pretraining
from molweight.runs._chemprop_file import read_chemprop
from molweight.runs._learned_labels import LearnedLabels, trains_encoder
from molweight.runs._model_card import molecules_digest
from molweight.seeding import seeded
from molweight.storage import escape_controls, read_tensors, write_file, write_tensors

__all__ = [
    "CHECKPOINT",
    "Checkpoint",
    "checkpoints_at_hand",
    "find_checkpoint",
    "learned_labels",
    "read_checkpoint",
    "save_checkpoint",
]

CHECKPOINT: Final = "checkpoint.safetensors"
"""File of a checkpoint of generic pretraining."""
_PACKAGE: Final = Path(__file__).parent / "pretrained"
_OF_RUN: Final = (PRETRAINING, LEGACY)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained encoder with the heads of its objectives.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        state: State of a :class:`molweight.models.Pretrainer`.
        sha256: Digest of the state.
        objectives: Options by name of the objectives it was pretrained with.
        task: Card of the table and roles of a run; ``None`` for generic pretraining.
        featuriser: The features it was trained with.
        learned: Labels that it has learned, also as the checkpoint that it started from; ``None`` if an earlier version
            wrote it, which does not record them.
        weighting: Weighting of a run's adaptive pretraining; ``"none"`` without any.
    """

    encoder: str
    encoder_options: dict[str, Any]
    state: dict[str, Tensor]
    sha256: str
    objectives: dict[str, dict[str, Any]] = field(default_factory=dict)
    task: dict[str, Any] | None = None
    featuriser: Featuriser = field(default_factory=Featuriser)
    learned: tuple[LearnedLabels, ...] | None = None
    weighting: str = "none"

    def labels(self) -> tuple[LearnedLabels, ...]:
        """Labels that the encoder has learned.

        For a checkpoint of an earlier version, those of its own objectives, and of the task if it was trained on it.

        Raises:
            UnknownNameError: If they depend on an objective or a weighting that is not registered.
        """
        if self.learned is not None:
            return self.learned
        made = {name: objectives.create(name, width=1, **options) for name, options in self.objectives.items()}
        tables = [(name, table) for name, objective in made.items() for table in objective.tables]
        if self.task is not None and trains_encoder(self.weighting):
            tables.append((self.weighting, str(self.task["name"])))
        return tuple(LearnedLabels.under(name, table, self.task) for name, table in tables)

    def fill(self, model: Pretrainer, featuriser: Featuriser) -> None:
        """Load the encoder, and the heads whose shapes match those of the model.

        An objective under an alias that the checkpoint lacks starts from the head of the objective without alias.

        Args:
            model: The model to fill.
            featuriser: The features that the model will be used with. If they differ from those of the checkpoint, the
                embeddings of handedness are averaged, see :func:`molweight.encoders.internal.merge_handedness`.
        """
        own = model.state_dict()
        known = {name: self.state[_plain(name)] for name in own if _plain(name) in self.state} | self.state
        fitting = {
            name: tensor
            for name, tensor in known.items()
            if name.startswith("encoder.") or (name in own and own[name].shape == tensor.shape)
        }
        model.load_state_dict({**own, **fitting})
        self._translate(model, featuriser)

    def build(self, featuriser: Featuriser) -> Encoder:
        """The encoder without the heads.

        Args:
            featuriser: The features that it will be used with, see :meth:`fill`.
        """
        with seeded(0):  # the random initial weights are overwritten; the caller's random state is unchanged
            encoder = encoders.create(self.encoder, **self.encoder_options)
        parts = {name.partition("."): tensor for name, tensor in self.state.items()}
        encoder.load_state_dict({name: tensor for (part, _, name), tensor in parts.items() if part == "encoder"})
        self._translate(encoder, featuriser)
        return encoder

    def _translate(self, model: nn.Module, featuriser: Featuriser) -> None:
        if self.featuriser.features == featuriser.features:
            return
        _say_once()
        merge_handedness(model)


@cache
def _say_once() -> None:
    """Report once that handedness is averaged, because the members of an ensemble share a checkpoint."""
    _log.info("the pretrained encoder does not distinguish R from S stereocentres; training can separate them")


def _plain(name: str) -> str:
    """The name of a tensor without the alias of its objective."""
    kind, dot, rest = name.partition(".")
    objective, _, tensor = rest.partition(".")
    return f"{kind}{dot}{objective.partition(':')[0]}.{tensor}" if ":" in objective else name


def find_checkpoint(init: str) -> Path:
    """The file that ``init`` names.

    Args:
        init: The folder of a checkpoint or of a run; or the name of a folder in ``checkpoints`` of the cache; or
            :data:`molweight.options.internal.SHIPPED`; or a file of chemprop, see :func:`read_checkpoint`.

    Raises:
        OptionError: If there is none.
    """
    if Path(init).is_file():
        return Path(init)
    for folder in (Path(init), cache_root() / "checkpoints" / init, _PACKAGE / init):
        for name in (CHECKPOINT, *_OF_RUN):
            if (folder / name).is_file():
                return folder / name
    raise OptionError(
        "init",
        init,
        "is not a known checkpoint, and no folder of that name holds one",
        f"Use 'pretrain', 'scratch', {SHIPPED!r} (part of molweight), the folder of a checkpoint (made by "
        "'molweight pretrain') or of a run, or a file of chemprop's message passing."
        + (f" {init} is a feature set; use {mention('features', [init])}." if init in feature_sets() else ""),
    )


def is_shipped(init: str) -> bool:
    """Whether ``init`` names a checkpoint that is part of the package.

    Example:
        >>> is_shipped(SHIPPED)
        True
    """
    return find_checkpoint(init).is_relative_to(_PACKAGE)


def checkpoints_at_hand() -> list[str]:
    """Names of the checkpoints that are part of the package, and of those in ``checkpoints`` of the cache.

    Example:
        >>> SHIPPED in checkpoints_at_hand()
        True
    """
    folders = (_PACKAGE, cache_root() / "checkpoints")
    return sorted({path.parent.name for folder in folders for path in folder.glob(f"*/{CHECKPOINT}")})


def read_checkpoint(init: str) -> Checkpoint:
    """The checkpoint that ``init`` names; for a run, its pretrained encoder.

    A file is read as message passing layers of chemprop 2, such as CheMeleon's (Burns et al., arXiv 2506.15792, 2025).

    Args:
        init: As for :func:`find_checkpoint`.

    Raises:
        OptionError: If there is none, a run has no pretrained encoder, or a file cannot be used.
    """
    path = find_checkpoint(init)
    if path.name not in (CHECKPOINT, *_OF_RUN):
        options, tensors, digest = read_chemprop(path)
        state = {f"encoder.{name}": tensor for name, tensor in tensors.items()}
        return Checkpoint("chemprop", options, state, digest, featuriser=Featuriser(features="ogb"), learned=())
    if path.name in _OF_RUN:
        tensors, _, about = read_pretraining(path.parent)
        if not tensors:
            raise OptionError(
                "init", init, "is a run without a pretrained encoder", "Name the checkpoint that it started from."
            )
    else:
        tensors, about = read_tensors(path)
    options, task, featuriser = about["options"], about.get("data"), Featuriser.from_description(about["featuriser"])
    stored = about.get("learned")
    learned = None if stored is None else tuple(LearnedLabels.from_json(values) for values in stored)
    weighting = options.get("weighting", "none") if task and options.get("steps") else "none"
    if path.name in _OF_RUN:
        about = {**about["options"], "sha256": about["data"].get("sha256", "")}
    settings = {name: options["objective_options"].get(name, {}) for name in options["objectives"]}
    return Checkpoint(
        about["encoder"], about["encoder_options"], tensors, about["sha256"], settings,
        task, featuriser, learned, weighting,
    )  # fmt: skip


def learned_labels(model: Pretrainer, init: str, card: Mapping[str, Any] | None = None) -> list[LearnedLabels]:
    """Labels that a model learns from its tables, and those that the checkpoint which it starts from has learned.

    Args:
        model: Encoder and heads.
        init: The option of the job.
        card: Card of the task whose held-out compounds are left out of the tables; ``None`` if there is none.
    """
    tables = {name: model.objective(name).tables for name in model.objectives}
    own = [LearnedLabels.under(name, table, card) for name, several in tables.items() for table in several]
    inherited = () if init in (AUTO, *INITS) else read_checkpoint(init).labels()
    return list(dict.fromkeys([*own, *inherited]))


def save_checkpoint(folder: str | Path, job: Job, model: Pretrainer, corpus: MoleculeDataset) -> None:
    """Write a checkpoint: ``checkpoint.safetensors`` and its card, ``README.md``.

    Args:
        folder: The folder; created if missing.
        job: The options it was pretrained with.
        model: Encoder and heads.
        corpus: The molecules it was pretrained on.
    """
    about = {
        "molweight": __version__,
        "torch": torch.__version__,
        "featuriser": corpus.featuriser.describe(),
        "encoder": job.encoder,
        "encoder_options": job.encoder_options,
        "objectives": list(job.objectives),
        "options": job.options(),
        "learned": [item.to_json() for item in learned_labels(model, job.init)],
        "corpus": {"name": corpus.name, "molecules": len(corpus)},
        "sha256": molecules_digest(corpus),
    }
    write_tensors(Path(folder) / CHECKPOINT, model.state_dict(), about)
    write_file(Path(folder) / "README.md", escape_controls(_card(about)).encode())


def _card(about: Mapping[str, Any]) -> str:
    options, corpus = about["options"], about["corpus"]
    features = Featuriser.from_description(about["featuriser"])
    return (
        f"# A `{about['encoder']}` encoder, pretrained\n\n"
        f"{options['pretrain_steps']} steps with equal weights on {', '.join(about['objectives'])}.\n\n"
        f"- Corpus: {corpus['name']}, {corpus['molecules']} molecules, SHA-256 `{about['sha256']}`\n"
        f"- Encoder options: `{about['encoder_options']}`; seed {options['seed']}\n"
        f"- Written by molweight {about['molweight']} with torch {about['torch']}, {features}\n\n"
        "```sh\nmolweight fit my.csv --init THIS_FOLDER\n```\n"
    )
