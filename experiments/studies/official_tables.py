"""Tables with a published training and test part, for a comparison of the default fit with published numbers.

    MOLWEIGHT_DATA=... molweight benchmark experiments/configs/adme.yaml
        --plugin experiments.studies.official_tables --output experiments/results/adme

``adme_*`` are the six endpoints of Fang et al., *Prospective Validation of Machine Learning Algorithms for ADME
Prediction*, J. Chem. Inf. Model. 2023, in the parts that their repository gives to message-passing networks
(molecularinformatics/Computational-ADME at b00df00, MIT licence): logarithms of clearance, efflux, solubility and
unbound fraction. ``ace_*`` are the thirty targets of van Tilborg, Alenicheva & Grisoni, *Exposing the Limitations of
Molecular Machine Learning with Activity Cliffs*, J. Chem. Inf. Model. 2022 (molML/MoleculeACE at 7e6de0b, MIT licence):
pKi and pEC50. The files are read from ``official`` in the folder that ``MOLWEIGHT_DATA`` or ``MOLWEIGHT_OFFICIAL``
names. The models of the default fit were not chosen on these tables; the partner for auxiliary tables, which these
studies do not use, was chosen on draws of HLM clearance. Five targets (CHEMBL228, 233, 234, 236 and 238) also occur in
``activity_tables``, whose compounds may be shared.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd

from molweight import datasets
from molweight.datasets._data_files import VARIABLE, data_folder
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

FOLDER: Final = "MOLWEIGHT_OFFICIAL"
ADME: Final = ("HLM", "MDR1_ER", "RLM", "Sol", "hPPB", "rPPB")
ACE: Final = (
    "CHEMBL1862_Ki",
    "CHEMBL1871_Ki",
    "CHEMBL2034_Ki",
    "CHEMBL2047_EC50",
    "CHEMBL204_Ki",
    "CHEMBL2147_Ki",
    "CHEMBL214_Ki",
    "CHEMBL218_EC50",
    "CHEMBL219_Ki",
    "CHEMBL228_Ki",
    "CHEMBL231_Ki",
    "CHEMBL233_Ki",
    "CHEMBL234_Ki",
    "CHEMBL235_EC50",
    "CHEMBL236_Ki",
    "CHEMBL237_EC50",
    "CHEMBL237_Ki",
    "CHEMBL238_Ki",
    "CHEMBL239_EC50",
    "CHEMBL244_Ki",
    "CHEMBL262_Ki",
    "CHEMBL264_Ki",
    "CHEMBL2835_Ki",
    "CHEMBL287_Ki",
    "CHEMBL2971_Ki",
    "CHEMBL3979_EC50",
    "CHEMBL4005_Ki",
    "CHEMBL4203_Ki",
    "CHEMBL4616_EC50",
    "CHEMBL4792_Ki",
)


def folder() -> Path:
    """The folder of the files.

    Raises:
        DataError: If neither variable names one.
    """
    given, source = os.environ.get(FOLDER), data_folder()
    if given is None and source is None:
        raise DataError(f"the tables of this study are read from the folder that {FOLDER} or {VARIABLE} names.")
    return Path(given) if given is not None else Path(str(source)) / "official"


def adme(endpoint: str) -> pd.DataFrame:
    """Columns ``smiles``, ``label`` and ``role`` of an endpoint; the parts are two files.

    Args:
        endpoint: Among :data:`ADME`.
    """
    parts = [pd.read_csv(folder() / f"ADME_{endpoint}_{role}.csv").assign(role=role) for role in ("train", "test")]
    return pd.concat(parts, ignore_index=True).rename(columns={"activity": "label"})


def ace(target: str) -> pd.DataFrame:
    """Columns ``smiles``, ``label`` and ``role`` of a target; the parts are a column of its file.

    Args:
        target: Among :data:`ACE`.
    """
    found = pd.read_csv(folder() / f"{target}.csv").rename(columns={"y [pEC50/pKi]": "label", "split": "role"})
    return found[["smiles", "label", "role"]]


def loader_of(name: str, read: Callable[[str], pd.DataFrame], key: str) -> Callable[..., MoleculeDataset]:
    """The function that loads a table.

    Args:
        name: Name of the table.
        read: Function that reads its columns.
        key: Argument of that function.
    """

    def load(n_jobs: int | None = None) -> MoleculeDataset:
        return datasets.from_frame(
            read(key), "smiles", "label", task="regression", name=name, split_column="role", n_jobs=n_jobs
        )

    load.__doc__ = f"The labels of {key} with the published parts."
    return load


for endpoint in ADME:
    datasets.register(f"adme_{endpoint.lower()}")(loader_of(f"adme_{endpoint.lower()}", adme, endpoint))
for target in ACE:
    datasets.register(f"ace_{target.lower()}")(loader_of(f"ace_{target.lower()}", ace, target))
