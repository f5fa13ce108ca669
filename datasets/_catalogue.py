"""The known tables, one typed entry each.

The documentation of :mod:`molweight.datasets` lists them; a test keeps that list equal to this file.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from molweight.datasets._moleculenet import MOLECULENET
from molweight.datasets._table_spec import Table

__all__ = ["TABLES"]


TABLES: Final[Mapping[str, Table]] = MappingProxyType({entry.name: entry for entry in MOLECULENET})
"""Every table, by name. All follow Wu et al., *MoleculeNet*, Chem. Sci. 9, 513 (2018)."""
