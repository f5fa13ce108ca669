"""Options of every stage: the seed, the device, its precision and the sizes of batches."""

from dataclasses import dataclass

from molweight.options._field import option, settle_fields

__all__ = ["RunOptions"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Seed, device, precision and sizes of batches.

    Args:
        seed: Seed of all random numbers, below ``2**32``, which is the limit of the generators in use.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        precision: Precision of the factors of matrix products in training: ``"float32"``, ``"tf32"`` (on CUDA) or
            ``"bf16"`` (on CPUs with bfloat16; on CUDA as ``"tf32"``). Devices without it use float32.
        pad_batches: Pad the batches of pretraining to one of a few sizes, with atoms that do not count.

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    seed: int = option(0, at_least=0, below=2**32)
    device: str = "auto"
    precision: str = option("float32", choices=("float32", "tf32", "bf16"))
    pad_batches: bool = False

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)
