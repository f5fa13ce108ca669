"""A fit as a whole that is interrupted: what it depends on, and what is left of it when it is done."""

from typing import TYPE_CHECKING, Any

import torch

from molweight import __version__
from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.training._card import data_card, molecules_digest
from molweight.training._checkpoint import STARTS, read_checkpoint
from molweight.training._finetunings import finetuning_stages
from molweight.training._run import Run, restore
from molweight.training._session import Session

if TYPE_CHECKING:
    from molweight.training._tapweight import TapWeight

__all__ = ["describe_job", "finish", "finished_run"]


def describe_job(
    job: "TapWeight", data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, device: torch.device
) -> dict[str, Any]:
    """Everything that the result of a fit depends on, as JSON values."""
    return {
        "molweight": __version__,
        "torch": torch.__version__,
        "featuriser": data.featuriser.describe(),
        "device": device.type,
        "options": job.options(),
        "start": None if job.start in STARTS else read_checkpoint(job.start).sha256,
        "data": data_card(data, splits),
        "corpus": {"molecules": len(corpus), "sha256": molecules_digest(corpus)},
    }


def finish(session: Session, job: "TapWeight", run: Run) -> None:
    """Keep a run in place of the states that led to it."""
    session.stage("finished").write({"about": run.describe(), "tensors": run.tensors(), "records": run.records})
    for name in ("general", "continued", *finetuning_stages(job)):
        session.stage(name).drop()


def finished_run(session: Session, data: MoleculeDataset, splits: Splits, device: torch.device) -> Run | None:
    """The run that :func:`finish` kept, with its table, if there is one."""
    state = session.stage("finished").read()
    if state is None:
        return None
    run = restore(state["tensors"], state["about"], state["records"], device)
    run.data, run.splits = data, splits
    return run
