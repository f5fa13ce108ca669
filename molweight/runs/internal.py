"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.runs._ahead import ahead
from molweight.runs._archive import MODEL, RunParts
from molweight.runs._checkpoint import CHECKPOINT, checkpoints_at_hand, find_checkpoint, is_shipped, learned_labels
from molweight.runs._claim import OTHER_OUTPUT, claimed_checkpoint, claimed_run, locked, refuse_busy, written_alone
from molweight.runs._estimate import estimate_of, format_estimate
from molweight.runs._featurised import MOST_ROWS, features_of, featurised
from molweight.runs._finetuning import Finetuning
from molweight.runs._folder import STATE, claim_checkpoint_folder, claim_folder, run_folder
from molweight.runs._learned_labels import LearnedLabels, trains_encoder
from molweight.runs._load import restore
from molweight.runs._manifest import begin_manifest, extend_manifest, files_of_run
from molweight.runs._model_card import data_card, molecules_digest
from molweight.runs._predict_ensemble import ENSEMBLE
from molweight.runs._surrogate import Agreement, Surrogate, agreement, surrogate_features
from molweight.runs._uncertainty import spread_of
from molweight.runs._weight_plot import plot_weights

__all__ = [
    "CHECKPOINT",
    "ENSEMBLE",
    "MODEL",
    "MOST_ROWS",
    "OTHER_OUTPUT",
    "STATE",
    "Agreement",
    "Finetuning",
    "LearnedLabels",
    "RunParts",
    "Surrogate",
    "agreement",
    "ahead",
    "begin_manifest",
    "checkpoints_at_hand",
    "claim_checkpoint_folder",
    "claim_folder",
    "claimed_checkpoint",
    "claimed_run",
    "data_card",
    "estimate_of",
    "extend_manifest",
    "features_of",
    "featurised",
    "files_of_run",
    "find_checkpoint",
    "format_estimate",
    "is_shipped",
    "learned_labels",
    "locked",
    "molecules_digest",
    "plot_weights",
    "refuse_busy",
    "restore",
    "run_folder",
    "spread_of",
    "surrogate_features",
    "trains_encoder",
    "written_alone",
]
