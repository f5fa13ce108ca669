"""The folders at the root are reached as molweight.*, under one name each, and shadow no other package."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = ("objectives", "datasets")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages that holds another package called ``datasets``, as Hugging Face's is."""
    package = tmp_path / "site" / "datasets"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("load_dataset = len\n")
    return package.parent


def _python(*arguments: str, cwd: Path, site: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_are_linked_into_the_package(root: Path, folder: str) -> None:
    assert (root / "molweight" / folder).readlink() == Path("..", folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_plain_name_does_not_lead_here(root: Path, folder: str) -> None:
    spec = importlib.util.find_spec(folder)
    origin = spec.origin if spec is not None else None
    print(f"{folder} is {origin}")  # read by the test of `python -m pytest` below
    assert origin is None or root not in Path(origin).resolve().parents


def test_the_modules_have_one_name() -> None:
    import molweight.datasets
    import molweight.objectives

    assert molweight.objectives.__name__ == "molweight.objectives"
    assert molweight.datasets.__name__ == "molweight.datasets"
    assert "objectives" not in sys.modules


def test_another_datasets_is_found_under_python_m_pytest(root: Path, site: Path) -> None:
    probe = f"{Path(__file__).relative_to(root)}::test_the_plain_name_does_not_lead_here"
    run = _python("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", probe, cwd=root, site=site)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"datasets is {site / 'datasets' / '__init__.py'}" in run.stdout


def test_another_datasets_is_found_beside_molweight(tmp_path: Path, site: Path) -> None:
    code = "import molweight.datasets, datasets; print(datasets.load_dataset([1, 2]), molweight.datasets.__name__)"
    run = _python("-c", code, cwd=tmp_path, site=site)
    assert run.stdout == "2 molweight.datasets\n", run.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_python_c_in_the_root_never_takes_the_folder_for_the_package(root: Path, site: Path, folder: str) -> None:
    run = _python("-c", f"import molweight, {folder}", cwd=root, site=site)
    assert run.returncode == 1
    assert f"ImportError: import molweight.{folder}, not {folder}: the repository root is on sys.path" in run.stderr


def test_python_c_in_the_root_finds_another_datasets_on_the_safe_path(root: Path, site: Path) -> None:
    run = _python("-P", "-c", "import molweight, datasets; print(datasets.load_dataset([1]))", cwd=root, site=site)
    assert run.stdout == "1\n", run.stderr


def test_each_doctest_is_collected_once(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> None:
    # A run of the whole suite has collected them; one of this file collects them in a process of its own.
    config = request.config
    whole = {Path(name).name for name in config.args} >= {"molweight", "tests"}
    if whole and not config.option.keyword and not config.option.markexpr:
        collected = [item.nodeid for item in request.session.items if item.nodeid.startswith("molweight/")]
    else:
        run = _python(
            "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "molweight", cwd=root, site=tmp_path
        )
        assert run.returncode == 0, run.stdout + run.stderr
        collected = [line for line in run.stdout.splitlines() if "::" in line]
    names = [line.split("::")[1] for line in collected]
    assert sorted(names) == sorted(set(names))
    files = {(root / line.split("::")[0]).resolve() for line in collected}
    assert files == {path.resolve() for path in _sources(root) if _has_example(path)}


def _sources(root: Path) -> list[Path]:
    return [path for folder in ("molweight", *FOLDERS) for path in (root / folder).rglob("*.py")]


def _has_example(path: Path) -> bool:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(">>> " in (ast.get_docstring(node) or "") for node in nodes if isinstance(node, documented))
