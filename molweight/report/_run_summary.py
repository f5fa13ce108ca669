"""Input of a report: plain data of one run, without its model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Self

import pandas as pd

from molweight.arrays import Float32Matrix, Float64Array, Indices
from molweight.datasets import Audit
from molweight.graphs.internal import tasks_of
from molweight.storage import escape_controls

__all__ = ["LEAST_SHOWN", "Method", "RunSummary", "TestResults", "graph_weight", "method_title"]

LEAST_SHOWN: Final = 0.05
"""Weight of the graph members of an ensemble below which the report does not colour atoms."""


_TITLES: Final = {
    "ensemble": "ensemble",
    "scratch": "from scratch",
    "pretrain": "no adaptive pretraining",
    "pretrained": "no adaptive pretraining",
    "equal": "equal weights",
    "tapweight": "TapWeight",
    "mean": "mean of the labels",
    "descriptor_trees": "trees on descriptors",
}


def method_title(name: str) -> str:
    """The display name of a method in tables.

    Example:
        >>> method_title("equal"), method_title("uncertainty")
        ('equal weights', 'uncertainty')
    """
    return _TITLES.get(name, name)


def graph_weight(about: Mapping[str, Any]) -> float:
    """Weight of the graph members in an ensemble; 1 for a single model.

    Only they respond to single atoms; the other parts read features of the whole molecule.

    Args:
        about: Result of :meth:`molweight.Run.describe`.

    Example:
        >>> graph_weight({"ensemble": {"weights": [0.25, 0.75]}}), graph_weight({"ensemble": None})
        (0.25, 1.0)
    """
    ensemble = about.get("ensemble")
    return float(ensemble["weights"][0]) if ensemble else 1.0


@dataclass(frozen=True, eq=False)
class TestResults:
    """Results on the test set: labels and predictions of ``n`` molecules for ``T`` targets.

    Args:
        rows: Row of each molecule in its file, with the header as row 1; its position if there is no file.
        smiles: The molecules.
        names: Names of the targets.
        targets: Labels, ``n x T``, NaN where missing.
        predictions: By method ``n x T``: probabilities for classification, else labels in their own units.
        deviations: Standard deviations from the run itself, ``n x T``; ``None`` if it has none.
    """

    rows: Indices
    smiles: Sequence[str]
    names: Sequence[str]
    targets: Float32Matrix
    predictions: Mapping[str, Float32Matrix]
    deviations: Float32Matrix | None = None
    __test__: ClassVar[bool] = False  # not a test class, despite its name

    def merge(self, others: Mapping[str, "TestResults"]) -> Self:
        """The results with the predictions of other methods for the same molecules; these come first.

        Args:
            others: Predictions by name of the method.
        """
        before = {name: other.predictions[next(iter(other.predictions))] for name, other in others.items()}
        return replace(self, predictions={**before, **self.predictions})

    def frame(self) -> pd.DataFrame:
        """One row per molecule: ``row``, ``smiles``, ``label.<target>`` and ``<method>.<target>``."""
        columns: dict[str, Any] = {"row": self.rows, "smiles": list(self.smiles)}
        for source, values in {"label": self.targets, **self.predictions}.items():
            columns |= {escape_controls(f"{source}.{name}"): values[:, place] for place, name in enumerate(self.names)}
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class Method:
    """A method that was run on the same molecules.

    Args:
        name: Its name.
        select: Score of the checkpoint on ``select``; of an ensemble, out of fold; NaN if there is none.
        weights: Weight per objective at the end of adaptive pretraining; empty without any.
        seconds: Duration, without generic pretraining.
        findings: Sentences on problems in its adaptive pretraining.
    """

    name: str
    select: float
    weights: Mapping[str, float]
    seconds: float
    findings: Sequence[str] = ()

    @property
    def title(self) -> str:
        """Name in tables."""
        return method_title(self.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSummary:
    """The data of one run; fields that are ``None`` or empty are reported as missing.

    Args:
        name: Name of the run.
        method: Name of its method, among the keys of the predictions.
        about: Result of :meth:`molweight.Run.describe`.
        records: One record per step of adaptive pretraining.
        test_results: Labels and predictions of the test set, if it was evaluated.
        embedding: Vectors of the test molecules, ``n x d``.
        shares: Share of each atom in a prediction, by molecule and target, for the molecules that are drawn.
        methods: The run and its baselines.
        audit: Result of the audit of the data.
        config: Options of the command line as YAML.
        sha256: Checksum of the model file.
        made_with: Versions of the packages that made the report, by name.
        folder: Folder of the run as the user typed it; empty if the run was not saved.
    """

    name: str
    method: str
    about: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]] = ()
    test_results: TestResults | None = None
    embedding: Float32Matrix | None = None
    shares: Mapping[tuple[int, int], Float64Array] = field(default_factory=dict)
    methods: Sequence[Method] = field(default_factory=list)
    audit: Audit | None = None
    config: str | None = None
    sha256: str | None = None
    made_with: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    @property
    def metric(self) -> str:
        """Name of the metric of the table."""
        return str(self.about["finetuning"]["metric"])

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``; for a table with both, the task of each target with commas."""
        task = str(self.about["task"])
        return "classification" if task == "multiclass" else task

    @property
    def kinds(self) -> list[str]:
        """``"classification"`` or ``"regression"`` for each target."""
        names = self.test_results.names if self.test_results else self.about["target_names"]
        return tasks_of(self.task, len(names))

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the run."""
        options: Mapping[str, Any] = self.about["options"]
        return options
