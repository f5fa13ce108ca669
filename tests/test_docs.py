"""The pages of the documentation: blocks that can be run, and figures that are in the results."""

import ast
import importlib.util
import inspect
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from molweight.arguments import accepted_options
from molweight.cli._presets import PRESETS
from molweight.encoders import MessagePassingEncoder
from molweight.ensemble._fit_member import epochs_for
from molweight.ensemble._partners import _LARGE, _MOST_ROWS
from molweight.estimators import TapWeightRegressor
from molweight.runs import read_checkpoint
from molweight.training._resolve import resolve_init

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RESULTS = ROOT / "experiments" / "results"
PAGES = sorted(DOCS.glob("*.md"))
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def _module(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    return _module(ROOT / ".ci" / "readme.py", "docs_runner")


@every_page
def test_blocks_are_well_formed_and_none_is_overlooked(page: Path, runner: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    found = list(runner.blocks(text))
    for block in found:
        if block.language == "python":
            ast.parse(block.code)
        else:
            subprocess.run(["bash", "-n", "-c", block.code], check=True)
    shown = [block for block in found if text.splitlines()[block.line - 2].startswith("```")]
    fences = re.findall(r"^ *```(?:sh|python).*$", text, flags=re.MULTILINE)
    assert len(shown) == len(fences)


def test_the_reference_names_every_package() -> None:
    modules = {path.read_text(encoding="utf-8").split(":::")[1].split()[0] for path in (DOCS / "api").glob("[!i]*.md")}
    public = {path.parent.name for path in (ROOT / "molweight").glob("*/__init__.py")} - {"cli", "descriptors"}
    public |= {"datasets", "objectives", "errors"}
    assert modules == {f"molweight.{name}" for name in public} | {"molweight.mlo.solvers", "molweight.mlo.weightings"}


def test_every_page_stands_in_the_navigation() -> None:
    def pages(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [page for item in (entry.values() if isinstance(entry, dict) else entry) for page in pages(item)]

    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(listed) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("path", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    for cell in code:
        ast.parse("".join(cell["source"]))


ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?(molweight[\w.]+)`")
NAME = re.compile(r"`(molweight(?:\.\w+)+)")
GROUPS = {"molweight.solvers", "molweight.splits", "molweight.weightings"}
"""Groups of entry points, which are not modules."""


def _refer_to(name: str) -> None:
    """Look a name up; fields without a default, and attributes of instances, are found in the source of the class."""
    found: Any = importlib.import_module("molweight")
    for part in name.split(".")[1:]:
        if hasattr(found, part) or not inspect.isclass(found):
            found = (
                getattr(found, part) if hasattr(found, part) else importlib.import_module(f"{found.__name__}.{part}")
            )
        else:
            assert re.search(rf"\b(self\.)?{part}: ", inspect.getsource(found)), name
            return


def test_references_name_what_exists_and_is_not_deprecated() -> None:
    code = [path for folder in ("molweight", "objectives", "datasets") for path in (ROOT / folder).rglob("*.py")]
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    texts = [
        (kind, path.read_text(encoding="utf-8")) for kind, group in ((ROLE, code), (NAME, pages)) for path in group
    ]
    names = {name for kind, text in texts for name in kind.findall(text)} - GROUPS
    assert len(names) > 80
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        for name in sorted(names):
            _refer_to(name)


def _rows(page: str, heading: str) -> dict[str, list[str]]:
    """The first table under a heading of a page: cells by the first one."""
    text = (DOCS / page).read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return _table(text)


def _table(text: str) -> dict[str, list[str]]:
    lines = re.search(r"(^\|.*\n)+", text, flags=re.MULTILINE)
    assert lines is not None
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return {row[0]: row[1:] for row in cells[2:]}


def _json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return found


def test_prices_of_steps_are_those_of_the_results() -> None:
    rows = _rows("solvers.md", "What a step costs")
    results = _json("step_views.json")
    ratios = [results[encoder]["ratios"] for encoder in ("gin 3x128", "gin 5x300", "dmpnn 3x300")]
    assert len(rows) == 6
    assert rows == {title: [f"{each[title]['median']:.2f}" for each in ratios] for title in rows}


def test_prices_on_a_gpu_are_those_of_the_results() -> None:
    text = (DOCS / "solvers.md").read_text(encoding="utf-8").split("On a GPU")[1].split("\n\n")[0]
    solves = "cg 5 + 5, damping 10, every 10, solves on"
    for name, key, kinds in (
        ("step_gpu.json", "ratio", ["identity", "identity, every 10", f"{solves} 48", f"{solves} 256"]),
        ("step_memory_gpu.json", "peak_ratio", [f"{solves} 48", f"{solves} 64", f"{solves} 256"]),
    ):
        values = _json(name)["gin 5x300"]
        assert [kind for kind in kinds if f"{values[kind][key]:.2f}" not in text] == []


def test_accuracy_of_solvers_is_that_of_the_results() -> None:
    lines = (RESULTS / "solver_accuracy.md").read_text(encoding="utf-8").splitlines()
    text = (DOCS / "solvers.md").read_text(encoding="utf-8").split("## How accurate it is")[1].split("\n## ")[0]
    shown = [line for line in text.splitlines() if line.startswith("| gin")]
    assert len(shown) == 6
    assert set(shown) <= set(lines)


def test_planted_weights_are_those_of_the_results() -> None:
    rows = [json.loads(line) for line in (RESULTS / "planted.jsonl").read_text(encoding="utf-8").splitlines()]
    shown = _rows("solvers.md", "The resulting weights")
    assert set(shown) == {row["rule"] for row in rows}
    for rule, cells in shown.items():
        for table, cell in zip(("freesolv", "esol", "bbbp"), cells, strict=True):
            pairs = [row["weights"] for row in rows if (row["rule"], row["table"]) == (rule, table)]
            oracle, noise = ([pair[f"planted_{name}"] for pair in pairs] for name in ("oracle", "noise"))
            right = sum(one > other for one, other in zip(oracle, noise, strict=True))
            means = " / ".join(f"{sum(values) / len(pairs):.2f}" for values in (oracle, noise))
            assert cell == f"{right} of {len(pairs)} ({means})", (rule, table)


def test_gradients_on_other_molecules_are_those_of_the_results() -> None:
    rows = [json.loads(line) for line in (RESULTS / "align_on.jsonl").read_text(encoding="utf-8").splitlines()]
    shown = _rows("corpora.md", "Gradients on the task's own molecules")
    right = {"corpus": 0, "own": 0, "both": 0}
    for title, cells in shown.items():
        weighting, place = title.split(", ")
        own = [row for row in rows if (row["weighting"], row["align_on"]) == (weighting, place)]
        for table, cell in zip(("freesolv", "esol", "lipophilicity"), cells, strict=False):
            pairs = [row["weights"] for row in own if row["table"] == table]
            oracle, noise = ([pair[f"planted_{name}"] for pair in pairs] for name in ("oracle", "noise"))
            count = sum(one > other for one, other in zip(oracle, noise, strict=True))
            means = " / ".join(f"{sum(values) / len(pairs):.2f}" for values in (oracle, noise))
            assert cell == f"{count} of {len(pairs)} ({means})", (title, table)
            right[place] += count
    assert right == {"corpus": 9, "own": 4, "both": 4}


def test_planted_signals_and_prices_of_sources_are_those_of_the_results() -> None:
    text = (DOCS / "sources.md").read_text(encoding="utf-8")
    lines = (RESULTS / "planted_signals.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in text.splitlines() if line.startswith(("| learned", "| solved"))]
    assert len(shown) == 10
    assert set(shown) <= set(lines)
    prices = _json("step_closed_form.json")["gin 3x128"]
    for page in ("sources.md", "solvers.md"):
        words = (DOCS / page).read_text(encoding="utf-8")
        for kind in ("identity", "identity, every 10", "closed form, every 10"):
            assert f"{prices[kind]['cpu_ratio']:.2f}" in words, (page, kind)


def test_figures_on_scale_are_those_of_the_results() -> None:
    shown = list(_rows("scale.md", "Molecules").values())
    table, corpus, sample = _json("featuriser.json")["cached_table"], _json("corpus.json"), _json("data.json")
    bytes_per = (sample["stored_bytes_per_molecule"], table["bytes_per_molecule"], corpus["disk_bytes_per_molecule"])
    assert shown[0][0] == "; ".join(f"{value:.0f}" for value in bytes_per)
    assert shown[1][0] == f"{corpus['peak_resident_MiB']:.0f} MiB"
    assert shown[2][0] == f"{table['load_again_wall_seconds']:.2f} s"


def test_epochs_by_the_size_of_the_table_are_those_of_the_schedule() -> None:
    shown = _rows("scale.md", "How a fit grows")
    assert len(shown) == 13
    most = _MOST_ROWS * 2 // 3  # of three folds, a member trains on two
    for title, cells in shown.items():
        rows = int(title.replace(",", ""))
        short = f"{epochs_for(rows, short=rows * 3 // 2 > _LARGE)}" if rows <= most else "not used"
        assert cells == [f"{epochs_for(rows)}", short], title


def test_counts_of_intervals_that_hold_the_test_score_are_those_of_the_results() -> None:
    study = _module(ROOT / "experiments" / "studies" / "coverage.py", "coverage_study")
    shown = list(_rows("evidence.md", "How honest is the error estimate?").values())
    for name, cells in zip(study.FILES, shown, strict=True):
        rows = study.rows_of(RESULTS / name)
        counts = study.covered(rows, "expected_low", "expected_high"), study.covered(rows, "low", "high")
        assert cells == [f"{inside} of {of}" if of else "not recorded" for inside, of in counts], name


def test_sizes_on_the_page_of_the_estimators_are_the_defaults() -> None:
    text = (DOCS / "estimators.md").read_text(encoding="utf-8")
    ours, small = TapWeightRegressor().get_params(), PRESETS["small"]
    stated = text.split("| `steps`, `batch_size` |")[1].split("\n")[0]
    for values in (ours, small):
        assert f"{values['steps']} steps of {values['batch_size']} molecules" in stated
    corpora = text.split("| `corpus`, `corpus_size` |")[1].split("\n")[0].replace(" 000 ", "000 ")
    assert f" {ours['corpus_size']} molecules" in corpora
    assert f" {small['corpus_size']} molecules" in corpora
    assert f"pretrained for {ours['pretrain_steps']} steps" in text
    gin = accepted_options(MessagePassingEncoder)
    assert f"a GIN of {gin['layers']} layers, {gin['width']} wide" in text
    assert resolve_init(TapWeightRegressor().job()).init == "gin_zinc"
    shipped = read_checkpoint("gin_zinc").encoder_options
    assert f"{shipped['layers']} layers, {shipped['width']} wide |" in text
    assert f"{100 * ours['holdout']:.0f} % train the weights" in text


def test_the_tests_of_past_faults_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Faults that must not come back")[2]
    rows = re.findall(r"^\| (\d+) \|.*", text, flags=re.MULTILINE)
    assert rows == [str(number) for number in range(1, 19)]
    for file, _, name in (found.partition("::") for found in re.findall(r"`(tests/[^`]+)`", text)):
        path = ROOT / file
        assert path.is_file(), file
        assert not name or f"\ndef {name}(" in path.read_text(encoding="utf-8"), name
