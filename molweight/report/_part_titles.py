"""Names of the parts of an ensemble, as the report and the terminal write them."""

from collections.abc import Mapping
from typing import Final

__all__ = ["PART_TITLES"]

PART_TITLES: Final[Mapping[str, str]] = {
    "graph": "graph members",
    "trees": "boosted trees",
    "fingerprint_trees": "boosted trees with fingerprints",
    "torsion_trees": "boosted trees with torsions",
    "gaussian_process": "a Gaussian process",
    "linear": "a linear model",
    "forest": "a forest",
    "minimol": "a Gaussian process with MiniMol",
    "minimol_linear": "a linear model with MiniMol",
    "profile": "a Gaussian process with predicted labels of the sources",
    "tabicl": "TabICL",
    "ensemble": "the ensemble",
}
"""By the name of the part; ``tests/ensemble/test_partner_kinds.py`` compares them with the partners that exist."""
