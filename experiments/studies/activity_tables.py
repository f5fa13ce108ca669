"""Tables of activities on single targets of ChEMBL, for studies of the default fit on tables it was not chosen on.

    MOLWEIGHT_DATA=... molweight benchmark experiments/configs/activity.yaml
        --plugin experiments.studies.activity_tables --output experiments/results/activity

Each table holds the activities (a pIC50, pKi or similar) on one target of ``corpora/chembl_5thresh.csv.gz``. The
targets of the study are every other one of the 24 with most labels, from the first on. Some of those between them serve
for development (``experiments/studies/recipes.py``).
"""

import gzip
from collections.abc import Callable
from typing import Final

import pandas as pd

from molweight import datasets
from molweight.datasets._data_files import VARIABLE, data_folder
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

FILE: Final = "corpora/chembl_5thresh.csv.gz"
TARGETS: Final = (
    "CHEMBL261",
    "CHEMBL3594",
    "CHEMBL228",
    "CHEMBL217",
    "CHEMBL233",
    "CHEMBL236",
    "CHEMBL222",
    "CHEMBL224",
    "CHEMBL234",
    "CHEMBL313",
    "CHEMBL279",
    "CHEMBL325",
)
DEVELOPMENT: Final = ("CHEMBL251", "CHEMBL238", "CHEMBL240", "CHEMBL255")


def loader_of(target: str) -> Callable[..., MoleculeDataset]:
    """The function that loads the table of a target.

    Args:
        target: Identifier of the target.
    """

    def load(n_jobs: int | None = None) -> MoleculeDataset:
        folder = data_folder()
        if folder is None or not (folder / FILE).is_file():
            raise DataError(f"the tables of this study are read from {FILE} in the folder that {VARIABLE} names.")
        with gzip.open(folder / FILE, "rt", encoding="utf-8") as file:
            known = pd.read_csv(file, usecols=["smiles", target]).dropna()
        return datasets.from_frame(known, "smiles", target, task="regression", name=target.lower(), n_jobs=n_jobs)

    load.__doc__ = f"Activities on {target}."
    return load


for name in (*TARGETS, *DEVELOPMENT):
    datasets.register(name.lower())(loader_of(name))
