"""Molecules with labels: benchmark tables, users' files, splits into roles, metrics.

The 14 tables of MoleculeNet (:func:`molweight.datasets.load`):

============= ============== ======= ====== ======= ========== ===== =================================================
name          task           targets rows   metric  split      where what is measured
============= ============== ======= ====== ======= ========== ===== =================================================
bace          classification 1       1513   roc_auc scaffold   wheel inhibition of human beta-secretase 1
bbbp          classification 1       2050   roc_auc scaffold   wheel penetration of the blood-brain barrier
clintox       classification 2       1484   roc_auc random     wheel approved by the FDA; failed a trial for toxicity
esol          regression     1       1128   rmse    random     wheel log10 of the solubility in water, mol/l
freesolv      regression     1       642    rmse    random     wheel free energy of hydration, kcal/mol
hiv           classification 1       41127  roc_auc scaffold   net   inhibition of HIV replication
lipophilicity regression     1       4200   rmse    random     wheel log10 of the octanol/water distribution at pH 7.4
muv           classification 17      93087  prc_auc random     net   active in one of 17 bioassays, chosen to be hard
qm7           regression     1       6834   mae     stratified net   atomisation energy, kcal/mol
qm8           regression     12      21786  mae     random     net   two electronic transitions, by three methods
qm9           regression     19      133885 mae     random     net   properties from density functional theory
sider         classification 27      1427   roc_auc random     wheel side effects by organ class
tox21         classification 12      7831   roc_auc random     wheel nuclear-receptor and stress-response assays
toxcast       classification 617     8597   roc_auc random     net   high-throughput toxicity assays
============= ============== ======= ====== ======= ========== ===== =================================================

``rows`` counts the rows of the source, including unparsable ones. Metric and split are those of MoleculeNet's own
paper. The pretraining literature mostly splits by scaffold, as :func:`molweight.datasets.split` does by default; that
split is frozen for all 14. Tables that are not in the wheel are read from the folder given by the environment variable
``MOLWEIGHT_DATA``, or downloaded once (``net``) and verified.

The data sets of molecules of the Open Graph Benchmark (``load("ogbg-molhiv")``; :func:`available_ogb` lists them) come
with OGB's graphs, its published split (``split(data, "ogb")``) and its own evaluator.

Corpora (:func:`molweight.datasets.load_corpus`), without labels:

========== ======= ============================================ ========
name       size    what                                         where
========== ======= ============================================ ========
zinc       50000   random sample of ZINC250k                    wheel
zinc250k   249456  purchasable drug-like molecules from ZINC download
moses      1584663 training part of MOSES: ZINC Clean Leads     download
moses_test 176074  test part of MOSES                           download
========== ======= ============================================ ========

Any file with SMILES is a corpus too: ``load_corpus("mine.smi.gz")``. :func:`near_corpus` selects from large corpora the
molecules most similar to those of a task.

Example:
    >>> from molweight import datasets
    >>> data = datasets.load("freesolv")
    >>> datasets.split(data, "scaffold")
    <Splits scaffold (four-role, frozen): train 472, meta 64, select 41, test 65>
"""

if __name__ != "molweight.datasets":
    raise ImportError("import molweight.datasets, not datasets: the repository root is on sys.path")

from typing import TYPE_CHECKING

from molweight.datasets import (  # noqa: F401 - they register themselves
    _butina,
    _column_split,
    _none_split,
    _ogb_split,
    _random,
    _scaffold,
    _scaffold_balanced,
    _scaffold_random,
    _stratified,
)
from molweight.datasets._audit import Audit, audit, without
from molweight.datasets._corpora import Corpus, available_corpora, load_corpus
from molweight.datasets._from_file import from_csv, from_file
from molweight.datasets._from_frame import from_frame
from molweight.datasets._from_smiles import from_smiles
from molweight.datasets._load import available, info, load
from molweight.datasets._metrics import Score, score
from molweight.datasets._near import near_corpus
from molweight.datasets._ogb import available_ogb
from molweight.datasets._registry import register
from molweight.datasets._split import split
from molweight.datasets._split_file import load_splits, save_splits
from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.datasets._standardize import standardize
from molweight.datasets._table_spec import Source, Table
from molweight.datasets._user_splits import split_by_indices, split_by_roles
from molweight.deprecation import moved_names

__all__ = [
    "SPLITTERS",
    "Audit",
    "Corpus",
    "Request",
    "Score",
    "Source",
    "Splits",
    "Table",
    "audit",
    "available",
    "available_corpora",
    "available_ogb",
    "from_csv",
    "from_file",
    "from_frame",
    "from_groups",
    "from_smiles",
    "info",
    "load",
    "load_corpus",
    "load_splits",
    "near_corpus",
    "register",
    "save_splits",
    "score",
    "split",
    "split_by_indices",
    "split_by_roles",
    "standardize",
    "without",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(
        __name__,
        "internal",
        "_assemble",
        "_audit",
        "_labels",
        "_from_file",
        "_metrics",
        "_ogb",
        "_scaffold",
        "_standardize",
        "_user_splits",
        "_table_spec",
        "_splits",
    )
