"""Tables of scripts: rows of different settings are never averaged."""

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="scripts ask git for the commit")


def study(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module(f"experiments.studies.{name}")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_corpora_are_compared_within_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = study("compare_corpora", monkeypatch)
    about = {"table": "freesolv", "seed": 0, "metric": "rmse", "epochs": 30, "size": 10_000}
    scores = [("zinc", 200, 1.0), ("own", 200, 2.0), ("zinc", 20, 5.0)]
    rows = [{**about, "corpus": corpus, "steps": steps, "select": score} for corpus, steps, score in scores]
    monkeypatch.setattr(script, "RESULTS", write(tmp_path / "rows.jsonl", rows))
    script.table()
    assert capsys.readouterr().out.splitlines() == [
        "freesolv (steps 20, epochs 30, size 10000): rmse, 1 seeds {'zinc': 5.0}",
        "freesolv (steps 200, epochs 30, size 10000): rmse, 1 seeds {'own': 2.0, 'zinc': 1.0}",
    ]


def test_checkpoints_are_compared_on_the_same_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = study("compare_checkpoints", monkeypatch)
    about = {"init": "gin_zinc", "table": "freesolv"}
    scores = [(3, 0, 1.0), (3, 1, 2.0), (5, 0, 8.0)]
    rows = [{**about, "folds": folds, "seed": seed, "linear": score} for folds, seed, score in scores]
    script.table(write(tmp_path / "rows.jsonl", rows))
    printed = [line for line in capsys.readouterr().out.splitlines() if "folds" in line or " linear " in line]
    assert printed == [
        "3 folds:",
        "| gin_zinc | linear | 1.5000 (2) |",
        "5 folds:",
        "| gin_zinc | linear | 8.0000 (1) |",
    ]


def test_objectives_are_compared_after_the_same_molecules_and_on_the_same_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = study("ablate_objectives", monkeypatch)
    about = {"set": "all", "table": "freesolv", "seed": 0}
    scores = [("2", 3, 1.0), ("2", 5, 2.0), ("20", 3, 4.0)]
    rows = [{**about, "visits": visits, "folds": folds, "finetuned": score} for visits, folds, score in scores]
    path = write(tmp_path / "rows.jsonl", rows)
    monkeypatch.setattr(script, "RESULTS", path)
    script.table()
    assert [line.split()[-3:] for line in capsys.readouterr().out.splitlines() if "seeds" in line] == [
        [score, "(1", "seeds)"] for score in ("1.0000", "2.0000", "4.0000")
    ]
    jobs = [("all", "freesolv", 0, "2", folds) for folds in (3, 4)]
    new = script.go_on(path, script.KEYS, jobs, lambda *job: dict(zip(script.KEYS, job, strict=True)))
    assert [row["folds"] for row in new] == [4]
