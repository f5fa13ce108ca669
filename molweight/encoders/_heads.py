"""Number of attention heads."""

from molweight.errors import ConfigError

__all__ = ["check_heads"]


def check_heads(encoder: str, width: int, heads: int) -> None:
    """Refuse a number of heads that does not divide the width.

    Raises:
        ConfigError: If it does not.
    """
    if heads < 1 or width % heads:
        raise ConfigError(f"encoder {encoder!r}: heads={heads} must be at least 1 and divide width={width}.")
