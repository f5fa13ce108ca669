"""Generic pretraining: equal weights on a corpus, once per corpus, encoder and set of objectives."""

import inspect
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from molweight.devices import matmul_precision
from molweight.graphs import MoleculeDataset, TargetSpec, attach_targets
from molweight.graphs.internal import cache_root, content_key, rdkit_version
from molweight.mlo import Loop, weightings
from molweight.models import Pretrainer
from molweight.models.internal import build_pretrainer
from molweight.options import EncoderOptions, Job, PretrainingOptions
from molweight.options.internal import INITS, option_names
from molweight.runs import read_checkpoint
from molweight.seeding import seeded
from molweight.storage import read_tensors, write_tensors
from molweight.training._batches import Batches, Corpus, generator_for, part_batches
from molweight.training._held_out import HeldOut, refuse_leaky_checkpoint
from molweight.training._padding import pads
from molweight.training._pretrain import pretrain
from molweight.training._resolve import resolve_init, with_stereo
from molweight.training._sources import attach_tables, resolve_assay_table
from molweight.training._state import Session, Stage

__all__ = ["generic_pretraining"]

_SHARE: Final = 0.4
"""Share of the remaining time, if there is a limit."""
_LOOP_VERSION: Final = 3
"""Part of the cache key; incremented whenever the result of generic pretraining changes."""
_LIBRARIES: Final = frozenset({"abc", "builtins", "molweight", "torch", "typing"})
"""Top-level modules whose classes are identified by the versions above."""
_log = logging.getLogger(__name__)


def generic_pretraining(
    job: Job,
    corpus: MoleculeDataset,
    device: torch.device,
    *,
    progress: bool = False,
    session: Session | None = None,
    held: HeldOut | None = None,
) -> tuple[Pretrainer, MoleculeDataset]:
    """An encoder with heads, pretrained with equal weights or read from the cache.

    The cache is not used if an objective or the encoder is a plug-in whose source cannot be read.

    Args:
        job: Names and sizes; with ``init="scratch"`` nothing is trained.
        corpus: Unlabelled molecules.
        device: Device to compute on.
        progress: Whether to show progress bars on a terminal.
        session: Checkpoints and callbacks.
        held: The task; no objective may learn labels of its held-out compounds.

    Returns:
        The model on the device, and the corpus with the columns that the objectives need.

    Raises:
        ConfigError: If ``init`` is a checkpoint that was trained on labels of held-out compounds.
    """
    job = resolve_assay_table(resolve_init(job), None if held is None else held.data)
    corpus = with_stereo(job, corpus)
    names, settings = list(job.objectives), job.objective_options
    with seeded(_seed(job)):
        model = build_pretrainer(job.encoder, job.encoder_options, names, settings)
    specs = [spec for name in names for spec in model.objective(name).targets]
    prepared = attach_targets(corpus, specs, progress=progress)
    for name in names:
        model.objective(name).prepare(prepared.columns)
    tables = attach_tables(model, corpus.featuriser, held)
    model.to(device)
    if job.init not in INITS:
        checkpoint = read_checkpoint(job.init)
        if held is not None:
            refuse_leaky_checkpoint(checkpoint, job.init, held)
        checkpoint.fill(model, corpus.featuriser)
    elif job.init == "pretrain" and job.pretrain_steps > 0:
        about = {**_describe(job, corpus), **_versions(model, specs), **({"tables": tables} if tables else {})}
        stage = (session or Session()).stage("generic")
        _load_or_train(job, model, prepared, device, stage, about=about, progress=progress)
    return model, prepared


def _load_or_train(
    job: Job,
    model: Pretrainer,
    corpus: MoleculeDataset,
    device: torch.device,
    stage: Stage,
    *,
    about: Mapping[str, Any],
    progress: bool,
) -> None:
    path, early, known = _checkpoint(about), stage.session.stopped_early, None not in about.get("code", {}).values()
    # A checkpoint that another job has written since then is not the encoder from which this job's members started.
    if path.stem in early or (not _ended_early(stage) and known and path.exists()):
        model.load_state_dict(early[path.stem] if path.stem in early else read_tensors(path)[0])
        _log.debug("generic pretraining: read from the cache, %s", path)
        return
    batches = Batches(range(len(corpus)), job.batch_size, generator_for(_seed(job), "general"))
    parts = part_batches(corpus, job.objectives, job.batch_size, _seed(job))
    generator, pad = torch.Generator(device).manual_seed(_seed(job)), pads(job, model.encoder, corpus, device)
    source = Corpus(corpus, batches, None, generator, parts, pad)
    variables: dict[str, Tensor] = dict(model.named_parameters())
    loop = Loop(
        variables,
        {},
        weightings.create("equal", list(job.objectives)),
        pretrain_lr=job.pretrain_lr,
        encoder=[name for name in variables if name.startswith("encoder.")],
    )
    title = "stage 1 of 3, generic pretraining" if progress else None
    with matmul_precision(job.precision):
        seconds = stage.session.seconds_for(_SHARE)
        pretrain(model, source, loop, steps=job.pretrain_steps, progress=title, stage=stage, seconds=seconds)
    if known and loop.steps == job.pretrain_steps:
        write_tensors(path, model.state_dict(), about)
        stage.discard()
    else:  # shared by the methods of this job, also after an interruption, not with other jobs
        early[path.stem] = {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _ended_early(stage: Stage) -> bool:
    """Whether a time limit ended this job's generic pretraining before an interruption."""
    state = stage.read()
    return state is not None and bool(state.get("ended"))


def _describe(job: Job, corpus: MoleculeDataset) -> dict[str, Any]:
    """All inputs of generic pretraining, as JSON values."""
    values = job.options()
    names = set(option_names(EncoderOptions)) | set(option_names(PretrainingOptions))
    parts = {name: len(part.indices) for name, part in part_batches(corpus, job.objectives, 1, 0).items()}
    return {
        "featuriser": corpus.featuriser.describe(),
        "loop": _LOOP_VERSION,
        "corpus": content_key([np.ascontiguousarray(corpus.molecules.smiles_data).tobytes()]),
        "seed": _seed(job),
        **({"parts": parts} if parts else {}),
        # Omitted if it is the default, so that checkpoints of earlier versions remain usable.
        **({} if job.precision == "float32" else {"precision": job.precision}),
        **({"pad_batches": True} if job.pad_batches else {}),
        **{name: values[name] for name in sorted(names - {"init", "pretrain_seed"})},
    }


def _versions(model: Pretrainer, specs: Sequence[TargetSpec]) -> dict[str, Any]:
    """Versions of RDKit and of the targets, and digests of the code of plug-ins; the latter only if there are any."""
    targets = sorted({(spec.name, spec.version) for spec in specs})
    parts: list[nn.Module] = [model.encoder, *(model.objective(name) for name in model.objectives)]
    modules = {kind.__module__ for part in parts for kind in type(part).__mro__}
    foreign = sorted(name for name in modules if name.partition(".")[0] not in _LIBRARIES)
    code = {name: _digest(name) for name in foreign}
    return {"rdkit": rdkit_version(), **({"targets": targets} if targets else {}), **({"code": code} if code else {})}


def _digest(module: str) -> str | None:
    """Digest of the source of a module; ``None`` if it cannot be read, as in an interactive session."""
    try:
        return content_key([inspect.getsource(sys.modules[module]).encode()])
    except (KeyError, OSError, TypeError):
        return None


def _seed(job: Job) -> int:
    """Seed of generic pretraining; an encoder without it depends on the run's seed."""
    shared = job.pretrain_seed if job.init == "pretrain" else None
    return job.seed if shared is None else shared


def _checkpoint(about: Mapping[str, Any]) -> Path:
    key = content_key([json.dumps(about, sort_keys=True).encode()])
    return cache_root() / "pretrained" / f"{key}.safetensors"
