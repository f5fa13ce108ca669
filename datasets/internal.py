"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.datasets._audit_read import read_audit
from molweight.datasets._audit_text import format_audit
from molweight.datasets._catalogue import TABLES
from molweight.datasets._choose_targets import single_class
from molweight.datasets._columns import ColumnReport
from molweight.datasets._corpora import CORPORA, PART, join_corpora
from molweight.datasets._embedded import EMBEDDED
from molweight.datasets._endpoints import format_endpoints
from molweight.datasets._feature_columns import decimal_signs, numbers_of_cells, with_feature_columns
from molweight.datasets._from_file import Reading, read_any, read_column
from molweight.datasets._from_table import understand
from molweight.datasets._label_columns import LabelOptions
from molweight.datasets._label_units import same_unit
from molweight.datasets._labels import bounds_of, exact_labels, format_bound_counts, format_bounds, violated_bounds
from molweight.datasets._metrics import OF_CLASSES, class_accuracy, format_score, higher_is_better, metrics_of
from molweight.datasets._molecule_keys import molecule_keys
from molweight.datasets._numbers import Decimal
from molweight.datasets._ogb import ogb_entries
from molweight.datasets._ogb_evaluator import ogb_metric
from molweight.datasets._ranking import Ranking, format_rankings, rankings
from molweight.datasets._rdkit_identity import identities, without_isotopes
from molweight.datasets._read_rows import MoleculeRows, read_rows
from molweight.datasets._records import read_records
from molweight.datasets._registry import LOADERS
from molweight.datasets._replicates import groups_of, shared_molecules
from molweight.datasets._row_aligned import row_aligned
from molweight.datasets._row_numbers import row_numbers
from molweight.datasets._skeletons import HeldCompounds, compound_forms, skeleton_keys
from molweight.datasets._sources import SourceTable, SourceUse, read_sources
from molweight.datasets._split import ROLE_LETTERS, smiles_digest
from molweight.datasets._splits import ROLES
from molweight.datasets._test_classes import conflicting_classes
from molweight.datasets._test_file import read_test_file, with_test
from molweight.datasets._test_units import in_train_units
from molweight.datasets._train_labels import TrainLabels, format_classes

__all__ = [
    "CORPORA",
    "EMBEDDED",
    "LOADERS",
    "OF_CLASSES",
    "PART",
    "ROLES",
    "ROLE_LETTERS",
    "TABLES",
    "ColumnReport",
    "Decimal",
    "HeldCompounds",
    "LabelOptions",
    "MoleculeRows",
    "Ranking",
    "Reading",
    "SourceTable",
    "SourceUse",
    "TrainLabels",
    "bounds_of",
    "class_accuracy",
    "compound_forms",
    "conflicting_classes",
    "decimal_signs",
    "exact_labels",
    "format_audit",
    "format_bound_counts",
    "format_bounds",
    "format_classes",
    "format_endpoints",
    "format_rankings",
    "format_score",
    "groups_of",
    "higher_is_better",
    "identities",
    "in_train_units",
    "join_corpora",
    "metrics_of",
    "molecule_keys",
    "numbers_of_cells",
    "ogb_entries",
    "ogb_metric",
    "rankings",
    "read_any",
    "read_audit",
    "read_column",
    "read_records",
    "read_rows",
    "read_sources",
    "read_test_file",
    "row_aligned",
    "row_numbers",
    "same_unit",
    "shared_molecules",
    "single_class",
    "skeleton_keys",
    "smiles_digest",
    "understand",
    "violated_bounds",
    "with_feature_columns",
    "with_test",
    "without_isotopes",
]
