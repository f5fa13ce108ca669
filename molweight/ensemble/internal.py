"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.ensemble._boosted import default_rounds
from molweight.ensemble._cross_fit import CrossFitted, Keeper, Prepared, cross_fit, prepare
from molweight.ensemble._fit_member import Schedule, schedule_for
from molweight.ensemble._folds import cross_folds
from molweight.ensemble._in_context import MOST_TARGETS
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._partner_fits import fits_at_once
from molweight.ensemble._partner_kinds import partner_features
from molweight.ensemble._partner_seconds import partner_seconds, probe_seconds
from molweight.ensemble._partners import check_partners, default_partners, installation_hint
from molweight.ensemble._profile import PROFILE
from molweight.ensemble._recipe import DEFAULT_FEATURES, Recipe, members_for, shortened
from molweight.ensemble._source_gains import effect_of, fold_errors, format_gains, repeated_folds
from molweight.ensemble._spec import EnsembleSpec
from molweight.ensemble._tabicl_network import read_network
from molweight.ensemble._train_members import TrainedMember, member_processes

__all__ = [
    "DEFAULT_FEATURES",
    "MOST_TARGETS",
    "PROFILE",
    "CrossFitted",
    "EnsembleSpec",
    "Keeper",
    "LabelTransform",
    "Prepared",
    "Recipe",
    "Schedule",
    "TrainedMember",
    "check_partners",
    "cross_fit",
    "cross_folds",
    "default_partners",
    "default_rounds",
    "effect_of",
    "fits_at_once",
    "fold_errors",
    "format_gains",
    "installation_hint",
    "member_processes",
    "members_for",
    "partner_features",
    "partner_seconds",
    "prepare",
    "probe_seconds",
    "read_network",
    "repeated_folds",
    "schedule_for",
    "shortened",
]
