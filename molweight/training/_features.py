"""The table as a job asks for it: with its features, and scored by its metric."""

import copy
from dataclasses import replace
from typing import Final

from molweight.errors import OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import EncoderOptions, FinetuningOptions

__all__ = ["with_metric", "with_stereo"]

_OF_CLASSES: Final = ("roc_auc", "ap", "prc_auc")


def with_metric(job: FinetuningOptions, data: MoleculeDataset) -> MoleculeDataset:
    """The table with the metric that the job chooses and is scored by.

    Args:
        job: Says so in its option ``select_metric``; empty leaves the table as it is.
        data: The table.

    Raises:
        OptionError: If the metric is not for the labels of the table.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["C", "CC", "CCC"], [0, 1, 1], cache=False)
        >>> with_metric(FinetuningOptions(select_metric="ap"), data).metric
        'ap'
    """
    if not job.select_metric:
        return data
    wanted = ("classification", "multiclass") if job.select_metric in _OF_CLASSES else ("regression",)
    if data.task not in wanted:
        reason = f"is for {' or '.join(wanted)}, and {data.name} has targets of task {data.task!r}"
        raise OptionError("select_metric", job.select_metric, reason, "Leave it out, or name another.")
    other = copy.copy(data)
    other.metric = job.select_metric
    return other


def with_stereo(job: EncoderOptions, data: MoleculeDataset) -> MoleculeDataset:
    """The molecules, without stereochemistry where the job ignores it.

    Args:
        job: Says so in its option ``stereo``. ``"use"`` leaves the molecules as they are.
        data: The molecules.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> data = build_dataset(["C[C@@H](C(=O)O)O"], cache=False)
        >>> with_stereo(EncoderOptions(stereo="ignore"), data).featuriser.stereo
        'ignore'
    """
    if job.stereo == "use":
        return data
    return data.with_featuriser(replace(data.featuriser, stereo="ignore"))
