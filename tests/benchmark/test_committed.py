"""The studies in ``experiments/results``: their pages and tables are what their rows say, in every digit."""

import re
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from molweight.benchmark import read_study
from molweight.benchmark._study_report import format_page
from molweight.benchmark.internal import Journal

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.parent for path in (ROOT / "experiments" / "results").glob("*/results.jsonl"))

TABLES = {
    **dict.fromkeys(("align_on", "compare_checkpoints", "ensemble_peers", "finetune_gamma"), "table"),
    **dict.fromkeys(("honest_estimate", "planted", "planted_advice", "planted_sources"), "table"),
    **dict.fromkeys(("recipes", "source_profile", "stereo_features", "useless_sources"), "table"),
    **dict.fromkeys(("few_labels", "rare_positives"), "--show"),
}
"""Scripts with committed rows that print a table, and the argument that asks for it."""

PAGES = ("level_with_search", "objectives_worth")
SOURCES = ("planted_signals", "hypergradient_validity")
PLUGINS = ("experiments.studies.activity_tables", "experiments.studies.official_tables")  # register tables on import


@pytest.fixture(autouse=True)
def plugins(registries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import the plug-ins of a study again, so that their tables are registered, and forgotten after the test."""
    for name in PLUGINS:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_a_page_is_computed_from_its_rows(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "results.jsonl", tmp_path)
    study = read_study(ROOT / "experiments" / "configs" / f"{folder.name}.yaml")
    table = Journal(tmp_path, study).table()
    assert format_page(study, table, folder.name) == (folder / "README.md").read_text(encoding="utf-8")
    kept = pd.read_csv(folder / "results.csv")
    pd.testing.assert_frame_equal(kept[["table", "method", "seed", "test"]], table[["table", "method", "seed", "test"]])
    assert len(pd.read_parquet(folder / "results.parquet")) == len(table)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="scripts ask git for the commit")
@pytest.mark.parametrize("script", [*PAGES, *SOURCES])
def test_a_table_is_computed_from_the_rows_of_its_script(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    table = (ROOT / "experiments" / "results" / f"{script}.md").read_text(encoding="utf-8")
    assert table.endswith(f"{import_module(f'experiments.studies.{script}').summary()}\n")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="scripts ask git for the commit")
@pytest.mark.parametrize(("script", "asked"), TABLES.items())
def test_a_script_prints_the_table_of_its_rows(
    script: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    module = import_module(f"experiments.studies.{script}")
    monkeypatch.setattr(sys, "argv", [script, asked])
    module.main()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("|---") for line in lines) >= 1
    assert any(char.isdigit() for line in lines if line.startswith("| ") for char in line)


def test_the_registered_comparisons_are_those_of_the_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    module = import_module("experiments.studies.useless_sources")
    monkeypatch.setattr(sys, "argv", ["useless_sources", "table", "--registered"])
    module.main()
    cells = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    p = {row[0].strip("| "): float(row[4]) for row in cells if row[4].strip()}
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/evidence.md")}
    assert p == {"no sources": 0.00019, "equal": 0.095, "equal, three times the steps": 0.16}
    for text in texts.values():
        assert ".0002" in text
        assert ".095" in text


def test_every_script_with_rows_has_its_table_tested() -> None:
    scripts = {path.stem for path in (ROOT / "experiments" / "studies").glob("*.py")}
    rows = {path.stem for path in (ROOT / "experiments" / "results").glob("*.jsonl")}
    assert scripts & rows == {*TABLES, *PAGES, *SOURCES}


def test_there_are_studies() -> None:
    assert STUDIES


def test_every_result_is_listed() -> None:
    folder = ROOT / "experiments" / "results"
    text = (folder / "README.md").read_text(encoding="utf-8")
    linked = {target.split("/")[0] for target in re.findall(r"\]\(([^)#]+)\)", text)} - {".."}
    assert linked == {path.name for path in folder.iterdir()} - {"README.md"}
