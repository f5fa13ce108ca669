"""A learned mixture as the start of another run."""

from dataclasses import replace
from pathlib import Path

import pytest

from molweight import datasets
from molweight.errors import OptionError
from molweight.options import Job
from molweight.runs import Run
from molweight.training import fit
from molweight.training._weighting import weighting_options

SMALL = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["attribute_masking", "functional_groups"],
    init="scratch",
    weighting="fixed",
    weighting_options={"weights": [0.9, 0.1]},
    steps=2,
    epochs=1,
    batch_size=16,
    members=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = datasets.load("freesolv").subset(range(100))
    run = fit(SMALL, data, datasets.split(data, "random"), datasets.load_corpus("zinc", size=32))
    place = tmp_path_factory.mktemp("runs") / "run"
    run.save(place)
    return place


def test_objectives_keep_their_proportions_and_new_ones_have_the_mean(folder: Path) -> None:
    job = replace(
        SMALL,
        objectives=["functional_groups", "infomax", "attribute_masking"],
        weighting="tapweight",
        weighting_options={"lr": 0.3},
        weights_from=str(folder),
    )
    found = weighting_options(job)
    assert found["lr"] == 0.3
    expected = {"functional_groups": 0.1 / 1.5, "infomax": 0.5 / 1.5, "attribute_masking": 0.9 / 1.5}
    assert found["prior"] == pytest.approx(expected, rel=1e-5)
    assert weighting_options(replace(job, weighting="equal")) == {"lr": 0.3}
    assert all(weighting_options(replace(job, weighting=name))["prior"] for name in ("bilevel", "alignment"))


def test_a_run_starts_from_it(folder: Path) -> None:
    data = datasets.load("freesolv").subset(range(100))
    job = replace(SMALL, weighting="tapweight", weighting_options={}, weights_from=str(folder))
    run: Run = fit(job, data, datasets.split(data, "random"), datasets.load_corpus("zinc", size=32))
    assert run.records[0]["weights"]["attribute_masking"] == pytest.approx(0.9, rel=1e-5)
    again = replace(job, weighting="fixed")
    run = fit(again, data, datasets.split(data, "random"), datasets.load_corpus("zinc", size=32))
    assert run.weights["attribute_masking"] == pytest.approx(0.9, rel=1e-5)


def test_what_cannot_be_reused_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="sets the weights, and so does"):
        weighting_options(replace(SMALL, weights_from=str(folder)))
    job = replace(SMALL, weighting="tapweight", weighting_options={}, weights_from=str(folder))
    with pytest.raises(OptionError, match="is a run with other objectives"):
        weighting_options(replace(job, objectives=["infomax"]))
    with pytest.raises(OptionError, match="cannot be read"):
        weighting_options(replace(job, weights_from=str(folder / "nothing")))
