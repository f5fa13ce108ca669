"""Description of an ensemble as JSON values, without its tensors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from molweight.ensemble._beta_calibration import BetaCalibration
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._partners import PartnerSpec
from molweight.ensemble._profile import ProfileSpec
from molweight.ensemble._spread import ErrorModel
from molweight.graphs import Task

__all__ = ["EnsembleSpec"]


@dataclass(frozen=True)
class EnsembleSpec:
    """Specification for building an ensemble before its state is loaded.

    Args:
        task: Task of the table.
        encoder: Name of the encoder.
        encoder_options: Its options.
        readout: Composition of readouts; empty for the encoder's own.
        hidden: Width of the members' hidden layer.
        dropout: Dropout of the hidden layer.
        features: Feature sets that the members read.
        partners: Models without a graph.
        weights: Weights of the members' mean and of each partner, with sum 1.
        transforms: Label transform of each member.
        errors: Expected squared errors.
        calibration: Calibration of the probabilities of the whole ensemble; ``None`` in runs of earlier versions.
        profile: The models of auxiliary tables whose predictions a partner reads; ``None`` if none does.
    """

    task: Task
    encoder: str
    encoder_options: dict[str, Any]
    readout: str
    hidden: int
    dropout: float
    features: tuple[str, ...]
    partners: tuple[PartnerSpec, ...]
    weights: tuple[float, ...]
    transforms: tuple[LabelTransform, ...]
    errors: ErrorModel
    calibration: BetaCalibration | None = None
    profile: ProfileSpec | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            **vars(self),
            "features": list(self.features),
            "partners": [partner.to_json() for partner in self.partners],
            "weights": list(self.weights),
            "transforms": [transform.to_json() for transform in self.transforms],
            "errors": asdict(self.errors),
            "calibration": self.calibration.to_json() if self.calibration else None,
            "profile": self.profile.to_json() if self.profile else None,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EnsembleSpec":
        """The specification from the values of :meth:`to_json`."""
        errors = ErrorModel(*(tuple(values["errors"][name]) for name in ("constant", "slope")))
        own = {
            "features": tuple(values["features"]),
            "partners": tuple(PartnerSpec.from_json(part) for part in values["partners"]),
            "weights": tuple(values["weights"]),
            "transforms": tuple(LabelTransform.from_json(part) for part in values["transforms"]),
            "errors": errors,
            "calibration": BetaCalibration.from_json(values["calibration"]) if values.get("calibration") else None,
            "profile": ProfileSpec.from_json(values["profile"]) if values.get("profile") else None,
        }
        return cls(**{**values, **own})
