"""No command prints names of Python: they say nothing to those who type commands."""

import re
from pathlib import Path

import pytest

from molweight.cli import main

NAMES = re.compile(
    r"<[A-Za-z_]+[ .]|object at 0x|\b(run|dataset|data|splits|job|table|parsed|model)\.(?!csv|smi|safetensors)[a-z_]+\b"
    r"|\b(Job|Run|Splits|MoleculeDataset|Namespace|DataFrame|PosixPath|Session|array|tensor)\(|\w+\(\)"
    r"|\b(MoleculeDataset|MolweightError|ConfigError|DataError|OptionError|None|True|False)\b|Traceback"
)
TINY = [
    *("--objectives=attribute_masking", "--corpus_size=32", "--batch_size=16", "--pretrain_steps=1", "--epochs=1"),
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--device=cpu"),
]
SMALL = [*TINY, "--steps=1", "--members=1", "--split=random"]
ROWS = ["id,smiles,y", "a,C1CC,1.5", "b,CCO,x", *(f"m{n},{'C' * (1 + n)}O,{n % 7}.5" for n in range(40))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    (folder / "my.csv").write_text("\n".join(ROWS))
    (folder / "words.csv").write_text("smiles,active\nCCO,yes\nCCN,no\nCCC,yes\n")
    (folder / "corpus.smi").write_text("CCO\nC1CC\nCCN\nCCCC\n")
    return folder


TABLE = ["my.csv", "--targets=y", "--on_error=nan"]
WORKING = [
    ["fit", *TABLE, "--runs=.", "--name=run", "--corpus=corpus.smi", *SMALL],
    ["pretrain", "--output=start", "--corpus=corpus.smi", *TINY[:4], *TINY[5:]],
    ["finetune", *TABLE, "--runs=.", "--init=start", "--name=tuned", *SMALL[4:5], *SMALL[-1:], "--device=cpu"],
    ["predict", "run", "my.csv", "--uncertainty", "--interval=0.5"],
    ["predict", "run", "CCO", "C1CC"],
    ["embed", "run", "my.csv", "--output=vectors.npz"],
    ["evaluate", "run", "my.csv", "--on_error=nan"],
    ["explain", "run", "my.csv", "--limit=2", "--pairs=1"],
    ["report", "run", "tuned"],
    ["audit", *TABLE, "--corpus=corpus.smi"],
    ["list"],
    *(["list", kind] for kind in ("objectives", "encoders", "weightings", "solvers", "datasets")),
]
FAILING = [
    ["fit", "my.csv", "--targets=z"],
    ["fit", "my.csv", "--targets=y", "--on_error=raise"],
    ["fit", "my.csv", "--members=x"],
    ["predict", "nowhere", "my.csv"],
    ["predict", "run", "nowhere.csv"],
    ["evaluate", "run", "words.csv"],
    ["embed", "run", "my.csv", "--output=vectors.txt"],
    ["explain", "run", "my.csv", "--target=z"],
    ["report", "start"],
    ["advise", "my.csv", "--targets=y", "--aux=nowhere.csv"],
    ["hypergrad-check", "my.csv", "--targets=y", "--dampings=x"],
    ["benchmark", "nowhere.yaml"],
]


def test_no_command_prints_names_of_python(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(place)
    caplog.set_level("INFO", "molweight")
    ended, found = {}, {}
    for command in (*WORKING, *FAILING):
        caplog.clear()
        ended[" ".join(command)] = main(command)
        texts = [*capsys.readouterr(), *(record.getMessage() for record in caplog.records)]
        lines = [
            line for text in texts for line in text.splitlines() if NAMES.search(line) and "molweight." not in line
        ]
        if lines:
            found[" ".join(command)] = lines
    assert found == {}
    assert list(ended.values()) == [0] * len(WORKING) + [2] * len(FAILING), ended
