"""Data of its table that a run keeps to estimate the reliability of its predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, Indices
from molweight.datasets import Splits
from molweight.datasets.internal import exact_labels, groups_of
from molweight.ensemble import Ensemble
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.models import TaskModel
from molweight.models.internal import Answer, answer_positions
from molweight.runs._conformal import Conformal
from molweight.runs._reference import Reference, fingerprints, nearest_similarity, spread_positions

__all__ = ["Calibration", "calibrate"]

_VECTORS: Final = 2000
"""Maximum number of training molecules whose vectors are computed."""
_ROWS: Final = 5000
"""Maximum number of rows of the calibration."""
_PARTS: Final = ("bits", "vectors", "limits", "classes", "scores", "sizes")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Training molecules to compare new ones with, and the errors on unseen rows.

    Args:
        reference: The molecules.
        conformal: The errors.
    """

    reference: Reference
    conformal: Conformal

    def to_tensors(self) -> dict[str, Tensor]:
        """All data as tensors for a file."""
        limits = [self.reference.least_similarity, self.reference.most_distance]
        arrays: dict[str, AnyArray] = {
            "bits": self.reference.bits,
            "vectors": self.reference.vectors,
            "limits": np.array(limits),
            "classes": np.array(self.conformal.classes, dtype=np.uint8),
            "scores": self.conformal.scores,
            "sizes": self.conformal.sizes,
        }
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Calibration":
        """The calibration from the tensors of :meth:`to_tensors`.

        Raises:
            DataError: If a tensor is missing.
        """
        try:
            found = {name: tensors[name].numpy() for name in _PARTS}
            least, most = (float(value) for value in found["limits"])
        except (KeyError, ValueError) as error:
            raise DataError(f"the calibration file has no {error}. Restore it, or fit again.") from error
        classes = tuple(bool(value) for value in found["classes"])
        return cls(
            Reference(found["bits"], found["vectors"], least, most), Conformal(classes, found["scores"], found["sizes"])
        )


def calibrate(model: TaskModel, data: MoleculeDataset, splits: Splits, device: torch.device) -> Calibration:
    """The calibration of a finished model, from its own table.

    An ensemble was trained on all rows except the test set: errors are out of fold, and each row is compared with all
    other molecules. A single model was trained on ``train`` and ``meta``: errors and limits come from ``select``, which
    was also used for early stopping. A molecule in several rows counts once, so that no row is compared with itself.

    Args:
        model: The model.
        data: The table.
        splits: Its roles; the test set is not used.
        device: Device to compute on.
    """
    if isinstance(model, Ensemble) and len(model.out_of_fold_deviations):
        return _of_ensemble(model, data, device)
    trained = np.union1d(splits.train, splits.meta)
    new = _without_replicates(data, splits.select, trained)
    trained = trained[_molecules(data, trained)[0]]
    bits = fingerprints(data.subset(trained))
    vectors = answer_positions(model, data, trained[spread_positions(len(trained), _VECTORS)], device).vectors
    rows = new[spread_positions(len(new), _ROWS)]
    found, own = answer_positions(model, data, rows, device), fingerprints(data.subset(rows))
    reference = Reference.of(bits, vectors, (own, found.vectors))
    return Calibration(reference, _conformal(data, rows, found, nearest_similarity(own, bits)))


def _of_ensemble(model: Ensemble, data: MoleculeDataset, device: torch.device) -> Calibration:
    trained = model.seen_rows.cpu().numpy()
    first, own = _molecules(data, trained)
    molecules = trained[first]
    bits = fingerprints(data.subset(molecules))
    vectors = answer_positions(model, data, molecules[spread_positions(len(molecules), _VECTORS)], device).vectors
    places = np.sort(np.random.default_rng(0).permutation(len(trained))[:_ROWS])
    predicted, deviation = (part.cpu().numpy()[places] for part in (model.out_of_fold, model.out_of_fold_deviations))
    similarity = nearest_similarity(bits[own[places]], bits, own=own[places])
    conformal = _conformal(data, trained[places], Answer(predicted, deviation, vectors), similarity)
    return Calibration(Reference.of(bits, vectors, None), conformal)


def _molecules(data: MoleculeDataset, rows: Indices) -> tuple[Indices, Indices]:
    """Positions in ``rows`` of the first row of each molecule, and for each row the number of its molecule."""
    number = np.arange(len(rows))
    for group in _replicates(data.subset(rows)):
        number[group] = group[0]
    first, own = np.unique(number, return_inverse=True)
    return first, own


def _without_replicates(data: MoleculeDataset, rows: Indices, trained: Indices) -> Indices:
    """Rows whose molecule occurs in no training row; all rows if there are none."""
    both = np.union1d(rows, trained)
    groups = [both[group] for group in _replicates(data.subset(both))]
    known = [group for group in groups if np.isin(group, trained).any()]
    new = np.setdiff1d(rows, np.concatenate(known)) if known else rows
    return new if len(new) else rows


def _replicates(data: MoleculeDataset) -> list[Indices]:
    """Rows of the same molecule, as the model sees it."""
    return groups_of(data, stereo=data.featuriser.stereo == "use")


def _conformal(data: MoleculeDataset, rows: Indices, found: Answer, similarity: AnyArray) -> Conformal:
    classes = [task == "classification" for task in tasks_of(data.task, len(data.target_names))]
    return Conformal.fit(exact_labels(data, rows), found.prediction, found.deviation, similarity, classes)
