"""How labelled molecules are trained on, in level 2 of adaptive pretraining and in the finetuning that ends a job."""

from dataclasses import dataclass

from molweight.options._field import option, settle_fields

__all__ = ["TaskOptions"]


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """Steps on labelled molecules.

    Args:
        task_batch_size: Labelled molecules per step in level 2 and in the finetuning of a single model; members of an
            ensemble have their own.
        finetune_lr: Learning rate of level 2 and of the finetuning of a single model; members of an ensemble have
            their own.

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    task_batch_size: int = option(64, at_least=1)
    finetune_lr: float = option(1e-3, above=0, below=1e36)

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)
