"""Labels of the table that a run is scored on: words and codes mean the classes that they mean to the run."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from molweight import load
from molweight.cli import main
from molweight.runs._archive import MODEL
from molweight.runs._manifest import MANIFEST
from molweight.storage import read_tensors, write_tensors

TINY = ["--init=scratch", "--split=random", "--epochs=1", "--members=1", "--device=cpu", "--quiet", "--hidden=8"]
ENCODER = ["--encoder_options.layers=1", "--encoder_options.width=8"]
SMILES = [f"{'C' * (1 + n % 12)}{'O' if n % 2 else 'N'}{'C' * (n // 12)}F" for n in range(48)]
WORDS = ["fat" if n % 2 else "lean" for n in range(48)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    table(folder / "words.csv", kind=WORDS)
    finetune(folder, "words.csv", "fat", "--positive=fat")
    table(folder / "other.csv", kind=[word.replace("fat", "obese") for word in WORDS])
    finetune(folder, "other.csv", "obese", "--targets=kind")
    return folder


def table(path: Path, **columns: Sequence[object]) -> None:
    pd.DataFrame({"smiles": SMILES, **columns}).to_csv(path, index=False)


def finetune(folder: Path, file: str, name: str, *more: str) -> None:
    command = ["finetune", str(folder / file), f"--runs={folder}", f"--name={name}", *TINY, *ENCODER, *more]
    assert main(command) == 0


def evaluate(folder: Path, run: str, file: str, *more: str) -> int:
    return main(["evaluate", str(folder / run), str(folder / file), "--json", "--quiet", "--device=cpu", *more])


def test_words_mean_the_classes_of_the_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, predicted = [word == "fat" for word in WORDS], load(place / "fat").predict(SMILES)[:, 0]
    capsys.readouterr()
    assert evaluate(place, "fat", "words.csv") == 0
    expected = roc_auc_score(truth, predicted)
    assert json.loads(capsys.readouterr().out)["value"] == pytest.approx(expected)
    assert evaluate(place, "fat", "other.csv") == 2
    assert "'obese' is not one of the classes of words, which are 'lean', 'fat'" in capsys.readouterr().err
    pd.DataFrame({"smiles": SMILES * 2, "kind": WORDS * 2}).to_csv(place / "twice.csv", index=False)
    assert evaluate(place, "fat", "twice.csv", "--duplicates=mean") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["molecules"], found["value"]) == (len(SMILES), pytest.approx(expected))


def test_the_card_and_the_report_name_class_1(place: Path) -> None:
    assert json.loads((place / "fat" / "weights.json").read_text())["data"]["codes"] == {"kind": {"lean": 0, "fat": 1}}
    assert "\n- Classes: class 1 is 'fat' (kind)\n" in (place / "fat" / "README.md").read_text()
    assert "class 1 is &#39;fat&#39; (kind)" in (place / "fat" / "report.html").read_text()


def test_runs_with_other_classes_are_not_averaged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(place / "fat"), "CCO", f"--ensemble={place / 'obese'}"]) == 2
    said = capsys.readouterr().err
    assert "class 1 is 'obese' (kind), but in" in said
    assert "class 1 is 'fat' (kind), so a mean of their probabilities means nothing" in said
    finetune(place, "words.csv", "lean", "--positive=lean")
    assert main(["predict", str(place / "fat"), "CCO", f"--ensemble={place / 'lean'}"]) == 2
    finetune(place, "words.csv", "again", "--positive=fat", "--seed=1")
    assert main(["predict", str(place / "fat"), "CCO", f"--ensemble={place / 'again'}"]) == 0


def test_runs_trained_in_other_units_are_not_averaged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for unit in ("nM", "uM"):
        table(place / f"{unit}.csv", ki=[f"{5 + n / 7:.2f} {unit}" for n in range(48)])
        finetune(place, f"{unit}.csv", unit)
    assert main(["predict", str(place / "nM"), "CCO", f"--ensemble={place / 'uM'}"]) == 2
    assert "was trained on 'ki' in uM, " in capsys.readouterr().err
    finetune(place, "nM.csv", "nanomolar", "--seed=1")
    assert main(["predict", str(place / "nM"), "CCO", f"--ensemble={place / 'nanomolar'}"]) == 0


def test_a_run_without_stored_classes_says_how_words_are_read(
    place: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    finetune(place, "words.csv", "earlier", "--positive=fat", "--seed=2")
    tensors, about = read_tensors(place / "earlier" / MODEL)
    del about["data"]["codes"]
    (place / "earlier" / MANIFEST).unlink()
    write_tensors(place / "earlier" / MODEL, tensors, about)
    caplog.clear()
    capsys.readouterr()
    assert evaluate(place, "earlier", "words.csv") == 0
    assert "did not store the meaning of words. In this table class 1 is 'lean' (kind)" in caplog.text
    inverted = json.loads(capsys.readouterr().out)["value"]
    assert evaluate(place, "earlier", "words.csv", "--positive=fat") == 0
    assert json.loads(capsys.readouterr().out)["value"] == pytest.approx(1 - inverted)
    assert main(["predict", str(place / "earlier"), "CCO", f"--ensemble={place / 'obese'}"]) == 0


def test_tables_that_lack_a_class_or_a_target_are_scored(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(place / "three.csv", kind=[("low", "mid", "high")[n % 3] for n in range(48)])
    finetune(place, "three.csv", "three", "--task=multiclass")
    table(place / "two_of_three.csv", kind=[("low", "", "high")[n % 3] for n in range(48)])
    table(place / "both.csv", y=[n / 4 for n in range(48)], z=[n % 7 for n in range(48)])
    finetune(place, "both.csv", "both", "--targets=y,z")
    table(place / "one.csv", y=[n / 4 for n in range(48)])
    table(place / "ones.csv", kind=["fat"] * 48)
    capsys.readouterr()
    for run, file in (("three", "two_of_three.csv"), ("both", "one.csv")):
        assert evaluate(place, run, file) == 0
        assert json.loads(capsys.readouterr().out)["value"] is not None
    assert evaluate(place, "fat", "ones.csv") == 0
    assert json.loads(capsys.readouterr().out)["value"] is None
    assert evaluate(place, "both", "words.csv") == 2
    assert "words.csv: no column has labels of y, z." in capsys.readouterr().err


def test_the_sample_size_is_that_of_the_labelled_rows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = ["ClCCCl", "ClCCCCl", "ClCCCCCl"]
    frame = pd.DataFrame({"smiles": [*SMILES, *new], "kind": [*WORDS[:12], *[""] * 36, *WORDS[:2], ""]})
    frame.to_csv(place / "few.csv", index=False)
    capsys.readouterr()
    assert evaluate(place, "fat", "few.csv") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["molecules"], found["labelled"]) == (51, 14)
    seen = load(place / "fat").seen([*SMILES[:12], *new[:2]])
    assert seen is not None
    assert found["seen"] == seen.sum() > 0
    command = ["evaluate", str(place / "fat"), str(place / "few.csv"), "--quiet", "--device=cpu"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "roc_auc on few (14 labelled of 51 molecules): " in printed
    assert f"{seen.sum()} of 14 labelled molecules were used to train or select the model" in printed
    assert evaluate(place, "fat", "words.csv") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["molecules"] == found["labelled"] == len(SMILES)


@pytest.mark.parametrize("codes", [["fat"], {"kind": "fat"}, {"kind": {"fat": 2}}, {"mood": {"fat": 1}}])
def test_a_run_with_inconsistent_classes_is_refused(place: Path, codes: object, tmp_path: Path) -> None:
    tensors, about = read_tensors(place / "fat" / MODEL)
    about["data"]["codes"] = codes
    write_tensors(tmp_path / MODEL, tensors, about)
    assert main(["predict", str(tmp_path), "CCO"]) == 2


def test_labels_in_another_unit_than_those_of_the_run(
    place: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    table(place / "nm.csv", y=[f"{50 * n + 5} nM" for n in range(48)])
    finetune(place, "nm.csv", "molar", "--targets=y")
    assert load(place / "molar").trained_on["units"] == {"y": "nM"}
    table(place / "um.csv", y=[f"{0.05 * n + 0.005:.3f} uM" for n in range(48)])
    table(place / "percent.csv", y=[f"{n} %" for n in range(48)])
    found = []
    for file in ("nm.csv", "um.csv"):
        capsys.readouterr()
        assert evaluate(place, "molar", file) == 0
        found.append(json.loads(capsys.readouterr().out)["value"])
    assert found[1] == pytest.approx(found[0])
    assert "labels of 'y' are converted from uM to nM, as in nm" in caplog.text
    assert evaluate(place, "molar", "percent.csv") == 2
    assert "the labels are in %, but those of nm are in nM. Convert them to nM." in capsys.readouterr().err


@pytest.mark.parametrize("target", ["IC50 (nM)", "p(IC50 (nM))"])
def test_the_unit_in_the_name_of_a_column_may_be_another(
    target: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(place / "header_nm.csv", **{"IC50 (nM)": [50 * n + 5 for n in range(48)]})
    table(place / "header_um.csv", **{"IC50 (uM)": [f"{0.05 * n + 0.005:.3f}" for n in range(48)]})
    finetune(place, "header_nm.csv", "header", "--overwrite", f"--targets={target}")
    found = []
    for file in ("header_nm.csv", "header_um.csv"):
        capsys.readouterr()
        assert evaluate(place, "header", file) == 0
        found.append(json.loads(capsys.readouterr().out)["value"])
    assert found[1] == pytest.approx(found[0])


def test_a_run_of_an_earlier_version_has_no_units(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table(place / "plain.csv", y=[50 * n + 5 for n in range(48)])
    finetune(place, "plain.csv", "unitless", "--targets=y")
    tensors, about = read_tensors(place / "unitless" / MODEL)
    table(place / "with_unit.csv", y=[f"{50 * n + 5} uM" for n in range(48)])
    assert evaluate(place, "unitless", "with_unit.csv") == 0
    assert "labels of 'y' are in uM in with_unit, but plain states no single unit" in caplog.text
    del about["data"]["units"]
    write_tensors(tmp_path / MODEL, tensors, about)
    caplog.clear()
    assert main(["evaluate", str(tmp_path), str(place / "with_unit.csv"), "--quiet", "--device=cpu"]) == 0
    assert "states no single unit" not in caplog.text
    write_tensors(tmp_path / MODEL, tensors, {**about, "data": {**about["data"], "units": {"y": 3}}})
    assert main(["evaluate", str(tmp_path), str(place / "with_unit.csv"), "--quiet", "--device=cpu"]) == 2
