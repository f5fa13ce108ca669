"""The mean over several runs is that of what each predicts alone, whatever each reads of the input."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molweight import load
from molweight.cli import main
from molweight.cli._molecules import Chunk, _rejects

TINY = ["--init=scratch", "--split=random", "--epochs=3", "--device=cpu", "--quiet", "--duplicates=keep"]
ENCODER = ["--encoder_options.layers=1", "--encoder_options.width=8", "--hidden=8", "--targets=y"]
CHIRAL = ("N[C@@H](C)C(=O)O", "C[C@H](N)CO", "C[C@H](O)CC", "CC[C@@H](C)N", "C[C@@H](O)[C@H](Cl)C", "OCC(C)(C)N")
"""With no, one and two stereocentres: runs that ignore them read other descriptors than runs that do not."""
NEW = ["C[C@H](O)CCN", "C[C@@H](O)CCN", "C[C@H](N)CO.Cl", "C1CC"]
OWN = {
    "plain": ["--members=1"],
    "flat": ["--members=2", "--partners=linear", "--features=descriptors", "--stereo=ignore", "--seed=1"],
    "salts": ["--members=1", "--standardize=salts", "--seed=2"],
    "acid": ["--members=2", "--partners=linear", "--features=descriptors,column:pH", "--seed=3"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on one table with other features, another standard form, and a column as a feature."""
    folder = tmp_path_factory.mktemp("runs")
    smiles = [CHIRAL[n % 6] + "C" * (n // 6) + (".Cl" if n % 5 == 0 else "") for n in range(48)]
    columns = {"pH": [4 + n % 7 for n in range(48)], "y": [n % 6 + n % 7 + 0.5 for n in range(48)]}
    pd.DataFrame({"smiles": smiles, **columns}).to_csv(folder / "my.csv", index=False)
    pd.DataFrame({"smiles": NEW, "pH": [4, "", 9, 5]}).to_csv(folder / "new.csv", index=False)
    for name, more in OWN.items():
        fit = ["finetune", str(folder / "my.csv"), f"--runs={folder}", f"--name={name}"]
        assert main([*fit, *TINY, *ENCODER, *more]) == 0
    return folder


def predict(place: Path, first: str, *others: str, more: tuple[str, ...] = ()) -> pd.DataFrame:
    command = ["predict", str(place / first), str(place / "new.csv"), f"--output={place / 'out.csv'}", "--device=cpu"]
    ensemble = [f"--ensemble={','.join(str(place / other) for other in others)}"] if others else []
    assert main([*command, *ensemble, *more]) == 0
    return pd.read_csv(place / "out.csv")


def test_each_run_reads_the_molecules_as_it_does_alone(place: Path) -> None:
    alone = {name: predict(place, name, more=("--quiet",))["y"].to_numpy() for name in OWN}
    assert alone["flat"][0] == alone["flat"][1]
    assert alone["plain"][0] != alone["plain"][1]
    for names in permutations(OWN, 2):
        found = predict(place, *names, more=("--quiet", "--uncertainty", "--chunk_size=2"))
        expected = np.array([alone[name] for name in names])
        np.testing.assert_allclose(found["y"], expected.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found["y.deviation"], expected.std(axis=0, ddof=1), rtol=1e-3)
        assert found["y"].isna().tolist() == [False, False, False, True]


def test_differences_between_the_runs_are_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    predict(place, "plain", "salts", "acid", more=("--chunk_size=1",))
    said = capsys.readouterr().err
    assert f"{place / 'salts'}: molecules are standardised as in training: salts" in said
    assert said.count("column 'pH': 1 cells are empty or not numbers; they are imputed by the median") == 1
    predict(place, "salts", "plain")
    assert f"{place / 'plain'}: molecules are left unchanged, as in training" in capsys.readouterr().err
    predict(place, "salts", "plain", more=("--standardize=salts",))
    assert "as in training" not in capsys.readouterr().err
    command = ["predict", str(place / "plain"), "CCO", f"--ensemble={place / 'acid'}", "--quiet"]
    assert main(command) == 2
    assert "the model needs the column 'pH', but the input has only 'smiles'" in capsys.readouterr().err


def test_a_step_that_rdkit_cannot_apply_costs_no_row(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RDKit does not read the sydnone of mesocarb again after its clean-up."""
    sydnone = "[O+]1=N[N](C=C1[N-]C(NC2=CC=CC=C2)=O)C(CC3=CC=CC=C3)C"
    changed = load(place / "salts")
    changed.trained_on["standardize"] = ["charges"]
    changed.save(tmp_path / "charges")
    pd.DataFrame({"smiles": ["CCO", "C1CC", sydnone, "CCN"]}).to_csv(tmp_path / "in.csv", index=False)
    for first, second in permutations([place / "plain", tmp_path / "charges"]):
        outputs = [f"--{name}={tmp_path / name}.csv" for name in ("output", "rejects")]
        capsys.readouterr()
        assert main(["predict", str(first), str(tmp_path / "in.csv"), f"--ensemble={second}", *outputs]) == 0
        assert "1 row has no valid molecule and is left blank" in capsys.readouterr().err
        assert pd.read_csv(tmp_path / "output.csv")["y"].isna().tolist() == [False, True, False, False]
        assert pd.read_csv(tmp_path / "rejects.csv")["row"].tolist() == [3]


def test_rows_that_any_run_refuses_are_listed_once(place: Path) -> None:
    run = load(place / "plain")
    texts = [["C1CC", "CCO", "CCN", "C("], ["C1CC", "CCO", "c1cc", "CC"]]
    parsed = [run.parse(smiles) for smiles in texts]
    chunk = Chunk([2, 3, 4, 5], [[text] for text in texts[0]], parsed[0], others=[parsed[1]])
    found = _rejects(chunk)
    assert [(item.row, item.smiles) for item in found] == [(0, "C1CC"), (2, "c1cc"), (3, "C(")]
    assert [item.reason for item in found] == [
        parsed[0].rejects[0].reason,
        parsed[1].rejects[1].reason,
        parsed[0].rejects[1].reason,
    ]


def test_what_an_ensemble_does_not_compute_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["predict", str(place / "plain"), "CCO", f"--ensemble={place / 'flat'}", "--quiet"]
    assert main([*command, "--domain=true"]) == 2
    assert "--domain is for a single run, but --ensemble averages several" in capsys.readouterr().err
    assert main([*command, "--domain=false"]) == 0
    assert capsys.readouterr().out.startswith("row,smiles,y\n")


def test_rows_that_one_run_has_parsed_get_the_features_of_another(place: Path) -> None:
    plain, flat = load(place / "plain"), load(place / "flat")
    np.testing.assert_array_equal(flat.predict(plain.parse(NEW)), flat.predict(NEW))
    np.testing.assert_array_equal(plain.predict(flat.parse(NEW)), plain.predict(NEW))
