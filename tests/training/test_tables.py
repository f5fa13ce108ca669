"""Labelled tables beside the corpus: which one is learned from, and that it is never that of the task."""

from typing import Any

import numpy as np
import pytest
import torch

from molweight import datasets, objectives
from molweight.errors import ConfigError, DataError
from molweight.graphs import build_dataset
from molweight.training import TapWeight
from molweight.training._tables import choose_tables

JOB = TapWeight(
    encoder_options={"layers": 1, "width": 8},
    objectives=["assay_labels", "attribute_masking"],
    general_steps=2,
    steps=2,
    epochs=1,
    batch_size=16,
)


def chosen(task: str, **options: Any) -> dict[str, Any]:
    job = JOB.variant(objective_options={"assay_labels": options} if options else {})
    return dict(choose_tables(job, datasets.load(task)).objective_options["assay_labels"])


def test_the_table_is_never_the_task() -> None:
    assert chosen("freesolv") == {"table": "tox21", "labels": 12}
    assert chosen("tox21") == {"table": "sider", "labels": 27}
    assert chosen("bbbp", table="clintox") == {"table": "clintox", "labels": 2}
    with pytest.raises(ConfigError, match="the table 'sider' has labels of the task"):
        chosen("sider", table="sider")


def test_a_copy_of_the_table_under_another_name_is_refused() -> None:
    table = datasets.load("tox21").subset(range(50))
    copy = build_dataset(table.smiles, table.targets, name="mine", target_names=table.target_names, cache=False)
    with pytest.raises(ConfigError, match=r"labels of the task .*NR-AR"):
        choose_tables(JOB.variant(objective_options={"assay_labels": {"table": "tox21"}}), copy)


def test_nothing_is_settled_twice_or_without_need() -> None:
    data = datasets.load("freesolv")
    settled = choose_tables(JOB, data)
    assert choose_tables(settled, data) is settled
    other = JOB.variant(objectives=["attribute_masking"])
    assert choose_tables(other, data) is other


def test_a_job_learns_from_it() -> None:
    data = datasets.load("freesolv")
    run = JOB.fit(data, datasets.split(data), datasets.load_corpus("zinc", size=64))
    assert set(run.weights) == {"assay_labels", "attribute_masking"}
    assert run.options["objective_options"]["assay_labels"]["table"] == "tox21"


def test_molecules_and_labels_are_those_of_the_table() -> None:
    labels = np.array([[0, 1], [1, np.nan], [np.nan, np.nan]], dtype=np.float32)
    table = build_dataset(["C", "CC", "CCC"], labels, target_names=["a", "b"], task="classification", cache=False)
    objective = objectives.AssayLabels(4, table="mine", labels=2)
    batch = build_dataset(["O"] * 200, cache=False).graphs(range(200))
    with pytest.raises(ConfigError, match="has no table"):
        objective.draw(batch, torch.Generator())
    objective.attach({"mine": table})
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    sizes = views.graphs.ptr.diff()
    assert set(sizes.tolist()) == {1, 2, 3}
    for size, expected, known in ((1, [0, 1], [1, 1]), (2, [1, 0], [1, 0]), (3, [0, 0], [0, 0])):
        assert (views.labels[sizes == size] == torch.tensor(expected)).all()
        assert (views.known[sizes == size] == torch.tensor(known)).all()


@pytest.mark.parametrize(("table", "labels", "message"), [("esol", 1, "no classes"), ("bbbp", 3, "Set labels=1")])
def test_a_table_that_does_not_fit_is_refused(table: str, labels: int, message: str) -> None:
    objective = objectives.AssayLabels(4, table=table, labels=labels)
    with pytest.raises(DataError, match=message):
        objective.attach({table: datasets.load(table)})
