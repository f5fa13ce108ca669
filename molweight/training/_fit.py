"""The main job: pretrain, adapt to the task, finetune."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from molweight import encoders
from molweight._version import __version__
from molweight.datasets import Splits, split
from molweight.datasets.internal import SourceTable, with_test
from molweight.devices import resolve_device
from molweight.ensemble.internal import read_network
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.models import TaskModel
from molweight.options import Job
from molweight.options.internal import INITS
from molweight.runs import Run, read_checkpoint
from molweight.runs.internal import RunParts, data_card, learned_labels, locked, molecules_digest, restore
from molweight.seeding import seeded
from molweight.training._adaptive import adapt
from molweight.training._callback import Callback
from molweight.training._cross_fitting import fit_ensemble, member_stages, prepared_ensemble
from molweight.training._generic import generic_pretraining
from molweight.training._held_out import HeldOut, task_card, task_labels
from molweight.training._resolve import check_weighting, resolve, warn_idle, with_metric, with_stereo
from molweight.training._restarts import finetune_with_restarts, restart_stages
from molweight.training._sources import uses_sources, warn_unused, with_parts, with_sources
from molweight.training._state import Context, Session

__all__ = ["describe_job", "fit", "stage_names", "with_ensemble"]


def fit(
    job: Job,
    data: MoleculeDataset,
    splits: Splits | None = None,
    corpus: MoleculeDataset | None = None,
    *,
    test: MoleculeDataset | None = None,
    progress: bool = False,
    resume: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    session: Session | None = None,
    aux: Sequence[str | MoleculeDataset | SourceTable] = (),
) -> Run:
    """Run a job: generic pretraining, adaptive pretraining with learned weights, finetuning.

    Source: Zhang, Somayajula, Xie, *TapWeight*, TMLR 2025 (arXiv 2410.10006).

    Args:
        job: All options.
        data: The labelled table.
        splits: Its roles; see :func:`molweight.datasets.split`. Its ``test`` role is not used. ``None``: there is no
            test set except the molecules of ``test``, and an ensemble is trained on every row.
        corpus: Unlabelled molecules to pretrain on; the training molecules of ``data`` if ``None``.
        test: Test molecules in a separate table with the same targets (``from_file("test.csv",
            targets=data.target_names)``), for ``run.evaluate("test")``; instead of ``splits``.
        progress: Whether to show progress bars on a terminal.
        resume: Folder for checkpoints, written once a minute and on Ctrl-C. If an interrupted fit is called again with
            the same folder, the result is the same as without the interruption; a finished one returns its run
            immediately.
        callbacks: Objects that are called after every step; see :class:`molweight.training.Callback`.
        session: Combination of ``resume`` and ``callbacks``, for a fit that is part of other work.
        aux: Auxiliary tables in addition to those in ``job.aux``: files, names or tables.

    Returns:
        The finetuned model with the learned weights and the history.

    Raises:
        ConfigError: If an option cannot be used, the table has no labels, splits and a test table are given, the folder
            holds the state of another job, or another process writes to it.
        UnknownNameError: If a name is unknown, with the nearest ones.
        TrainingError: If a loss is no longer finite.
    """
    data, splits = _with_roles(job, data, splits, test)
    job, sources = with_sources(job, data, splits, aux) if job.aux or aux else (job, ())
    job = resolve(job, data)
    warn_idle(job)
    if not any(isinstance(table, SourceTable) for table in aux):  # else a comparison has read and reported them
        warn_unused(job, sources)
    device = resolve_device(job.device)
    data = with_metric(job, with_stereo(job, data))
    corpus = data.subset(splits.train) if corpus is None else corpus.with_featuriser(data.featuriser)
    job = with_parts(job, corpus)
    if job.corpus_weights == "part":  # the number of weights is known only now
        check_weighting(job)
    session = session or Session(None if resume is None else Path(resume), callbacks=callbacks)
    session = session.within(job.minutes)
    if session.folder is not None:
        session = replace(session, job=describe_job(job, data, splits, corpus, device, sources=sources))
    context = Context(data, splits, device, session, progress, sources)
    with locked(session.folder):
        return _finished(context) or _finish(context, job, _train(job, corpus, context))


def _with_roles(
    job: Job, data: MoleculeDataset, splits: Splits | None, test: MoleculeDataset | None
) -> tuple[MoleculeDataset, Splits]:
    """The table with its test molecules, and the roles.

    Raises:
        ConfigError: If both roles and a test table are given.
    """
    if test is None:
        return data, splits or split(data, "none", seed=job.seed)
    if splits is not None:
        raise ConfigError("splits and test both define the test molecules. Leave splits out.")
    return with_test(data, test, job.seed)


def with_ensemble(job: Job, run: Run, corpus: MoleculeDataset, context: Context) -> Run:
    """The run with an ensemble instead of its single model, from the same pretrained encoder.

    Args:
        job: The options, resolved, with more than one member.
        run: A run of the same job with a single model, in memory or with its pretraining in its folder.
        corpus: The unlabelled molecules of that run.
        context: The labelled table, the device, and a separate session.

    Returns:
        A run with the weights and the history of the given run.
    """
    described = describe_job(job, context.data, context.splits, corpus, context.device, sources=context.sources)
    context = replace(context, session=replace(context.session, job=described))
    return _finished(context) or _finish(context, job, _exchange(job, run, context))


def _exchange(job: Job, run: Run, context: Context) -> Run:
    started = time.perf_counter()
    with seeded(0):  # the random initial values are overwritten
        encoder = encoders.create(job.encoder, **job.encoder_options).to(context.device)
    state = {name.partition(".")[2]: tensor for name, tensor in run.pretrained.items() if name.startswith("encoder.")}
    encoder.load_state_dict(state)
    with prepared_ensemble(job, context) as prepared:
        model, result = fit_ensemble(prepared, encoder, context)
    exchanged = Run(
        job.options(),
        pretrained=run.pretrained,
        model=model,
        data=context.data,
        splits=context.splits,
        weights=run.weights,
        records=run.records,
        finetuning=result,
        seconds=run.seconds + time.perf_counter() - started,
        device=context.device,
    )
    exchanged.learned = run.learned
    return exchanged


def _train(job: Job, corpus: MoleculeDataset, context: Context) -> Run:
    """The three stages."""
    started = time.perf_counter()
    pretrainer, prepared = generic_pretraining(
        job,
        corpus,
        context.device,
        progress=context.progress,
        session=context.session,
        held=HeldOut(context.data, context.splits, context.sources, cross_fitted=job.members != 1),
    )
    card = task_card(context.data, context.splits)
    learned = [*learned_labels(pretrainer, job.init, card), *task_labels(job, context.data, context.splits)]
    model: TaskModel
    with nullcontext() if job.members == 1 else prepared_ensemble(job, context) as ensemble:
        weights, history = adapt(job, pretrainer, prepared, context)
        if ensemble is None:
            model, result = finetune_with_restarts(job, pretrainer, context)
        else:
            model, result = fit_ensemble(ensemble, pretrainer.encoder, context)
    run = Run(
        job.options(),
        pretrained=pretrainer.state_dict(),
        model=model,
        data=context.data,
        splits=context.splits,
        weights=weights,
        records=history,
        finetuning=result,
        seconds=time.perf_counter() - started,
        device=context.device,
    )
    run.learned = learned
    return run


def describe_job(
    job: Job,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset,
    device: torch.device,
    *,
    sources: Sequence[SourceTable] = (),
) -> dict[str, Any]:
    """All inputs of a fit, as JSON values.

    Args:
        job: All options, resolved.
        data: The labelled table.
        splits: Its roles.
        corpus: Unlabelled molecules.
        device: Device to compute on.
        sources: Auxiliary tables.
    """
    weights = read_network(job.in_context).sha256 if job.in_context else ""  # independent of the location of the file
    return {
        "molweight": __version__,
        "torch": torch.__version__,
        "featuriser": data.featuriser.describe(),
        "device": device.type,
        "options": {**job.options(), "in_context": weights},
        "init": None if job.init in INITS else read_checkpoint(job.init).sha256,
        "data": data_card(data, splits),
        "corpus": {"molecules": len(corpus), "sha256": molecules_digest(corpus)},
        **({"sources": {source.origin: molecules_digest(source.data) for source in sources}} if sources else {}),
    }


def stage_names(job: Job) -> list[str]:
    """Names of the stages that save states while a job runs, in their order.

    Args:
        job: All options, resolved.
    """
    return ["generic", "adaptive", *restart_stages(job), *member_stages(job)]


def _finish(context: Context, job: Job, run: Run) -> Run:
    """Store the run, and remove the intermediate states."""
    if context.sources and uses_sources(job):
        run.trained_on["sources"] = [source.use.to_dict() for source in context.sources]
    parts, session = run.parts(), context.session
    state = {"about": parts.about, "model": parts.model, "pretrained": parts.pretrained, "records": parts.records}
    session.stage("finished").write(state)
    for name in stage_names(job):
        session.stage(name).discard()
    return run


def _finished(context: Context) -> Run | None:
    """The run stored by :func:`_finish`, with its table, if there is one."""
    state = context.session.stage("finished").read()
    if state is None:
        return None
    run = restore(RunParts(**state), context.device)
    run.data, run.splits = context.data, context.splits
    return run
