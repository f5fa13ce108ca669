"""The ensemble at the end of a job: cross-fitted members, whose states are saved as they finish."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from molweight._progress import Progress, progress_bar
from molweight.arrays import Indices
from molweight.encoders import Encoder
from molweight.ensemble import Ensemble
from molweight.ensemble.internal import (
    PROFILE,
    Keeper,
    Prepared,
    Recipe,
    TrainedMember,
    installation_hint,
    member_processes,
    prepare,
    read_network,
)
from molweight.errors import Message, mention
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.options import Job
from molweight.runs.internal import Finetuning, estimate_of
from molweight.training._state import Context, Session

__all__ = ["fit_ensemble", "member_stages", "prepared_ensemble"]

_LOG: Final = logging.getLogger(__name__)
_FEW: Final = 10
_SHARE: Final = 0.85
"""Share of the remaining time, if there is a limit; the rest is for scores and the report."""


def member_stages(job: Job) -> list[str]:
    """Names of the stages that save the states of members.

    Args:
        job: The options.
    """
    return [_stage_name(number) for number in range(job.members or 0)] if job.members != 1 else []


@contextmanager
def prepared_ensemble(job: Job, context: Context) -> Iterator[Prepared]:
    """Prepare an ensemble on all rows except the test set, partly at the same time as the body of the context.

    Args:
        job: The options, with more than one member.
        context: The labelled table and the device.

    Yields:
        The ensemble without its encoder.
    """
    rows, seconds = _rows(context), context.session.seconds_for(_SHARE)
    recipe, device, progress = _recipe(job, context), context.device, context.progress
    with prepare(recipe, context.data, rows, device=device, seconds=seconds, progress=progress) as prepared:
        yield prepared


def fit_ensemble(prepared: Prepared, encoder: Encoder, context: Context) -> tuple[Ensemble, Finetuning]:
    """Cross-fit an ensemble.

    Args:
        prepared: Everything that needs no encoder.
        encoder: The pretrained encoder that every member starts from.
        context: The labelled table and the device.

    Returns:
        The ensemble and its out-of-fold scores.
    """
    rows, recipe = _rows(context), prepared.recipe
    epochs = recipe.schedule(len(rows)).epochs
    context.announce(
        f"stage 3 of 3: finetuning {recipe.members} cross-fitted members on {len(rows)} rows, {epochs} epochs each"
    )
    if hint := installation_hint(recipe.partners, len(rows)):
        context.announce(hint)
    _remark(context.data, rows, recipe.members)
    title, at_once = context.title("stage 3 of 3, finetuning"), _at_once(recipe, len(rows), context)
    with progress_bar(title, recipe.members, "members", at_once=at_once) as bar:
        keeper, seconds = _Stages(context.session, bar), context.session.seconds_for(_SHARE)
        found = prepared.cross_fit(encoder, keeper=keeper, seconds=seconds)
    return found.ensemble, estimate_of(found, context.data, context.splits.test)


def _at_once(recipe: Recipe, rows: int, context: Context) -> int:
    """Number of members that are trained at the same time."""
    return member_processes(recipe.members, rows, recipe.schedule(rows).epochs, context.device)


def _rows(context: Context) -> Indices:
    splits = context.splits
    return np.unique(np.concatenate([splits.train, splits.meta, splits.select]))


def _remark(data: MoleculeDataset, rows: Indices, members: int) -> None:
    """Warn of targets with too few labels for an estimate out of fold."""
    tasks = tasks_of(data.task, len(data.target_names))
    for name, task, labels in zip(data.target_names, tasks, data.targets[rows].T, strict=True):
        values, counts = np.unique(labels[~np.isnan(labels)], return_counts=True)
        if task == "classification" and len(values) and (len(values) == 1 or counts.min() < members):
            rare = int(counts.min()) if len(values) > 1 else 0
            _LOG.warning(
                "%s, target %r: %d of %d labels are of the rarer class, fewer than the %d folds, so its "
                "scores are unreliable: add molecules of that class", data.name, name, rare, counts.sum(), members,
            )  # fmt: skip
        elif task == "regression" and len(values) == 2 and counts.sum() > _FEW:  # noqa: PLR2004 - two values
            _LOG.warning(
                "%s, target %r looks like two classes (%g and %g); if so, use %s, and name the positive class",
                data.name, name, *values, Message(mention("task", "classification")),
            )  # fmt: skip


def _partners(job: Job, context: Context) -> tuple[str, ...]:
    """Names of the partners; ``"profile"`` only if tables are given in ``aux``, not only named by an objective."""
    names = tuple(job.partners or ())
    if PROFILE not in names or context.sources:
        return names
    _LOG.warning("ensemble: without %s, because no auxiliary table is given in aux", PROFILE)
    return tuple(name for name in names if name != PROFILE)


def _recipe(job: Job, context: Context) -> Recipe:
    return Recipe.of(
        job,
        encoder=job.encoder,
        encoder_options=job.encoder_options,
        features=tuple(job.features),
        members=cast(int, job.members),  # as resolved for the table
        partners=_partners(job, context),
        epochs=job.epochs,
        freeze_epochs=job.freeze_epochs,
        seed=job.seed,
        network=read_network(job.in_context) if job.in_context else None,
        sources=context.sources,
    )


@dataclass(frozen=True)
class _Stages(Keeper):
    """Storage of members as states of a session, with progress."""

    session: Session
    bar: Progress

    def read(self, number: int) -> TrainedMember | None:
        state: Any = self.session.stage(_stage_name(number)).read()
        if state is None:
            return None
        self.bar.update()
        return TrainedMember(state["state"], state["outputs"], state["curve"])

    def write(self, number: int, member: TrainedMember) -> None:
        stage = self.session.stage(_stage_name(number))
        stage.write(dict(vars(member)))
        for epoch, loss in enumerate(member.curve, start=1):
            stage.log(epoch, {"loss": loss})
        self.bar.update()


def _stage_name(number: int) -> str:
    return f"member-{number + 1}"
