"""SMILES that are parsed once and passed to several methods of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from molweight.arrays import Float32Matrix, Indices
from molweight.errors import ConfigError
from molweight.graphs import Featuriser, MoleculeDataset, Reject, featurize
from molweight.graphs.internal import written

__all__ = ["ParsedRows", "parse"]


@dataclass(frozen=True, eq=False)
class ParsedRows:
    """Parsed rows: the valid molecules and the rejected rows.

    Args:
        smiles: The ``n`` rows as given.
        data: The molecules of the valid rows.
        rows: Row of each molecule, from 0.
        rejects: The other rows, with the reason.
    """

    smiles: Sequence[str]
    data: MoleculeDataset
    rows: Indices
    rejects: list[Reject]

    @classmethod
    def of(cls, data: MoleculeDataset) -> "ParsedRows":
        """The molecules of a dataset, with its columns, as rows without rejects."""
        return cls(list(data.smiles), data, np.arange(len(data)), [])

    def with_cells(self, cells: Mapping[str, Sequence[float]]) -> "ParsedRows":
        """The rows with numeric columns, for a model that reads columns of the table as features.

        Args:
            cells: For each column, by name, a number for each of the ``n`` rows; NaN if unknown.

        Example:
            >>> parse(["CCO", "?"]).with_cells({"pH": [7.4, 1.0]}).data.columns["column:pH"].tolist()
            [[7.400000095367432]]
        """
        columns = {
            f"column:{name}": np.asarray(values, dtype=np.float32)[self.rows, None] for name, values in cells.items()
        }
        return replace(self, data=self.data.with_columns(columns))

    def with_featuriser(self, featuriser: Featuriser) -> "ParsedRows":
        """The rows with another choice of features; the columns stay.

        Args:
            featuriser: The choice.
        """
        return replace(self, data=self.data.with_featuriser(featuriser))

    def align(self, values: np.ndarray[Any, Any]) -> Float32Matrix:
        """Values of the molecules as values of the rows; NaN for a row without a valid molecule.

        Args:
            values: One row per molecule.

        Returns:
            ``n x values.shape[1]``.
        """
        aligned = np.full((len(self.smiles), values.shape[1]), np.nan, dtype=np.float32)
        aligned[self.rows] = values
        return aligned


def parse(smiles: Sequence[str] | ParsedRows, featuriser: Featuriser | None = None) -> ParsedRows:
    """Parse SMILES, unless they are parsed already.

    Args:
        smiles: ``n`` SMILES or RDKit molecules; parsed rows, such as those of another run, get the requested features.
        featuriser: Which features to compute; those of :class:`molweight.graphs.Featuriser` by default, and those of
            parsed rows by default.

    Raises:
        ConfigError: If it is a single string.

    Example:
        >>> parsed = parse(["CCO", "not a molecule"])
        >>> parsed.rows.tolist(), [reject.row for reject in parsed.rejects]
        ([0], [1])
    """
    if isinstance(smiles, ParsedRows):
        return smiles if featuriser is None else smiles.with_featuriser(featuriser)
    if isinstance(smiles, str):
        raise ConfigError(f"expected a sequence of SMILES, got the single string {smiles!r}. Use [{smiles!r}].")
    chosen = featuriser or Featuriser()
    texts = [written(item) for item in smiles]
    molecules, rejects = featurize(texts, featuriser=chosen)
    return ParsedRows(texts, MoleculeDataset(molecules, featuriser=chosen), molecules.rows, rejects)
