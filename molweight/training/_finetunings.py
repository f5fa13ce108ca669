"""Several finetunings of one pretrained encoder, of which the best on ``select`` is kept."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from molweight.datasets import higher_is_better
from molweight.training._finetune import Finetuning
from molweight.training._models import Predictor
from molweight.training._sampling import generator_for
from molweight.training._session import Session, Stage

if TYPE_CHECKING:
    from molweight.training._tapweight import TapWeight

__all__ = ["best_of", "finetune_several", "finetuning_stages", "numbered"]

_KEPT: Final = "kept"
_Tuned: TypeAlias = tuple[Predictor, Finetuning]


class _Tune(Protocol):
    def __call__(self, job: "TapWeight", model: Predictor, stage: Stage) -> Finetuning:
        """Finetune the model as the job says."""
        ...


def finetuning_stages(job: "TapWeight") -> list[str]:
    """Names of the stages that finetuning leaves states of.

    Args:
        job: The options.
    """
    return [_KEPT, *(_name(number) for number in range(1, job.finetunings + 1))]


def finetune_several(
    job: "TapWeight", build: Callable[["TapWeight"], Predictor], tune: _Tune, session: Session
) -> tuple[Predictor, Finetuning]:
    """Finetune ``job.finetunings`` times: each with a head, an order of the batches and dropout of its own.

    The first is that of a job with one finetuning. A finetuning that is finished when the work is interrupted is not
    repeated.

    Args:
        job: The options.
        build: Makes the model that a finetuning starts from.
        tune: Finetunes it.
        session: Where states are kept.

    Returns:
        The model with the best metric on ``select``, and how its finetuning went.
    """
    stage = session.stage(_KEPT)
    best, tried = _found(stage.read(), job, build)
    for number in range(len(tried) + 1, job.finetunings + 1):
        own, part = numbered(job, number), session.stage(_name(number))
        model = build(own)
        result = tune(own, model, part)
        tried.append(result.best)
        best = [*best, (model, result)]
        best = [best[best_of([made for _, made in best])]]
        if number < job.finetunings:
            stage.write({"model": best[0][0].state_dict(), "result": asdict(best[0][1]), "tried": tried})
            part.drop()
    best[0][1].tried = tried
    return best[0]


def _found(state: Any, job: "TapWeight", build: Callable[["TapWeight"], Predictor]) -> tuple[list[_Tuned], list[float]]:
    """The best model that an interrupted work left, if it left one, and the metrics of all that were tried."""
    if state is None:
        return [], []
    model = build(job)
    model.load_state_dict(state["model"])
    return [(model, Finetuning(**state["result"]))], state["tried"]


def _name(number: int) -> str:
    return "finetune" if number == 1 else f"finetune-{number}"


def numbered(job: "TapWeight", number: int) -> "TapWeight":
    """The job with the random numbers of one of its finetunings.

    Args:
        job: The options.
        number: Which finetuning, from 1.
    """
    seed = int(generator_for(job.seed, f"finetuning {number}").integers(2**31))
    return job if number == 1 else job.variant(seed=seed)


def best_of(tuned: Sequence[Finetuning]) -> int:
    """Place of the one with the best metric on ``select``, the first of those that are equally good.

    Args:
        tuned: How finetunings of one table went; one whose metric cannot be computed is below all others.

    Example:
        >>> best_of([Finetuning("rmse", best=math.nan), Finetuning("rmse", best=2.0), Finetuning("rmse", best=1.0)])
        2
    """
    sign = 1.0 if higher_is_better(tuned[0].metric) else -1.0
    merits = [-math.inf if math.isnan(result.best) else sign * result.best for result in tuned]
    return merits.index(max(merits))
