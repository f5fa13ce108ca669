"""One numbering of rows: every command names a row by its line in the file, and reports a reject once."""

import re
from pathlib import Path

import pandas as pd
import pytest

from molweight.cli import main

TINY = [
    *("--objectives=attribute_masking", "--corpus_size=32", "--batch_size=16", "--pretrain_steps=1", "--steps=1"),
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--members=1", "--baselines="),
    *("--split=random", "--device=cpu"),
]
GOOD = [f"m{n},{'C' * (1 + n)}O,{n % 7}.5" for n in range(40)]
LINES = {
    "plain.csv": (["id,smiles,y", *GOOD[:2], "bad,C1CC,2.5", *GOOD[2:]], 4),
    "breaks.csv": (["id,smiles,y", '"m\nn",CCN,1.5', "", *GOOD[:1], "bad,C1CC,2.5", *GOOD[2:]], 6),
    "headless.csv": ([*GOOD[:2], "bad,C1CC,2.5", *GOOD[2:]], 3),
    "comment.csv": (["# measured in May", "id,smiles,y", *GOOD[:2], "bad,C1CC,2.5", *GOOD[2:]], 5),
}


@pytest.mark.parametrize("name", LINES)
def test_every_command_numbers_rows_as_an_editor_does(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    lines, row = LINES[name]
    Path(name).write_text("\n".join(lines))
    targets = "--targets=y" if name != "headless.csv" else "--targets=column 3"
    caplog.set_level("INFO", "molweight")
    commands = [
        ["fit", name, "--runs=.", "--name=run", targets, *TINY],
        ["audit", name, "--split=random", targets],
        ["evaluate", "run", name],
        ["predict", "run", name, "--output=p.csv", "--rejects=r.csv"],
        ["embed", "run", name, "--output=e.csv"],
        ["explain", "run", name, "--limit=3", "--pairs=1"],
    ]
    for command in commands:
        caplog.clear()
        assert main(command) == 0, command
        said = [*capsys.readouterr(), *(record.getMessage() for record in caplog.records)]
        named = {int(number) for text in said for number in re.findall(r"\brow (\d+)(?:, column| has no)", text)}
        assert named == (set() if command[0] in {"predict", "embed"} else {row}), (command, said)
        assert sum(text.count("C1CC") + text.count("no valid molecule") for text in said[1:]) <= 1, (command, said)
    rejects = [pd.read_csv(path) for path in ("r.csv", "run/rejects.csv")]
    assert [(table["row"].tolist(), table["smiles"].tolist()) for table in rejects] == [([row], ["C1CC"])] * 2
    for path, empty in (("p.csv", "in_domain"), ("e.csv", "v0")):
        table = pd.read_csv(path)
        assert table["row"][table[empty].isna()].tolist() == [row], path
    tested, embedded = (set(_molecule_rows(path)) for path in ("run/test_predictions.csv", "e.csv"))
    assert tested < embedded
    report = Path("run/report.html").read_text()
    assert all(f">row {number}<" in report for number, _ in tested)


def _molecule_rows(path: str) -> list[tuple[int, str]]:
    table = pd.read_csv(path)
    return list(zip(table["row"], table["smiles"], strict=True))
