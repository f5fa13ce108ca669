"""The core as a distribution of its own: built, installed alone, and run with torch and nothing else."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "distributions" / "mlo"
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by way of the source distribution, so that this holds everything that is needed."""
    folder = tmp_path_factory.mktemp("mlo")
    copy = folder / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("molweight", "*.egg-info", "build"))
    (copy / "molweight").symlink_to(ROOT / "molweight")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel, torch and what torch declares: all that a new interpreter will see."""
    target = tmp_path_factory.mktemp("target")
    _run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel, cwd=target)
    for path in _needed_by("torch", set()):
        (target / path.name).symlink_to(path)
    return target


def _needed_by(name: str, seen: set[str]) -> set[Path]:
    """Files and folders at the top of what a distribution and all it requires have installed."""
    seen.add(canonicalize_name(name))
    distribution = metadata.distribution(name)
    tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in {"..", "__pycache__"}}
    found = {Path(str(distribution.locate_file(top))) for top in tops}
    for text in distribution.requires or []:
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and canonicalize_name(requirement.name) not in seen:
            found |= _needed_by(requirement.name, seen)
    return found


def _python(code: str, alone: Path, cwd: Path) -> str:
    # -S: neither installed packages nor path files, which lead back to this repository; -I: not the current folder.
    code = f"import sys\nsys.path.insert(0, {str(alone)!r})\n{code}"
    return _run(sys.executable, "-I", "-S", "-W", "error::DeprecationWarning", "-c", code, cwd=cwd)


def test_the_wheel_holds_the_core_and_what_it_imports(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = ROOT / "molweight" / "mlo"
    core = {f"molweight/mlo/{path.relative_to(source)}" for path in source.rglob("*.py")}
    modules = {f"{name.replace('.', '/')}.py" for name in SETTINGS["tool"]["setuptools"]["py-modules"]}
    assert held == core | modules | {"molweight/mlo/py.typed"}


def test_the_wheel_is_versioned_and_needs_torch_alone(wheel: Path) -> None:
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    text = zipfile.ZipFile(wheel).read(name).decode()
    required = re.findall(r"^Requires-Dist: (.*)$", text, flags=re.MULTILINE)
    assert [line for line in required if "extra ==" not in line] == ["torch>=2.13"]
    assert "\nDescription-Content-Type: text/markdown\n" in text
    assert wheel.name.startswith(f"molweight_mlo-{_version()}-")


def _version() -> str:
    from molweight import mlo

    return mlo.__version__


def test_it_works_with_torch_and_nothing_else(alone: Path, tmp_path: Path) -> None:
    code = f"""
import importlib, importlib.util
import molweight, molweight.mlo as mlo
assert list(molweight.__path__) == [{str(alone / "molweight")!r}], molweight.__path__
assert importlib.util.find_spec("molweight.datasets") is None
assert importlib.util.find_spec("molweight.mlo") is not None
others = ("numpy", "pandas", "rdkit", "scipy", "sklearn", "torch_geometric", "torchjd")
assert not [name for name in others if importlib.util.find_spec(name)]
import torch
ridge = mlo.Level("ridge", lambda own, upper: ((own["w"] - 1) ** 2 + upper["decay"] * own["w"] ** 2).sum())
at, upper = [{{"w": torch.tensor([0.5])}}], {{"decay": torch.tensor(1.0)}}
outer = lambda own, upper: (own["w"] ** 2).sum()
for name in mlo.solvers.available():
    result = mlo.hypergradient([ridge], at, upper, outer, mlo.solvers.create(name))
    print(name, result.stats["ridge"].outcome.name)
exact = mlo.hypergradient([ridge], at, upper, outer, mlo.solvers.create("dense"))
print(round(float(exact.value["decay"]), 6), mlo.__version__)
"""
    lines = _python(code, alone, tmp_path).splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [
        "cg",
        "dense",
        "identity",
        "neumann",
        "nystrom",
        "sama",
        "unrolled",
    ]
    assert lines[-1] == f"-0.25 {_version()}"  # w* = 1 / (1 + decay), and d(w*^2)/d(decay) = -2 / (1 + decay)^3


def test_a_missing_extra_is_named(alone: Path, tmp_path: Path) -> None:
    code = """
from molweight.errors import ConfigError
from molweight.mlo import weightings
try:
    weightings.create("pcgrad", ["one", "two"])
except ConfigError as error:
    print(error)
"""
    assert "torchjd, which is not installed" in _python(code, alone, tmp_path)


def test_the_examples_of_its_readme_run(alone: Path, tmp_path: Path) -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    printed = _python("\n".join(blocks), alone, tmp_path).splitlines()
    assert printed[0] == "CONVERGED"
    assert printed[1].startswith("{'useful': ")


def test_it_is_licensed_as_the_repository_is() -> None:
    assert (PROJECT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_its_bounds_are_those_of_the_repository() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(SETTINGS["project"]["dependencies"]) <= set(whole["project"]["dependencies"])
    extra = SETTINGS["project"]["optional-dependencies"]["baselines"]
    assert set(extra) <= set(whole["project"]["optional-dependencies"]["baselines"])
    assert SETTINGS["build-system"] == whole["build-system"]
