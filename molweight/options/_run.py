"""What every stage needs: the seed and the device."""

from dataclasses import dataclass

from molweight.options._field import check_fields, option

__all__ = ["RunOptions"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Seed and device.

    Args:
        seed: Seed of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    seed: int = option(0, at_least=0)
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check kinds and ranges."""
        check_fields(self)
