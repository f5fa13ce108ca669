"""General pretraining: equal weights on a corpus, once per corpus, encoder and set of objectives."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from molweight.graphs import Featuriser, MoleculeDataset, attach_targets, cache_root, content_key
from molweight.mlo import Loop, weightings
from molweight.seeding import seeded
from molweight.training._checkpoint import STARTS, read_checkpoint
from molweight.training._models import Pretrainer, build_pretrainer
from molweight.training._pretrain import pretrain
from molweight.training._sampling import Batches, generator_for
from molweight.training._session import Session, Stage
from molweight.training._sources import Corpus
from molweight.training._store import read_tensors, write_tensors
from molweight.training._tables import HeldOut, attach_tables, refuse_seen

if TYPE_CHECKING:
    from molweight.training._tapweight import TapWeight

__all__ = ["GENERAL_OPTIONS", "general_pretraining"]

GENERAL_OPTIONS: Final = (
    "encoder",
    "encoder_options",
    "objectives",
    "objective_options",
    "general_steps",
    "batch_size",
    "pretrain_lr",
)
"""Options of a job that decide what general pretraining makes, beside the seed and the molecules."""

_LOOP_VERSION: Final = 2
"""Part of the cache key: raise it whenever general pretraining would end elsewhere."""
_log = logging.getLogger(__name__)


def general_pretraining(
    options: "TapWeight",
    corpus: MoleculeDataset,
    device: torch.device,
    *,
    progress: bool = False,
    session: Session | None = None,
    held: HeldOut | None = None,
) -> tuple[Pretrainer, MoleculeDataset]:
    """An encoder with heads, pretrained with equal weights or found so in the cache.

    Args:
        options: Names and sizes; with ``start="scratch"`` nothing is trained.
        corpus: Unlabelled molecules.
        device: Where to compute.
        progress: Whether to show progress bars on a terminal.
        session: Where states are kept and whom to tell.
        held: The task that is pretrained for, whose held-out compounds no objective may learn labels of.

    Returns:
        The model on the device, and the corpus with the columns that the objectives need.

    Raises:
        ConfigError: If ``start`` is a checkpoint that has learned labels of held-out compounds.
    """
    names, settings = list(options.objectives), options.objective_options
    with seeded(_seed(options)):
        model = build_pretrainer(options.encoder, options.encoder_options, names, settings)
    specs = [spec for name in names for spec in model.objective(name).targets]
    prepared = attach_targets(corpus, specs, progress=progress)
    for name in names:
        model.objective(name).prepare(prepared.columns)
    tables = attach_tables(model, held)
    model.to(device)
    if options.start not in STARTS:
        _fill(options, model, held, corpus.featuriser)
    elif options.start == "pretrained" and options.general_steps > 0:
        about = {**_describe(options, corpus), **({"tables": tables} if tables else {})}
        stage = (session or Session()).stage("general")
        _load_or_train(options, model, prepared, device, stage, about=about, progress=progress)
    return model, prepared


def _fill(options: "TapWeight", model: Pretrainer, held: HeldOut | None, featuriser: Featuriser) -> None:
    checkpoint = read_checkpoint(options.start)
    if held is not None:
        refuse_seen(checkpoint, options.start, held)
    checkpoint.fill(model, featuriser)


def _load_or_train(
    options: "TapWeight",
    model: Pretrainer,
    corpus: MoleculeDataset,
    device: torch.device,
    stage: Stage,
    *,
    about: Mapping[str, Any],
    progress: bool,
) -> None:
    path = _checkpoint(about)
    if path.exists():
        tensors, _ = read_tensors(path)
        model.load_state_dict(tensors)
        _log.debug("general pretraining: found in the cache, %s", path)
        return
    batches = Batches(range(len(corpus)), options.batch_size, generator_for(_seed(options), "general"))
    source = Corpus(corpus, batches, None, torch.Generator(device).manual_seed(_seed(options)))
    loop = Loop(
        dict(model.named_parameters()),
        {},
        weightings.create("equal", list(options.objectives)),
        pretrain_lr=options.pretrain_lr,
    )
    title = "general pretraining" if progress else None
    pretrain(model, source, loop, steps=options.general_steps, progress=title, stage=stage)
    write_tensors(path, model.state_dict(), about)
    stage.drop()


def _describe(options: "TapWeight", corpus: MoleculeDataset) -> dict[str, Any]:
    """Everything that general pretraining depends on, as JSON values."""
    chosen = ("encoder", "encoder_options", "objective_options", "general_steps", "batch_size", "pretrain_lr")
    values: Mapping[str, Any] = options.options()
    return {
        "featuriser": corpus.featuriser.describe(),
        "loop": _LOOP_VERSION,
        "corpus": content_key([np.ascontiguousarray(corpus.molecules.smiles_data).tobytes()]),
        "objectives": list(options.objectives),
        "seed": _seed(options),
        **{name: values[name] for name in chosen},
    }


def _seed(options: "TapWeight") -> int:
    """Of general pretraining; an encoder that is not pretrained here is the run's own."""
    shared = options.general_seed if options.start == "pretrained" else None
    return options.seed if shared is None else shared


def _checkpoint(about: Mapping[str, Any]) -> Path:
    key = content_key([json.dumps(about, sort_keys=True).encode()])
    return cache_root() / "pretrained" / f"{key}.safetensors"
