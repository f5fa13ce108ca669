"""Labelled tables that objectives learn from, beside the corpus."""

import logging
from typing import TYPE_CHECKING, Final

from molweight import datasets
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.training._models import Pretrainer

if TYPE_CHECKING:
    from molweight.training._tapweight import TapWeight

__all__ = ["attach_tables", "choose_tables"]

_ASSAYS: Final = "assay_labels"
_CHOICES: Final = ("tox21", "sider")
_log = logging.getLogger(__name__)


def choose_tables(job: "TapWeight", data: MoleculeDataset) -> "TapWeight":
    """The job with the table of ``assay_labels`` settled: the one that is named, or one that is not the task.

    Args:
        job: The options.
        data: The table of the task.

    Returns:
        The job itself where there is nothing to settle.

    Raises:
        ConfigError: If the table has labels of the task.
    """
    if _ASSAYS not in job.objectives:
        return job
    given = job.objective_options.get(_ASSAYS, {})
    name = given.get("table") or next(choice for choice in _CHOICES if choice != data.name)
    table = datasets.load(name)
    shared = sorted(set(table.target_names) & set(data.target_names))
    if name == data.name or shared:
        raise ConfigError(
            f"objective {_ASSAYS!r}: the table {name!r} has labels of the task ({', '.join(shared) or name}), so those "
            "of test molecules would be learned. Name another with objective_options, e.g. {'assay_labels': {'table': "
            f"'{next(choice for choice in _CHOICES if choice != name)}'}}}}."
        )
    settled = {"table": name, "labels": len(table.target_names)}
    if {**given, **settled} == given:
        return job
    _log.info("assay_labels learns the %d labels of %s", settled["labels"], name)
    return job.variant(objective_options={**job.objective_options, _ASSAYS: {**given, **settled}})


def attach_tables(model: Pretrainer) -> None:
    """Give each objective the tables it names.

    Args:
        model: Whose objectives to give them to.
    """
    for name in model.objectives:
        objective = model.objective(name)
        if objective.tables:
            objective.attach({table: datasets.load(table) for table in objective.tables})
