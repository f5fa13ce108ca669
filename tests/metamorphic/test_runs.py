"""The same molecule in other words: the same answers of a trained model."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from molweight import datasets, fit
from molweight.cli import main
from molweight.ensemble import Ensemble
from molweight.ensemble._partner_kinds import PARTNERS
from molweight.estimators import MoleculeEmbedder
from molweight.options import Job
from molweight.runs import Attribution, Run, load

Written = dict[str, list[Any]]
"""Each molecule with its other spellings, see ``conftest.Spelling``."""
CLOSE = 1e-5
"""Runs compute in float32, in which sums differ by some 1e-7 with the order of the atoms."""


@pytest.fixture(scope="module", params=["gin_zinc", "pretrain", "ensemble"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the shipped encoder, one with an encoder of its own and dropout, and an ensemble with trees."""
    job = Job(steps=2, epochs=2, batch_size=16, device="cpu")
    if request.param == "ensemble":
        job = replace(job, members=2, partners=PARTNERS)  # with MiniMol, the small graph network has weight 0
    if request.param == "pretrain":
        job = replace(
            job, init="pretrain", encoder_options={"layers": 2, "width": 16, "dropout": 0.2}, pretrain_steps=2
        )
    data = datasets.load("freesolv").subset(range(150))
    path = tmp_path_factory.mktemp("runs") / str(request.param)
    fit(job, data, datasets.split(data, "random")).save(path)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """The run, as it is loaded."""
    return load(folder, "cpu")


def texts(written: Written) -> tuple[list[str], np.ndarray]:
    rows = [[smiles, *(item.text for item in others)] for smiles, others in written.items()]
    sizes = np.array([len(row) for row in rows])
    return [text for row in rows for text in row], np.repeat(np.cumsum(sizes) - sizes, sizes)


def test_predict(run: Run, written: Written) -> None:
    smiles, first = texts(written)
    found = run.predict(smiles)
    assert np.isfinite(found).all()
    assert np.abs(found - found[first]).max() < CLOSE
    assert np.ptp(found[np.unique(first)]) > 1e-3


def test_predict_by_order_and_size_of_the_batch(run: Run, molecules: list[str]) -> None:
    whole = run.predict(molecules)
    assert np.abs(run.predict(molecules[::-1])[::-1] - whole).max() < CLOSE
    assert np.abs(np.concatenate([run.predict([text]) for text in molecules]) - whole).max() < CLOSE
    many = np.abs(run.predict(molecules * 60).reshape(60, len(molecules), -1) - whole)
    assert many.max() < CLOSE, "more than one batch"


def test_predict_by_processes(run: Run, molecules: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    few = sorted(molecules, key=len)[:5]  # the features of an ensemble take milliseconds for each molecule
    here = run.predict(few)
    counts, times = (("2",), 120) if isinstance(run.model, Ensemble) else (("1", "2"), 830)  # processes from 512 on
    for count in counts:
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", count)
        many = run.predict(few * times).reshape(times, len(few), -1)
        assert np.abs(many - here).max() < CLOSE, count


def test_embed(run: Run, written: Written, molecules: list[str]) -> None:
    smiles, first = texts(written)
    found = run.embed(smiles)
    assert np.abs(found - found[first]).max() < CLOSE
    whole = run.embed(molecules)
    assert np.abs(run.embed(molecules[::-1])[::-1] - whole).max() < CLOSE
    assert np.abs(np.concatenate([run.embed([text]) for text in molecules]) - whole).max() < CLOSE
    assert np.abs(run.embed(molecules * 60).reshape(60, len(molecules), -1) - whole).max() < CLOSE


def test_uncertainty(run: Run, written: Written, molecules: list[str]) -> None:
    smiles, first = texts(written)
    found = run.uncertainty(smiles)
    assert np.abs(found.prediction - found.prediction[first]).max() < CLOSE
    assert np.abs(found.deviation - found.deviation[first]).max() < CLOSE
    single = np.concatenate([run.uncertainty([text]).deviation for text in molecules])
    assert np.abs(run.uncertainty(molecules[::-1]).deviation[::-1] - single).max() < CLOSE


def differ(one: Attribution | None, other: Attribution | None, atoms: list[int] | None = None) -> float:
    """The largest difference of the shares, and of their errors, atom by atom."""
    assert one is not None
    assert other is not None
    places = list(range(len(one.atoms))) if atoms is None else atoms
    shares, errors = one.atoms[places] - other.atoms, one.errors[places] - other.errors
    return float(max(np.abs(shares).max(), np.abs(errors).max(), abs(one.output - other.output)))


def test_explain(run: Run, written: Written) -> None:
    """Every atom has its share in any words; those of an alkane, which is its own reference, are 0."""
    step = 3 if isinstance(run.model, Ensemble) else 1  # an ensemble is slow
    for smiles, others in list(written.items())[::step]:
        first, *rest = run.attribute([smiles, *(item.text for item in others)], pairs=2)
        assert first is not None
        assert smiles == "CCCCCC" or np.ptp(first.atoms) > 100 * CLOSE
        for item, found in zip(others, rest, strict=True):
            assert differ(first, found, item.atoms) < CLOSE, (smiles, item)


def test_explain_by_order_of_the_rows(run: Run, molecules: list[str]) -> None:
    few = molecules[:3]
    whole = run.attribute(few, pairs=2)
    for alone in (run.attribute(few[::-1], pairs=2)[::-1], [run.attribute([text], pairs=2)[0] for text in few]):
        assert max(differ(one, other) for one, other in zip(whole, alone, strict=True)) < CLOSE


def test_drawings_of_a_file(run: Run, sd_file: str, molecules: list[str]) -> None:
    """Records with wedges, read as a table and as RDKit's molecules, are what the SMILES are."""
    drawn = list(datasets.from_file(sd_file, cache=False).smiles)
    read = list(Chem.SDMolSupplier(sd_file))
    assert len(drawn) == len(read) == len(molecules)
    for texts_or_molecules in (drawn, read):
        assert np.abs(run.predict(texts_or_molecules) - run.predict(molecules)).max() < CLOSE
        assert np.abs(run.embed(texts_or_molecules) - run.embed(molecules)).max() < CLOSE
    found, known = run.uncertainty(drawn), run.uncertainty(molecules)
    assert np.abs(found.prediction - known.prediction).max() < CLOSE


def test_drawings_on_the_command_line(
    folder: Path, run: Run, sd_file: str, molecules: list[str], tmp_path: Path
) -> None:
    command = [str(folder), sd_file, "--quiet", "--device", "cpu"]
    known = run.uncertainty(molecules)
    assert main(["predict", *command, "--uncertainty", "--output", str(tmp_path / "predicted.csv")]) == 0
    rows = table(tmp_path / "predicted.csv")
    predicted = [float(row[run.target_names[0]]) for row in rows]
    assert np.abs(np.array(predicted) - known.prediction[:, 0]).max() < CLOSE
    assert main(["embed", *command, "--output", str(tmp_path / "embedded.csv")]) == 0
    rows = table(tmp_path / "embedded.csv")
    embedded = [[float(row[name]) for name in row if name[0] == "v" and name[1:].isdigit()] for row in rows]
    assert np.abs(np.array(embedded) - run.embed(molecules)).max() < CLOSE
    page, atoms = str(tmp_path / "page.html"), str(tmp_path / "atoms.csv")
    assert main(["explain", *command, "--pairs", "2", "--limit", "3", "--output", page, "--atoms", atoms]) == 0
    shares = table(tmp_path / "atoms.csv")
    for number, smiles in enumerate(molecules[:3], start=1):
        lines = [row for row in shares if int(row["row"]) == number]
        places = Chem.MolFromSmiles(smiles).GetSubstructMatch(Chem.MolFromSmiles(lines[0]["smiles"]), useChirality=True)
        (first,) = run.attribute([smiles], pairs=2)
        assert first is not None
        assert np.abs(first.atoms[list(places)] - [float(row["share"]) for row in lines]).max() < CLOSE


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_estimators(written: Written) -> None:
    smiles, first = texts(written)
    found = MoleculeEmbedder(device="cpu").fit(list(written)).transform(smiles)
    assert np.abs(found - found[first]).max() < CLOSE
