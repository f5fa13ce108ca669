"""Options of objectives that a job learns."""

from dataclasses import replace
from typing import Any

import pytest

from molweight.datasets import Splits, load_corpus
from molweight.datasets.internal import join_corpora
from molweight.errors import OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.report.internal import format_learned
from molweight.training import fit, variant
from molweight.training._resolve import check_job
from molweight.training._sources import with_parts

NAME = "graphcl.temperature"


@pytest.fixture(scope="module")
def small(job: Job) -> Job:
    options: dict[str, Any] = {"objectives": ["graphcl", "functional_groups"], "init": "scratch", "epochs": 1}
    return replace(job, **options, encoder_options={"layers": 1, "width": 8}, learn=[NAME], learn_lr=0.5)


def test_the_trajectory_is_recorded_and_reported(
    small: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    run = fit(replace(small, weighting_options={"rule": "adam"}), data, splits, corpus)
    values, later = (run.history[f"{key}.{NAME}"] for key in ("learned", "next_learned"))
    assert values[0] == pytest.approx(0.1)
    assert list(values[1:]) == list(later[:-1])
    assert later.iloc[-1] != values[0]
    taken = run.history[f"learned_slopes.{NAME}"].notna()
    assert list(taken) == [False, True] * 3  # with every second hypergradient
    assert list(values != later) == list(taken)
    assert f"{NAME}  0.1 to {later.iloc[-1]:.3g}" in format_learned(run.records)


def test_what_cannot_be_learned_is_refused(small: Job) -> None:
    refused = {
        "functional_groups.left_out": "the loss of functional_groups is not a differentiable function of 'left_out'",
        "graphcl.strength": r"function of 'strength'. Options that can be learned: graphcl.temperature",
        "molclr.temperature": "names no option of an objective of this job",
        "temperature": "names no option of an objective of this job",
    }
    for name, message in refused.items():
        with pytest.raises(OptionError, match=message):
            check_job(replace(small, learn=[name]))
    with pytest.raises(OptionError, match="No objective of this job has an option that can be learned"):
        check_job(replace(small, objectives=["functional_groups"], learn=["functional_groups.x"]))
    for name in ("equal", "alignment"):
        with pytest.raises(
            OptionError, match=f"is learned from hypergradients, which weighting='{name}' does not compute"
        ):
            check_job(replace(small, weighting=name))
        assert variant(small, weighting=name).learn == ()


def test_each_part_of_a_corpus_has_its_option(small: Job, data: MoleculeDataset) -> None:
    own = data.subset(range(20))
    own.name = "own"
    job = with_parts(replace(small, corpus_weights="part"), join_corpora([own, load_corpus("zinc", size=20)]))
    assert job.learn == ("graphcl:own.temperature", "graphcl:zinc.temperature")
    check_job(job)
