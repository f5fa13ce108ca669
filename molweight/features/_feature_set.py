"""Feature sets: molecule-level numbers that a model reads in addition to the graph vector."""

from collections.abc import Callable
from dataclasses import dataclass

from molweight.errors import ConfigError
from molweight.graphs import TargetSpec
from molweight.registry import Registry

__all__ = ["FeatureSet", "available", "get", "register"]


@dataclass(frozen=True)
class FeatureSet:
    """A fixed list of numbers per molecule, computed from its SMILES.

    Args:
        spec: Computation of the values, their type, and the version under which they are cached.
        names: Name of each value, ``spec.dim`` of them.
        about: One line for ``molweight list features``.
        sparse: Whether most values are 0, as in fingerprints. Boosted trees use them unchanged; dense networks do
            better without them.

    Raises:
        ConfigError: If there is not one name per value, or the values are per atom.

    Example:
        >>> import numpy as np
        >>> def lengths(smiles):
        ...     return np.array([[len(text)] for text in smiles], dtype=np.float32)
        >>> spec = TargetSpec("smiles_length", version=1, dim=1, dtype="float32", compute=lengths)
        >>> FeatureSet(spec, ("length",), "characters of the SMILES").names
        ('length',)
    """

    spec: TargetSpec
    names: tuple[str, ...]
    about: str
    sparse: bool = False

    def __post_init__(self) -> None:
        """Refuse a list of names that does not match the values."""
        if len(self.names) != self.spec.dim:
            raise ConfigError(
                f"feature set {self.spec.name!r} has {self.spec.dim} values per molecule, but {len(self.names)} names. "
                "Give one name per value."
            )
        if self.spec.per != "molecule":
            raise ConfigError(f"feature set {self.spec.name!r} has values per atom; features are per molecule.")


def _check(name: str, item: object) -> None:
    if not isinstance(item, FeatureSet):
        raise ConfigError(f"feature set {name!r} must be a FeatureSet, not {item!r}.")


_FEATURES = Registry[FeatureSet]("feature set", group="molweight.features", check=_check)


def register(name: str) -> Callable[[FeatureSet], FeatureSet]:
    """A function that registers a :class:`FeatureSet` under ``name``.

    Args:
        name: Lower case with underscores.

    Returns:
        The function. It raises :class:`molweight.errors.DuplicateNameError` if the name is taken.
    """
    return _FEATURES.register(name)


def get(name: str) -> FeatureSet:
    """The feature set ``name``.

    Raises:
        UnknownNameError: If there is none, with the nearest names.
    """
    return _FEATURES.get(name)


def available() -> list[str]:
    """Names of all feature sets, those of installed plugins included."""
    return _FEATURES.available()
