"""Checkpoints of general pretraining as folders: made once, started from by many runs."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from molweight import __version__, encoders
from molweight.encoders import Encoder, merge_handedness
from molweight.errors import ConfigError
from molweight.graphs import Featuriser, MoleculeDataset, cache_root
from molweight.seeding import seeded
from molweight.training._card import molecules_digest
from molweight.training._models import Pretrainer
from molweight.training._store import read_tensors, write_file, write_tensors

if TYPE_CHECKING:
    from molweight.training._tapweight import TapWeight

__all__ = ["AUTO", "SHIPPED", "STARTS", "Checkpoint", "find_checkpoint", "read_checkpoint", "save_checkpoint"]

AUTO: Final = "auto"
"""Value of the option ``start`` that stands for :data:`SHIPPED` or for general pretraining, whichever fits the job."""

STARTS: Final = ("pretrained", "scratch")
"""Values of the option ``start`` that are no checkpoint."""

SHIPPED: Final = "gin_zinc"
"""Name of the general checkpoint that is part of the package; its card stands beside it."""

_FILE: Final = "checkpoint.safetensors"
_PACKAGE: Final = Path(__file__).parent / "pretrained"
_RUN: Final = "weights.safetensors"
_PREFIX: Final = "pretrainer."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained encoder with the heads of its objectives.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        state: State of a :class:`molweight.training.Pretrainer`.
        sha256: Digest of the state.
        objectives: Options by name of the objectives it was pretrained with.
        task: Of a run, the card of its table and roles; ``None`` for general pretraining.
        featuriser: The features it was trained with.
    """

    encoder: str
    encoder_options: dict[str, Any]
    state: dict[str, Tensor]
    sha256: str
    objectives: dict[str, dict[str, Any]] = field(default_factory=dict)
    task: dict[str, Any] | None = None
    featuriser: Featuriser = field(default_factory=Featuriser)

    def fill(self, model: Pretrainer, featuriser: Featuriser) -> None:
        """Load the encoder, and those heads that the model has in the same shape.

        Args:
            model: The model to fill.
            featuriser: The features that it will be used with. Where they are not those of the checkpoint, what it
                knows of handedness is merged, see :func:`molweight.encoders.merge_handedness`.
        """
        own = model.state_dict()
        fitting = {
            name: tensor
            for name, tensor in self.state.items()
            if name.startswith("encoder.") or (name in own and own[name].shape == tensor.shape)
        }
        model.load_state_dict({**own, **fitting})
        self._translate(model, featuriser)

    def build(self, featuriser: Featuriser) -> Encoder:
        """The encoder without the heads.

        Args:
            featuriser: The features that it will be used with, see :meth:`fill`.
        """
        with seeded(0):  # what is drawn here is overwritten; the caller's random numbers stay as they are
            encoder = encoders.build(self.encoder, **self.encoder_options)
        parts = {name.partition("."): tensor for name, tensor in self.state.items()}
        encoder.load_state_dict({name: tensor for (part, _, name), tensor in parts.items() if part == "encoder"})
        self._translate(encoder, featuriser)
        return encoder

    def _translate(self, model: nn.Module, featuriser: Featuriser) -> None:
        if self.featuriser.features == featuriser.features:
            return
        _log.info(
            "the checkpoint was pretrained with %s and is used with %s: what it learned of the two hands of a "
            "stereocentre is averaged",
            self.featuriser,
            featuriser,
        )
        merge_handedness(model)


def find_checkpoint(start: str) -> Path:
    """The file that ``start`` names.

    Args:
        start: The folder of a checkpoint or of a run; or the name of a folder in ``checkpoints`` of the cache; or
            :data:`SHIPPED`.

    Raises:
        ConfigError: If there is none.
    """
    for folder in (Path(start), cache_root() / "checkpoints" / start, _PACKAGE / start):
        for name in (_FILE, _RUN):
            if (folder / name).is_file():
                return folder / name
    raise ConfigError(
        f"start={start!r} is unknown: there is no checkpoint in a folder of that name. Use 'pretrained', 'scratch', "
        f"{SHIPPED!r} (part of molweight), or the folder of a checkpoint (made by 'molweight pretrain') or of a run."
    )


def read_checkpoint(start: str) -> Checkpoint:
    """The checkpoint that ``start`` names; of a run, its pretrained encoder.

    Args:
        start: As for :func:`find_checkpoint`.
    """
    path = find_checkpoint(start)
    tensors, about = read_tensors(path)
    options, task, featuriser = about["options"], about.get("data"), Featuriser.from_description(about["featuriser"])
    if path.name == _RUN:
        tensors = {key.removeprefix(_PREFIX): value for key, value in tensors.items() if key.startswith(_PREFIX)}
        about = {**about["options"], "sha256": about["data"].get("sha256", "")}
    learned = {name: options["objective_options"].get(name, {}) for name in options["objectives"]}
    return Checkpoint(about["encoder"], about["encoder_options"], tensors, about["sha256"], learned, task, featuriser)


def save_checkpoint(folder: str | Path, job: "TapWeight", model: Pretrainer, corpus: MoleculeDataset) -> None:
    """Write a general checkpoint: ``checkpoint.safetensors`` and its card, ``README.md``.

    Args:
        folder: Where to; it is made if missing.
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
        "corpus": {"name": corpus.name, "molecules": len(corpus)},
        "sha256": molecules_digest(corpus),
    }
    write_tensors(Path(folder) / _FILE, model.state_dict(), about)
    write_file(Path(folder) / "README.md", _card(about).encode())


def _card(about: Mapping[str, Any]) -> str:
    options, corpus = about["options"], about["corpus"]
    features = Featuriser.from_description(about["featuriser"])
    return (
        f"# A `{about['encoder']}` encoder, pretrained\n\n"
        f"{options['general_steps']} steps with equal weights on {', '.join(about['objectives'])}.\n\n"
        f"- Corpus: {corpus['name']}, {corpus['molecules']} molecules, SHA-256 `{about['sha256']}`\n"
        f"- Encoder options: `{about['encoder_options']}`; seed {options['seed']}\n"
        f"- Written by molweight {about['molweight']} with torch {about['torch']}, {features}\n\n"
        "```sh\nmolweight fit my.csv --start THIS_FOLDER\n```\n"
    )
