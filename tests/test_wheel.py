"""The wheel and the source distribution: what is in them, and that they work where the repository is not."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
KEPT = {"Makefile", "pyproject.toml", "constraints.txt", ".ci/run"} | {
    *("CHANGELOG.md", "CITATION.cff", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
}


def _run(*command: str | Path, cwd: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _package_files(root: Path) -> set[str]:
    """Each file of the packages, by its path in the wheel."""
    files: set[str] = set()
    for name, folder in FOLDERS.items():
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files.add(f"{name.replace('.', '/')}/{path.relative_to(root / folder)}")
    return files


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both: the source distribution from a copy of the repository, and the wheel built from that."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "copy"
    everywhere = shutil.ignore_patterns(
        ".git", ".venv", ".hypothesis", ".*_cache", "__pycache__", "*.egg-info", "build"
    )

    def left_out(place: str, names: list[str]) -> set[str]:
        # Of the root alone: the package has a folder of that name, too.
        return everywhere(place, names) | ({"runs"} if Path(place) == ROOT else set())

    shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that holds the wheel; what molweight depends on is borrowed from this one."""
    environment = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    scripts = environment / "bin"
    pip = (sys.executable, "-m", "pip", "--python", scripts / "python")
    _run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=environment)
    purelib = _run(
        scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment
    ).strip()
    # A path file adds the folder and not what path files in it add, such as an editable molweight, or the folder that
    # holds torch where this environment has borrowed that itself.
    folders = dict.fromkeys([sysconfig.get_path("purelib"), str(Path(torch.__file__).parents[1])])
    Path(purelib, "borrowed.pth").write_text("".join(f"{folder}\n" for folder in folders), encoding="utf-8")
    return scripts


def test_the_wheel_holds_the_packages_and_nothing_else(built: Path, wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == _package_files(built / "copy")
    assert "molweight/py.typed" in held


def test_the_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (points,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "molweight = molweight.cli:main" in archive.read(points).decode()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())


def test_the_source_distribution_holds_what_development_needs(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    tests = {str(test.relative_to(built / "copy")) for test in (built / "copy" / "tests").rglob("*.py")}
    assert KEPT | tests <= held


def test_the_installed_wheel_is_imported_from_its_environment(installed: Path, tmp_path: Path) -> None:
    code = "import molweight, molweight.objectives; print(molweight.__file__); print(molweight.objectives.__file__)"
    files = _run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert [installed.parent in Path(file).parents for file in files] == [True, True]


def test_the_installed_wheel_loads_an_embedded_table(installed: Path, tmp_path: Path) -> None:
    code = "import molweight; print(len(molweight.datasets.load('freesolv')))"
    assert _run(installed / "python", "-c", code, cwd=tmp_path, MOLWEIGHT_CACHE=str(tmp_path)) == "642\n"


def test_the_installed_command_lists_the_objectives(installed: Path, tmp_path: Path) -> None:
    listed = _run(installed / "molweight", "list", "objectives", cwd=tmp_path)
    assert "attribute_masking" in listed
    assert "graphcl" in listed
