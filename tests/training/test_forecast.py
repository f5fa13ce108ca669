"""How long a job will take, before it starts."""

from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest

from molweight import datasets
from molweight.cli import main
from molweight.ensemble._partner_kinds import PARTNERS
from molweight.ensemble.internal import partner_seconds, probe_seconds
from molweight.graphs import build_dataset
from molweight.graphs._guard import Guarded
from molweight.options import Job
from molweight.training.internal import Forecast, forecast

SMALL = {"layers": 2, "width": 16}


def test_parts_grow_with_what_they_compute() -> None:
    data = datasets.load("freesolv").subset(range(200))
    splits = datasets.split(data, "random")
    job = Job(init="scratch", encoder_options=SMALL, steps=100, epochs=20, device="cpu")
    found = forecast(job, data, splits)
    assert min(found.pretraining, found.finetuning) > 0 == found.features
    # The time of a molecule is measured each time, and the machine may do other work: ratios within one forecast.
    more = forecast(replace(job, steps=400), data, splits)
    assert more.pretraining / more.finetuning == pytest.approx(4 * found.pretraining / found.finetuning)
    longer = forecast(replace(job, epochs=40), data, splits)
    assert longer.finetuning / longer.pretraining == pytest.approx(2 * found.finetuning / found.pretraining)
    equal = forecast(replace(job, weighting="equal"), data, splits)
    assert equal.pretraining / equal.finetuning == pytest.approx(4 / 6 * found.pretraining / found.finetuning)
    for name in ("bilevel", "alignment"):
        task = forecast(replace(job, weighting=name), data, splits)
        assert task.pretraining / task.finetuning == pytest.approx(found.pretraining / found.finetuning)
    assert forecast(replace(job, weighting="none"), data, splits).pretraining == 0


def test_an_ensemble_has_features_and_members() -> None:
    data = datasets.load("freesolv").subset(range(200))
    splits = datasets.split(data, "random")
    job = Job(init="scratch", encoder_options=SMALL, steps=10, epochs=20, device="cpu", members=2, partners=())
    two, four = (forecast(replace(job, members=members), data, splits) for members in (2, 4))
    assert two.features > 0
    rows = len(splits.train) + len(splits.meta) + len(splits.select)
    expected = 4 * (rows * 3 // 4) / (2 * (rows // 2))  # 20 epochs of so few rows start no processes
    assert four.finetuning / four.pretraining == pytest.approx(expected * two.finetuning / two.pretraining)


def test_partners_take_time_next_to_the_members() -> None:
    data = datasets.load("freesolv").subset(range(200))
    splits = datasets.split(data, "random")
    job = Job(init="scratch", encoder_options=SMALL, steps=0, epochs=1, device="cpu", members=2, partners=())
    alone, both = forecast(job, data, splits), forecast(replace(job, partners=PARTNERS), data, splits)
    assert both.finetuning > alone.finetuning + 0.5


def test_time_of_partners() -> None:
    rows, names = 1_000, ["trees", "forest"]
    both = partner_seconds(names, rows, 1, 5, probe=0.03)
    assert both == pytest.approx(sum(partner_seconds([name], rows, 1, 5, probe=0.03) for name in names))
    assert partner_seconds(names, 2 * rows, 1, 5, probe=0.03) < 2 * both  # a part of the time is that of any table
    assert partner_seconds(names, rows, 1, 5, probe=0.06) == pytest.approx(2 * both)
    many = [
        partner_seconds([name], rows, 12, 5, probe=0.03) / partner_seconds([name], rows, 1, 5, probe=0.03)
        for name in names
    ]
    assert many == pytest.approx([12 * 150 / 600, 1])  # a quarter of the trees for each of twelve targets, one forest
    assert partner_seconds(["tabicl"], rows, 1, 5, probe=0.03) == 0 < probe_seconds() < 5


def test_no_molecule_stops_it(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Neither one whose descriptors take longer than their budget, nor a table of which every molecule is such."""
    part = "C"
    for _ in range(8):
        part = f"C({part}){part}"
    trees = [f"{centre}({part}){part}" for centre in "CNOSPB"]
    job = Job(init="scratch", encoder_options=SMALL, steps=0, members=2, features=("descriptors",), device="cpu")
    tables = [
        build_dataset(texts, np.arange(len(texts)) / 2, task="regression", name="tree", cache=False)
        for texts in ([*trees[:1], *("C" * length for length in range(1, 12))], trees)
    ]
    monkeypatch.setattr(Guarded, "__init__", partialmethod(Guarded.__init__, seconds=0.05))
    for data, said in zip(tables, (False, True), strict=True):
        assert forecast(job, data, datasets.split(data, "random")).features > 0
        assert ("takes more than 0.05 s of CPU time" in caplog.text) == said


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Forecast(0.1, 0.2, 0.3), "about 1 s"),
        (Forecast(0, 12.4, 47), "about 59 s (pretraining 12 s, finetuning 47 s)"),
        (Forecast(5, 60, 130), "about 3.2 min (features 5 s, pretraining 1 min, finetuning 2.2 min)"),
        (Forecast(0, 0, 5400), "about 1.5 h (finetuning 1.5 h)"),
    ],
)
def test_words(seconds: Forecast, text: str) -> None:
    assert str(seconds) == text


def test_the_command_says_it_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = datasets.load("freesolv")
    rows = [f"{smiles},{label[0]}" for smiles, label in zip(data.smiles[:60], data.targets[:60], strict=True)]
    Path("my.csv").write_text("\n".join(["smiles,y", *rows]))
    small = ["--encoder_options.layers=1", "--encoder_options.width=8", "--pretrain_steps=1", "--steps=1"]
    rest = ["--epochs=1", "--members=1", "--corpus_size=64", "--baselines=[]", "--device=cpu"]
    assert main(["fit", "my.csv", "--split=random", *small, *rest]) == 0
    said = capsys.readouterr().err
    assert said.index("expected training time: about ") < said.index("my: 60 molecules, 1 target")
    assert main(["fit", "my.csv", "--split=random", *small, *rest, "--quiet", "--overwrite"]) == 0
    assert "expected training time" not in capsys.readouterr().err
