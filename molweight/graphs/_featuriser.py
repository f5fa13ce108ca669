"""The choice of molecular features, as a value that datasets, runs and checkpoints store and compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from molweight.arguments import check_choice
from molweight.errors import ConfigError
from molweight.graphs._cache import rdkit_version
from molweight.graphs._vocabulary import FEATURISER_VERSION, PARSER_VERSION

__all__ = ["FeatureSet", "Featuriser", "StereoUse"]

FeatureSet = Literal["cip", "ogb"]
StereoUse = Literal["use", "ignore"]

_FIRST_VERSION: Final = 1
"""The version without a choice: OGB's features."""


@dataclass(frozen=True)
class Featuriser:
    """The choice of atom and bond features.

    With ``"cip"`` the features depend on the molecule alone: atoms carry R or S (r or s where the centre is
    pseudoasymmetric), double bonds Z or E, and chiral axes M or P. These are the descriptors of Cahn, Ingold and
    Prelog, assigned by RDKit's implementation of the full rules. Centres without a configuration, or with a racemic or
    relative one (the ``&`` and ``o`` groups of CXSMILES), have no label.

    With ``"ogb"`` the features are exactly those of the Open Graph Benchmark. Its atoms carry RDKit's tag, clockwise or
    counter-clockwise, which is relative to the order of the neighbours in the SMILES string. **One molecule written in
    two ways then has two sets of features and two predictions.** Use it only for comparisons with published results on
    OGB's features.

    Source: R. S. Cahn, C. Ingold, V. Prelog, *Angew. Chem. Int. Ed.* 5, 385 (1966); R. M. Hanson et al., *J. Chem. Inf.
    Model.* 58, 1755 (2018); for ``"ogb"``, W. Hu et al., *Open Graph Benchmark*, NeurIPS 2020.

    Args:
        features: ``"cip"`` or ``"ogb"``.
        stereo: ``"use"``, or ``"ignore"`` to treat stereoisomers as one molecule.

    Raises:
        ConfigError: If a value is not one of these.

    Example:
        >>> Featuriser() == Featuriser(features="cip", stereo="use")
        True
        >>> Featuriser(stereo="ignore").describe()
        {'version': 2, 'features': 'cip', 'stereo': 'ignore'}
    """

    features: FeatureSet = "cip"
    stereo: StereoUse = "use"

    def __post_init__(self) -> None:
        """Check both values."""
        for name, choices in (("features", get_args(FeatureSet)), ("stereo", get_args(StereoUse))):
            check_choice("", name, getattr(self, name), choices)

    def describe(self) -> dict[str, Any]:
        """The choice and the version of the featuriser as JSON values, for :meth:`from_description`.

        The version must be part of every cache key of features.
        """
        return {"version": FEATURISER_VERSION, "features": self.features, "stereo": self.stereo}

    @classmethod
    def from_description(cls, about: Mapping[str, Any] | int) -> "Featuriser":
        """The featuriser from a description.

        Args:
            about: Result of :meth:`describe`; or the bare version, as in files of version 1.

        Raises:
            ConfigError: If the file is from a later version, or names features that are unknown.

        Example:
            >>> Featuriser.from_description(1)
            Featuriser(features='ogb', stereo='use')
        """
        version = about if isinstance(about, int) else about.get("version")
        if version == _FIRST_VERSION:
            return cls(features="ogb")
        if isinstance(about, int) or version != FEATURISER_VERSION:
            raise ConfigError(
                f"the features are of version {version!r}; this molweight supports versions 1 to {FEATURISER_VERSION}. "
                "Use the version of molweight that wrote the file, or a later one."
            )
        return cls(about["features"], about["stereo"])

    def cache_key(self) -> bytes:
        """Key of all settings that determine the arrays of molecules, for names of cached folders.

        It contains the version of RDKit, so that molecules and targets are computed again after an upgrade.

        The option to ignore stereochemistry is not part of the key: it takes effect only when batches are created.
        """
        parts = f"parser {PARSER_VERSION}, featuriser {FEATURISER_VERSION} {self.features}, rdkit {rdkit_version()}"
        return parts.encode()

    def __str__(self) -> str:
        """Both choices in words."""
        return f"{self.features} features{', without stereochemistry' if self.stereo == 'ignore' else ''}"
