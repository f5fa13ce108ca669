"""What pyproject.toml and its companions claim, compared with the tree and the environment."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
REQUIRED = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = [
    Requirement(text)
    for extra, texts in PROJECT["optional-dependencies"].items()
    if extra not in {"dev", "docs"}
    for text in texts
]
DEV = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
DOCS = [Requirement(text) for text in PROJECT["optional-dependencies"]["docs"]]


def _packages(folder: Path, name: str) -> set[str]:
    found = {name}
    for init in folder.rglob("__init__.py"):
        rel = init.parent.relative_to(folder)
        if not any((folder / part).is_symlink() for part in [rel, *rel.parents] if str(part) != "."):
            found.add(".".join([name, *rel.parts]))
    return found


def _imports(*folders: str) -> set[str]:
    """Top-level names imported in the Python files of ``folders``, but for the standard library and neighbours."""
    names: set[str] = set()
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"molweight", "experiments"} - {path.stem for path in paths}


def _distributions(names: set[str]) -> set[str]:
    providers = dict(packages_distributions())
    # An extra may be left out of the environment; it is then known by the name it is imported by.
    providers |= {name: [name] for name in names - set(providers) if canonicalize_name(name) in _names(EXTRAS)}
    missing = sorted(names - set(providers))
    assert not missing, f"imported but not installed: {missing}"
    return {str(canonicalize_name(providers[name][0])) for name in names}


def _names(requirements: list[Requirement]) -> set[str]:
    return {str(canonicalize_name(requirement.name)) for requirement in requirements}


def test_declared_packages_match_the_tree() -> None:
    config = PYPROJECT["tool"]["setuptools"]
    on_disk: set[str] = set()
    for name, folder in config["package-dir"].items():
        on_disk |= _packages(ROOT / folder, name)
    assert set(config["packages"]) == on_disk


def test_dependencies_are_what_the_packages_import() -> None:
    assert _names(REQUIRED) == _distributions(_imports("molweight", "objectives", "datasets")) - _names(EXTRAS)


def test_scripts_and_tests_import_only_what_is_declared() -> None:
    imported = _distributions(_imports("experiments", "examples", "tests", ".ci"))
    # packaging comes with build
    assert imported - _names(REQUIRED) - _names(DEV) - {"packaging"} == set()


def test_each_lower_bound_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounds = re.findall(r'^ *"[\w\[\]-]+>=([\d.]+)",?(.*)$', text, flags=re.MULTILINE)
    assert len(bounds) >= len(REQUIRED)
    for version, comment in bounds:
        assert re.fullmatch(r" +# .*\b" + re.escape(version) + r": .+", comment), (version, comment)


@pytest.mark.parametrize("requirement", [*REQUIRED, *DEV, *DOCS], ids=lambda requirement: requirement.name)
def test_constraints_pin_a_version_in_range(requirement: Requirement) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    versions = {str(canonicalize_name(name)): version for name, version in pins.items()}
    assert versions[str(canonicalize_name(requirement.name))] in requirement.specifier


def test_every_lower_bound_is_what_make_lowest_installs() -> None:
    """Compared with the text of pyproject.toml, which declares some packages several times."""
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "lowest.py"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project]")[2]
    declared = re.findall(r'"([\w-]+)(?:\[[\w-]+\])?>=([\d.]+)(?:,[<\d.]+)?"', text)
    assert len(declared) >= len([one for one in [*REQUIRED, *EXTRAS, *DEV] if one.specifier])
    assert set(printed) == {f"{canonicalize_name(name)}=={version}" for name, version in declared}
    assert len(printed) == len({line.partition("=")[0] for line in printed})


def test_make_lowest_installs_every_package_but_ray_and_torch_scatter() -> None:
    (line,) = re.findall(r"--editable '\.\[([a-z,]+)\]' 'virtualenv", (ROOT / "Makefile").read_text(encoding="utf-8"))
    extras = {
        extra: _names([Requirement(text) for text in texts])
        for extra, texts in PROJECT["optional-dependencies"].items()
    }
    needed = set[str]().union(*(names for extra, names in extras.items() if extra not in {"docs", "scatter", "scale"}))
    assert set[str]().union(*(extras[extra] for extra in line.split(","))) == needed


def test_torch_is_pinned_without_a_build() -> None:
    assert "torch==2.13.0\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_versions_agree() -> None:
    version = (ROOT / "molweight" / "_version.py").read_text(encoding="utf-8").split('"')[-2]
    assert PROJECT["dynamic"] == ["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert importlib.import_module("molweight").__version__ == version
    assert f"\nversion: {version}\n" in citation


def test_entry_points_exist() -> None:
    for target in PROJECT["scripts"].values():
        module, _, attribute = target.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))
