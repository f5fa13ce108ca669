"""Results on the test set as tensors, saved with the run because the test set is evaluated once."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import Float32Matrix, Indices
from molweight.datasets.internal import exact_labels, row_numbers
from molweight.graphs import MoleculeDataset
from molweight.report import TestResults
from molweight.storage import as_tensor, from_tensor

__all__ = ["collect_test_results", "test_results_from_tensors", "test_results_to_tensors"]


_WORDS, _ROWS, _TARGETS, _BY = "test.words", "test.rows", "test.targets", "test.predictions."
_DEVIATIONS = "test.deviations"


def collect_test_results(
    data: MoleculeDataset,
    positions: Indices,
    method: str,
    predicted: Float32Matrix,
    deviations: Float32Matrix | None = None,
) -> TestResults:
    """Results of one method on the test set.

    Args:
        data: The table.
        positions: The test molecules.
        method: Name of the method.
        predicted: Its predictions.
        deviations: Their standard deviations, if it has any.
    """
    smiles = [data.smiles[int(position)] for position in positions]
    names, labels = list(data.target_names), exact_labels(data, positions)
    return TestResults(row_numbers(data, positions), smiles, names, labels, {method: predicted}, deviations)


def test_results_to_tensors(opened: TestResults | None) -> dict[str, Tensor]:
    """The test results as tensors; empty if the test set was not evaluated."""
    if opened is None:
        return {}
    tensors = {
        _WORDS: as_tensor({"smiles": list(opened.smiles), "names": list(opened.names)}),
        _ROWS: torch.from_numpy(np.ascontiguousarray(opened.rows, dtype=np.int64)),
        _TARGETS: torch.from_numpy(np.ascontiguousarray(opened.targets, dtype=np.float32)),
    }
    if opened.deviations is not None:
        tensors[_DEVIATIONS] = torch.from_numpy(np.ascontiguousarray(opened.deviations))
    predictions = {name: np.ascontiguousarray(values) for name, values in opened.predictions.items()}
    return tensors | {f"{_BY}{name}": torch.from_numpy(values) for name, values in predictions.items()}


def test_results_from_tensors(tensors: Mapping[str, Tensor], methods: list[str]) -> TestResults | None:
    """The results from :func:`test_results_to_tensors`.

    Args:
        tensors: The file's tensors.
        methods: Names of the methods in their order, which a file of tensors does not preserve.
    """
    if _WORDS not in tensors:
        return None
    words = from_tensor(tensors[_WORDS])
    return TestResults(
        tensors[_ROWS].numpy(),
        words["smiles"],
        words["names"],
        tensors[_TARGETS].numpy(),
        {name: tensors[f"{_BY}{name}"].numpy() for name in methods},
        tensors[_DEVIATIONS].numpy() if _DEVIATIONS in tensors else None,
    )
