"""Predictions with all measures of their reliability, in one pass over the molecules."""

from dataclasses import dataclass

import numpy as np
import torch

from molweight.arrays import Float32Matrix
from molweight.errors import ConfigError, mention
from molweight.features.internal import feature_columns
from molweight.models import TaskModel
from molweight.models.internal import answer_positions
from molweight.runs._calibration import Calibration
from molweight.runs._conformal import Intervals
from molweight.runs._parsed import ParsedRows
from molweight.runs._reference import FINGERPRINT, Domain, fingerprints

__all__ = ["Assessment", "assess", "needed"]


@dataclass(frozen=True, eq=False)
class Assessment:
    """Results for ``n`` rows; NaN for a row without a valid molecule.

    Args:
        prediction: ``n x T``.
        deviation: Standard deviations, ``n x T``: those of an ensemble; for a single model, the expected size of the
            error at the molecule's distance to the training molecules; NaN if neither is known.
        intervals: Ranges that contain the label.
        domain: Distance to the training molecules.
    """

    prediction: Float32Matrix
    deviation: Float32Matrix
    intervals: Intervals
    domain: Domain


def needed(calibration: Calibration | None) -> Calibration:
    """The calibration of a run.

    Raises:
        ConfigError: If it has none.
    """
    if calibration is None:
        raise ConfigError(
            "this run has no calibration.safetensors, so intervals and domain cannot be computed: it was made by an "
            "earlier version, or only its model was copied. Fit again, or leave "
            f"{mention('interval')} out."
        )
    return calibration


def assess(
    model: TaskModel, calibration: Calibration, parsed: ParsedRows, device: torch.device, *, level: float
) -> Assessment:
    """Predictions with measures of their reliability.

    Args:
        model: The model.
        calibration: That of the run.
        parsed: The molecules.
        device: Device to compute on.
        level: Probability with which intervals contain the label.

    Raises:
        OptionError: If the level is not between 0 and 1.
    """
    data = feature_columns(parsed.data, [FINGERPRINT])
    found = answer_positions(model, data, np.arange(len(data)), device)
    place = calibration.reference.locate(fingerprints(data), found.vectors)
    conformal, stated = calibration.conformal, found.deviation
    ends = conformal.intervals(found.prediction, stated, place.similarity, level=level)
    expected = conformal.expected_errors(stated, place.similarity)
    expected = np.where(np.array(conformal.classes), np.nan, expected)
    return Assessment(
        parsed.align(found.prediction),
        parsed.align(np.where(stated > 0, stated, expected)),
        Intervals(*(parsed.align(part) for part in (ends.prediction, ends.lower, ends.upper))),
        _aligned(parsed, place),
    )


def _aligned(parsed: ParsedRows, place: Domain) -> Domain:
    similarity, distance = (parsed.align(part[:, None])[:, 0] for part in (place.similarity, place.distance))
    inside = np.zeros(len(parsed.smiles), dtype=bool)
    inside[parsed.rows] = place.inside
    return Domain(similarity, distance, inside)
