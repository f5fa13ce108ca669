"""Features in standard units: imputed, z-scored and clipped by the statistics of the training rows."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from molweight.arrays import AnyArray
from molweight.errors import ConfigError, DataError

__all__ = ["Standardiser"]


_LARGE: Final = 1e15
"""Values beyond this count as missing: their squares overflow float32."""
_ROUNDING: Final = 1e-14
"""Spread below which a column counts as constant."""
_COLUMNS: Final = 128
"""Number of columns fitted at a time; bounds the memory for float64."""
_ROWS: Final = 4096
"""Number of rows scaled at a time, for the same reason."""


class Standardiser(nn.Module):
    """Imputation, scale and limits of features, fitted on training rows.

    A missing value (NaN, an infinity, or larger than 1e15 in size) becomes the median of the training rows. Columns
    that are constant over the training rows are dropped. The others are z-scored and clipped, so that one outlying
    molecule cannot move a prediction without bound. All numbers are buffers, so they are saved with a model.

    Args:
        count: Number of feature columns ``F``.
        limit: Largest size after z-scoring.

    Attributes:
        median: Median of the known training values of each column, ``F`` float64; 0 where there are none.
        mean: Mean of the imputed training values, ``F`` float64.
        scale: Their standard deviation, ``F`` float64; 1 for a column that is dropped.
        kept: Which columns are kept, ``F`` bool.

    Example:
        >>> fitted = Standardiser.fit(np.array([[0.0, 5.0], [2.0, 5.0]]))
        >>> rows = torch.tensor([[torch.nan, 5.0], [100.0, 5.0]])
        >>> fitted(rows).tolist(), fitted.missing(rows).tolist()
        ([[0.0], [6.0]], [1, 0])
    """

    median: Tensor
    mean: Tensor
    scale: Tensor
    kept: Tensor

    def __init__(self, count: int, *, limit: float = 6.0) -> None:
        """Create the identity; :meth:`fit` returns a fitted one."""
        super().__init__()
        self.limit = limit
        self.register_buffer("median", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(count, dtype=torch.float64))
        self.register_buffer("kept", torch.ones(count, dtype=torch.bool))

    @classmethod
    def fit(cls, values: AnyArray, *, limit: float = 6.0) -> "Standardiser":
        """Fit on training rows.

        Args:
            values: ``n x F``; NaN and infinities count as missing.
            limit: Largest size after z-scoring.

        Raises:
            DataError: If there are no rows.
        """
        blocks = (values[:, start : start + _COLUMNS] for start in range(0, values.shape[1], _COLUMNS))
        return cls.fit_columns(len(values), values.shape[1], blocks, limit=limit)

    @classmethod
    def fit_columns(cls, rows: int, count: int, blocks: Iterable[AnyArray], *, limit: float = 6.0) -> "Standardiser":
        """Fit on training rows that arrive in blocks of columns.

        Args:
            rows: Number of training rows ``n``.
            count: Number of columns ``F``.
            blocks: Consecutive columns, ``n x some``.
            limit: Largest size after z-scoring.

        Raises:
            DataError: If there are no rows.
        """
        if rows == 0:
            raise DataError("features cannot be standardised without training rows.")
        fitted, start = cls(count, limit=limit), 0
        for block in blocks:
            columns = slice(start, start + block.shape[1])
            fitted._learn(columns, torch.from_numpy(np.asarray(block, dtype=np.float64)))
            start = columns.stop
        return fitted

    def _learn(self, part: slice, rows: Tensor) -> None:
        """Fit some of the columns."""
        known = _known(rows)
        blank = torch.where(known, rows, torch.nan).numpy()
        medians = [np.median(column[~np.isnan(column)]) if not np.isnan(column).all() else 0.0 for column in blank.T]
        self.median[part] = torch.tensor(medians, dtype=torch.float64)
        filled = torch.where(known, rows, self.median[part])
        mean = filled.mean(dim=0)
        scale = (filled - mean).square().mean(dim=0).sqrt()
        # Relative, so that units do not matter; the floor drops columns that are rounding errors of 0.
        kept = scale > (1e-8 * filled.abs().amax(dim=0)).clamp(min=_ROUNDING)
        self.mean[part], self.scale[part], self.kept[part] = mean, torch.where(kept, scale, 1.0), kept

    @property
    def width(self) -> int:
        """Number of columns that are kept."""
        return int(self.kept.sum())

    def missing(self, values: Tensor) -> Tensor:
        """Number of imputed values per row, ``n`` int64.

        Args:
            values: ``n x F``.
        """
        return (~_known(values)).sum(dim=1)

    def impute(self, values: Tensor) -> Tensor:
        """The values, with missing ones replaced by the median of the training rows, ``n x F`` float64.

        Args:
            values: ``n x F``.

        Raises:
            ConfigError: If the number of columns differs from the fitted one.
        """
        if values.size(1) != len(self.median):
            raise ConfigError(
                f"{values.size(1)} feature columns were given, but the model was fitted with {len(self.median)}. "
                "Compute the same feature sets, in the same order."
            )
        return torch.where(_known(values), values.double(), self.median)

    def forward(self, values: Tensor) -> Tensor:
        """Impute, z-score and clip.

        Args:
            values: ``n x F`` of any type.

        Returns:
            ``n x width`` float32, finite.
        """
        if len(values) <= _ROWS:
            return self._scaled(values)
        whole = torch.empty(len(values), self.width, dtype=torch.float32, device=values.device)
        for at in range(0, len(values), _ROWS):
            whole[at : at + _ROWS] = self._scaled(values[at : at + _ROWS])
        return whole

    def _scaled(self, values: Tensor) -> Tensor:
        scaled = (self.impute(values) - self.mean) / self.scale
        return scaled[:, self.kept].clamp(-self.limit, self.limit).float()


def _known(values: Tensor) -> Tensor:
    return values.isfinite() & (values.abs() <= _LARGE)
