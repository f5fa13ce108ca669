"""The ensemble that a job ends with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from molweight.options._field import option, settle_fields

__all__ = ["EnsembleOptions"]


@dataclass(frozen=True, kw_only=True)
class EnsembleOptions:
    """Ensemble.

    Args:
        members: Number of graph members of an ensemble that is cross-fitted on all rows but the test set; ``None`` for
            5, or 3 above 10,000 rows. With 1 the encoder is finetuned alone on ``train`` and the epoch is chosen on
            ``select``, as comparisons of weights require; ``features``, ``readout``, ``partners``, ``in_context``,
            ``label_transform``, ``class_balance`` and ``hidden`` then have no effect.
        features: Feature sets that the members read in addition to the graph, see :mod:`molweight.features`, and
            numeric columns of the table, written ``column:pH``; tables to predict need these columns, too.
        readout: Readouts of the members, e.g. ``"mean+scaled_sum"``; empty for the encoder's own.
        partners: Models without a graph that are combined with the members: ``"trees"``, boosted trees on the features;
            ``"fingerprint_trees"``, the same with ECFP counts; ``"torsion_trees"``, with topological torsions;
            ``"gaussian_process"``, on all of these and FCFP counts, fitted on 6,000 rows at most; ``"linear"``, a
            linear model of the features; ``"forest"``, randomised trees with ECFP counts; ``"minimol"``, a Gaussian
            process on vectors of MiniMol, a pretrained network (``pip install 'molweight[minimol]'``);
            ``"minimol_linear"``, a linear model of these vectors; ``"profile"``, a Gaussian process on the labels of
            auxiliary tables as predicted by linear models (Profile-QSAR; Martin et al., J. Chem. Inf. Model. 57, 2077,
            2017); none if empty. ``None`` for all of them, with ``"minimol"`` only if it is installed and there are at
            most 100,000 rows, ``"minimol_linear"`` only if there are more than 10,000, too, and ``"profile"`` only if
            ``aux`` names tables.
        in_context: File of the weights of TabICL, which is then a further partner: a pretrained network that reads the
            labelled molecules' features (at most 10,000 rows, drawn from larger tables) and needs no fit; for numbers
            the file of the regressor, for classes that of the classifier, for up to 50 targets of one kind. Needs
            ``pip install 'molweight[tabicl]'``. On CPUs it takes minutes. The weights become part of the run. Empty for
            none.
        label_transform: ``"none"``, ``"log"``, ``"yeo_johnson"``, or ``"auto"`` for the one with which boosted trees
            score best out of fold, target by target.
        class_balance: How training treats a class with less than a tenth of the labels: ``"none"``; ``"weights"``, both
            classes have the same total weight; ``"batches"``, half of each batch has a rare label; ``"focal"``, the
            focal loss (for members); ``"auto"`` for weights if boosted trees score better with them out of fold.
            Predicted odds are corrected for it.
        hidden: Width of the members' hidden layer.

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    members: int | None = option(1, at_least=1)
    features: Sequence[str] = ("descriptors", "functional_groups")
    readout: str = ""
    partners: Sequence[str] | None = None
    in_context: str = ""
    label_transform: Literal["auto", "none", "log", "yeo_johnson"] = "auto"
    class_balance: Literal["auto", "none", "weights", "batches", "focal"] = "auto"
    hidden: int = option(256, at_least=1)

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)
