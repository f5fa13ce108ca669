"""Molecules with labels: embedded tables, people's own files, splits into roles, metrics.

Tables (:func:`molweight.datasets.load`); every one is in the wheel, with the frozen split ``scaffold``:

============= ============== ======= ===== ======= ======== ===================================================
name          task           targets rows  metric  split    what is measured
============= ============== ======= ===== ======= ======== ===================================================
bace          classification 1       1513  roc_auc scaffold inhibition of human beta-secretase 1
bbbp          classification 1       2050  roc_auc scaffold penetration of the blood-brain barrier
clintox       classification 2       1484  roc_auc scaffold approved by the FDA; failed a trial for toxicity
esol          regression     1       1128  rmse    scaffold log10 of the solubility in water, mol/l
freesolv      regression     1       642   rmse    scaffold free energy of hydration, kcal/mol
lipophilicity regression     1       4200  rmse    scaffold log10 of the octanol/water distribution at pH 7.4
sider         classification 27      1427  roc_auc scaffold side effects by organ class
tox21         classification 12      7831  roc_auc scaffold nuclear-receptor and stress-response assays
============= ============== ======= ===== ======= ======== ===================================================

Corpora (:func:`molweight.datasets.load_corpus`), without labels:

==== ===== ======================================
name size  what
==== ===== ======================================
zinc 50000 random sample of ZINC250k
==== ===== ======================================

The metric is the one MoleculeNet prescribes. ``rows`` counts those of the source, unparsable ones included.

Example:
    >>> from molweight import datasets
    >>> data = datasets.load("freesolv")
    >>> datasets.split(data, "scaffold")
    <Splits scaffold (four-role, frozen): train 472, meta 64, select 41, test 65>
"""

if __name__ != "molweight.datasets":
    raise ImportError("import molweight.datasets, not datasets: the repository root is on sys.path")

from molweight.datasets import _random, _scaffold  # noqa: F401 - they register themselves
from molweight.datasets._catalogue import CORPORA, TABLES, Corpus, Source, Table
from molweight.datasets._embedded import EMBEDDED
from molweight.datasets._from_csv import from_csv
from molweight.datasets._from_smiles import from_smiles
from molweight.datasets._frozen import ROLE_LETTERS, smiles_digest
from molweight.datasets._load import available, available_corpora, info, load, load_corpus
from molweight.datasets._metrics import METRICS, Score, higher_is_better, score
from molweight.datasets._scaffold import murcko_scaffold
from molweight.datasets._split import split
from molweight.datasets._splits import ROLES, SPLITTERS, Request, Splits, Splitter, from_groups

__all__ = [
    "CORPORA",
    "EMBEDDED",
    "METRICS",
    "ROLES",
    "ROLE_LETTERS",
    "SPLITTERS",
    "TABLES",
    "Corpus",
    "Request",
    "Score",
    "Source",
    "Splits",
    "Splitter",
    "Table",
    "available",
    "available_corpora",
    "from_csv",
    "from_groups",
    "from_smiles",
    "higher_is_better",
    "info",
    "load",
    "load_corpus",
    "murcko_scaffold",
    "score",
    "smiles_digest",
    "split",
]
