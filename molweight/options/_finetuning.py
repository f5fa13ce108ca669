"""How the pretrained encoder is finetuned on the task."""

from dataclasses import dataclass

from molweight.options._field import accept_old_names, check_fields, option

__all__ = ["FinetuningOptions"]


@accept_old_names({"finetune_gamma": "finetune_proximal_strength", "finetunings": "finetune_restarts"})
@dataclass(frozen=True, kw_only=True)
class FinetuningOptions:
    """Finetuning.

    Args:
        finetune_proximal_strength: Strength of the proximal term that holds the encoder near the pretrained one during
            the finetuning that ends the job; 0 for none. Up to 0.1 it made no difference on FreeSolv, 1 was worse
            (``experiments/finetune_gamma.py``, one seed).
        epochs: Most epochs of finetuning.
        patience: Epochs without a better metric on ``select`` after which finetuning stops.
        finetune_restarts: How often the pretrained encoder is finetuned, with other random numbers each time; the model
            that is best on ``select`` is kept. On small tables two finetunings of one encoder can differ by more than
            two sets of weights do (``experiments/level_with_search.py``).

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    finetune_proximal_strength: float = option(0.0, at_least=0)
    epochs: int = option(100, at_least=0)
    patience: int = option(20, at_least=1)
    finetune_restarts: int = option(1, at_least=1)

    def __post_init__(self) -> None:
        """Check kinds and ranges."""
        check_fields(self)
