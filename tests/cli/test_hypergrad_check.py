"""``molweight hypergrad-check``: the table, the file, and errors of one paragraph."""

import json
from collections.abc import Sized
from pathlib import Path
from types import SimpleNamespace

import pytest

from molweight.cli import _hypergrad_check, main

SMALL = [
    "hypergrad-check",
    "--data=freesolv",
    "--solver=cg",
    "--encoder_options.layers=1",
    "--encoder_options.width=4",
    "--objectives=functional_groups,graphcl",
    "--corpus_size=64",
    "--pretrain_steps=1",
    "--batch_size=16",
    "--solve_batch_size=16",
    "--points=0,2",
    "--candidates=cg:iterations=3,identity",
    "--limit=0",
    "--iterations=20",
    "--device=cpu",
    "--quiet",
]


def test_prints_the_table_and_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "check.json"
    assert main([*SMALL, "--output", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "after 2 steps" in captured.out
    assert "identity" in captured.out
    found = json.loads(path.read_text())
    assert found["data"] == "freesolv"
    assert {point["step"] for point in found["points"]} == {0, 2}
    first = found["points"][0]
    assert [row["solver"] for row in first["solvers"]] == [
        "cg iterations=3 damping=0.1",
        "identity",
        "cg iterations=5 damping=10.0",
    ]
    assert sorted(first["reference"]) == ["functional_groups", "graphcl"]


def test_options_can_stand_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "check.yaml").write_text("points: [1]\ndampings: 50\ncandidates: [identity]\n")
    arguments = [argument for argument in SMALL if not argument.startswith(("--points", "--candidates"))]
    assert main([*arguments, "--config", str(tmp_path / "check.yaml")]) == 0
    text = capsys.readouterr().out
    assert "after 1 steps, against the Hessians + 50 I" in text
    assert "neumann" not in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--candidates", "neuman"], "unknown solver 'neuman'; did you mean 'neumann'"),
        (["--candidates", "cg:iterations"], "'iterations' in 'cg:iterations' has no value"),
        (["--candidates", "cg:iteration=5"], "has no option 'iteration'"),
        (["--candidates", "cg:iterations=0"], "--candidates: iterations=0 in 'cg:iterations=0' must be at least 1."),
        (["--candidates", "cg:damping=-1"], "--candidates: damping=-1 in 'cg:damping=-1' must be "),
        (["--points", "zero"], "--points: 'zero' is not a whole number"),
        (["--points=-1"], "none negative"),
        (["--dampings", "small"], "--dampings: 'small' is not a number"),
        (["--dampings", "safe"], "must be a finite number"),
        (["--dampings", "nan"], "must be a finite number"),
        (["--weighting", "equal"], "trains no finetuning level"),
        (["--dtype", "float16"], "float16"),
        (["--epochs", "5"], "unknown option --epochs"),
        (["--data", "freesolve"], "did you mean 'freesolv'"),
    ],
)
def test_error_is_one_paragraph(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("molweight: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err


def test_the_command_is_in_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "hypergrad-check" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        (["--corpus=own"], 32),
        (["--corpus=corpus.smi"], 45),
        (["--corpus=corpus.smi", "--remove_overlap=test"], 40),
    ],
)
def test_the_corpus_may_depend_on_the_table(
    corpus: list[str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier, own was refused, and no overlap was removed."""
    monkeypatch.chdir(tmp_path)
    smiles = [f"{'C' * (1 + n)}{'O' * (n % 3)}{'N' * (n % 2)}C" for n in range(45)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *(f"{text},{n}.5" for n, text in enumerate(smiles))]))
    (tmp_path / "corpus.smi").write_text("\n".join(smiles))
    sizes: list[int] = []

    def check(job: object, data: object, splits: object, corpus: Sized, **options: object) -> SimpleNamespace:
        sizes.append(len(corpus))
        return SimpleNamespace(table=str)

    monkeypatch.setattr(_hypergrad_check, "hypergrad_check", check)
    assert main(["hypergrad-check", "my.csv", "--targets=y", "--split=random", "--quiet", *corpus]) == 0
    assert sizes == [expected]
