"""What an ensemble is made of, as JSON values: everything but its numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._spread import ErrorModel
from molweight.graphs import Task

__all__ = ["EnsembleSpec"]


_PLAIN: Final = ("task", "encoder", "encoder_options", "readout", "hidden", "dropout")
"""Fields that are JSON values already."""


@dataclass(frozen=True)
class EnsembleSpec:
    """How to build an ensemble before its state is loaded.

    Args:
        task: ``"classification"`` or ``"regression"``.
        encoder: Name of the encoder.
        encoder_options: Its options.
        readout: Composition of readouts; empty for the encoder's own.
        hidden: Width of the members' hidden layer.
        dropout: Of the hidden layer.
        features: Feature sets that the members read.
        tree_features: Feature sets that the trees read; empty without trees.
        weights: Of the members' mean and of the trees; they sum to 1.
        transforms: Label transform of each member; empty for classification.
        tree_transform: Label transform of the trees; ``None`` for classification or without trees.
        errors: Expected squared errors.
    """

    task: Task
    encoder: str
    encoder_options: dict[str, Any]
    readout: str
    hidden: int
    dropout: float
    features: tuple[str, ...]
    tree_features: tuple[str, ...]
    weights: tuple[float, float]
    transforms: tuple[LabelTransform, ...]
    tree_transform: LabelTransform | None
    errors: ErrorModel

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        values = {
            name: value for name, value in vars(self).items() if name not in ("transforms", "tree_transform", "errors")
        }
        return {
            **values,
            "features": list(self.features),
            "tree_features": list(self.tree_features),
            "weights": list(self.weights),
            "transforms": [transform.to_json() for transform in self.transforms],
            "tree_transform": None if self.tree_transform is None else self.tree_transform.to_json(),
            "errors": asdict(self.errors),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EnsembleSpec":
        """The object whose :meth:`to_json` is given."""
        graph, trees = values["weights"]
        own = values["tree_transform"]
        errors = ErrorModel(*(tuple(values["errors"][name]) for name in ("constant", "slope")))
        return cls(
            **{
                **values,
                "features": tuple(values["features"]),
                "tree_features": tuple(values["tree_features"]),
                "weights": (graph, trees),
                "transforms": tuple(LabelTransform.from_json(part) for part in values["transforms"]),
                "tree_transform": None if own is None else LabelTransform.from_json(own),
                "errors": errors,
            }
        )
