"""Options of objectives that a job learns."""

from dataclasses import replace
from typing import Any

import pytest

from molweight import objectives
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


def _scaled(name: str, **attributes: Any) -> str:
    """The name of an objective whose loss is multiplied by its option ``scale``."""
    base: Any = objectives.get("functional_groups")

    def loss(self: Any, encoder: Any, views: Any) -> Any:
        return base.loss(self, encoder, views) * self.scale

    own = {"family": "property", "paper": "this test", "learnable": {"scale": (0.1, 10.0)}, "loss": loss}
    objectives.register(name)(type(name, (base,), {**own, **attributes}))
    return name


def _set_scale(self: Any, width: int) -> None:
    objectives.get("functional_groups").__init__(self, width)
    self.scale = 2.0


@pytest.mark.usefixtures("registries")
def test_an_attribute_of_the_class_is_learned_like_one_of_the_object(
    small: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "test_object": {"__init__": _set_scale},
        "test_class": {"scale": 2.0},
        "test_both": {"__init__": _set_scale, "scale": 1.0},
    }
    found = []
    for name, attributes in kinds.items():
        learned = [f"{_scaled(name, **attributes)}.scale"]
        job = replace(small, objectives=[name, "graphcl"], learn=learned, steps=4)
        history = fit(job, data, splits, corpus).history
        found.append(history[[f"learned.{name}.scale", f"next_learned.{name}.scale", "losses.graphcl"]].to_numpy())
        assert getattr(objectives.get(name), "scale", None) == attributes.get("scale")
    assert found[0][0, 0] == 2.0
    assert found[0][-1, 1] != 2.0
    assert (found[1] == found[0]).all()
    assert (found[2] == found[0]).all()


@pytest.mark.usefixtures("registries")
def test_an_initial_value_is_checked_before_anything_is_trained(small: Job) -> None:
    refused: dict[str, tuple[dict[str, Any], str]] = {
        "test_misspelt": ({}, "learnable of the objective 'test_misspelt', but its self.scale is not a number"),
        "test_text": (
            {"scale": "large"},
            r"self.scale is not a number. Set self.scale in its __init__, or correct the name",
        ),
        "test_large": ({"scale": 20.0}, "test_large.scale' starts at 20, and is learned between 0.1 and 10"),
    }
    for name, (attributes, message) in refused.items():
        job = replace(small, objectives=[_scaled(name, **attributes)], learn=[f"{name}.scale"])
        with pytest.raises(OptionError, match=message):
            check_job(job)


def test_each_part_of_a_corpus_has_its_option(small: Job, data: MoleculeDataset) -> None:
    own = data.subset(range(20))
    own.name = "own"
    job = with_parts(replace(small, corpus_weights="part"), join_corpora([own, load_corpus("zinc", size=20)]))
    assert job.learn == ("graphcl:own.temperature", "graphcl:zinc.temperature")
    check_job(job)
