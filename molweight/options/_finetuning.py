"""How the pretrained encoder is finetuned on the task."""

from dataclasses import dataclass
from typing import Literal

from molweight.options._field import option, settle_fields

__all__ = ["FinetuningOptions"]


@dataclass(frozen=True, kw_only=True)
class FinetuningOptions:
    """Finetuning.

    Args:
        finetune_proximal_strength: Strength of the proximal term that holds the encoder near the pretrained one during
            finetuning, the last stage of the job; 0 for none. Up to 0.1 it made no difference on FreeSolv, 1 was worse
            (``experiments/studies/finetune_gamma.py``, one seed).
        epochs: Maximum number of epochs of finetuning.
        freeze_epochs: Epochs at the beginning in which the encoder is frozen and only the head is trained, also in
            members; with as many as ``epochs`` the encoder is never trained.
        patience: Epochs without improvement of the metric on ``select`` after which finetuning stops.
        finetune_restarts: Number of finetunings of the pretrained encoder with different random numbers; the model that
            is best on ``select`` is kept. On small tables two finetunings of one encoder can differ by more than two
            sets of weights do (``experiments/studies/level_with_search.py``).
        minutes: Minutes that the job should take on this machine; ``None`` for no limit. If time is short, pretraining
            is stopped early, members are trained for fewer epochs, partners are left out, and this is reported. The
            result then depends on the speed of the machine.
        select_metric: Metric for choosing the epoch of a single model or the label transforms of an ensemble, and for
            scoring the run: ``"roc_auc"``, ``"ap"`` (average precision, for rare positives), ``"prc_auc"``, ``"rmse"``,
            ``"mae"``, ``"r2"``, ``"scaled_rmse"``; empty for that of the table.

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    finetune_proximal_strength: float = option(0.0, at_least=0)
    epochs: int = option(100, at_least=0)
    freeze_epochs: int = option(0, at_least=0)
    patience: int = option(20, at_least=1)
    finetune_restarts: int = option(1, at_least=1)
    minutes: float | None = option(None, above=0)
    select_metric: Literal["", "roc_auc", "ap", "prc_auc", "rmse", "mae", "r2", "scaled_rmse"] = ""

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)
