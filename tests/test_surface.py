"""What is public: few names, each in one place, and nothing private of another package is used."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

import molweight as mw
from molweight import datasets, encoders, objectives
from molweight.encoders import building_blocks as encoder_blocks
from molweight.objectives import building_blocks as objective_blocks

PACKAGES = (
    "benchmark",
    "datasets",
    "diagnostics",
    "encoders",
    "ensemble",
    "estimators",
    "features",
    "graphs",
    "models",
    "objectives",
    "options",
    "report",
    "runs",
    "training",
)
MOST = 160
"""Public names of these packages together; ``molweight.mlo`` is a library of its own, ``internal`` is not public."""


def test_there_are_not_many_public_names() -> None:
    counts = {name: len(importlib.import_module(f"molweight.{name}").__all__) for name in PACKAGES}
    assert sum(counts.values()) <= MOST, counts


@pytest.mark.parametrize(
    "path", sorted(Path(mw.__file__).parent.glob("*/internal.py")), ids=lambda path: path.parent.name
)
def test_internal_names_are_needed_by_others_and_are_not_public(root: Path, path: Path) -> None:
    package = importlib.import_module(f"molweight.{path.parent.name}")
    names = set(importlib.import_module(f"{package.__name__}.internal").__all__)
    assert names.isdisjoint(package.__all__)
    imports = re.compile(rf"from {re.escape(package.__name__)}\.internal import (?:\(([^)]*)\)|([^\n]*))")
    used: set[str] = set()
    for folder in ("molweight", "objectives", "datasets", "experiments", "tests"):
        for other in (root / folder).rglob("*.py"):
            for match in imports.finditer(other.read_text()):
                used |= set(re.findall(r"\w+", match[1] or match[2]))
    assert names <= used, f"nothing imports {sorted(names - used)}"


def test_names_that_became_internal_are_still_found() -> None:
    with pytest.warns(DeprecationWarning, match=r"format_score is deprecated; use molweight\.datasets\.internal"):
        assert callable(getattr(datasets, "format_score"))  # noqa: B009 - a type checker refuses the attribute


def test_the_package_lists_what_it_has() -> None:
    assert set(mw.__all__) == set(dir(mw))
    assert {"benchmark", "estimators", "Job", "fit", "load"} <= set(dir(mw))
    for name in mw.__all__:
        assert getattr(mw, name) is not None
    assert mw.benchmark.__name__ == "molweight.benchmark"


@pytest.mark.parametrize("name", [*PACKAGES, "errors", "mlo"])
def test_each_package_is_imported_on_first_use(name: str) -> None:
    found = mw.__getattr__(name)  # what runs on first use; later the attribute is there
    assert getattr(found, "__name__", None) == f"molweight.{name}"
    assert name in dir(mw)


def test_no_package_imports_what_is_private_to_another(root: Path) -> None:
    found = []
    for path in sorted((root / "molweight").glob("*/**/*.py")):
        own = path.relative_to(root / "molweight").parts[0]
        for package, private in re.findall(r"(?:from|import) molweight\.(\w+)(?:\.\w+)*?\.(_\w+)", path.read_text()):
            if package != own:
                found.append(f"{path.relative_to(root)}: molweight.{package}.{private}")
    for name in ("datasets", "objectives"):  # links in molweight/, which glob does not follow
        for path in sorted((root / name).glob("*.py")):
            for package, private in re.findall(
                r"(?:from|import) molweight\.(\w+)(?:\.\w+)*?\.(_\w+)", path.read_text()
            ):
                if package != name:
                    found.append(f"{path.relative_to(root)}: molweight.{package}.{private}")
    assert found == []


@pytest.mark.parametrize(("package", "blocks"), [(objectives, objective_blocks), (encoders, encoder_blocks)])
def test_names_that_became_building_blocks_are_still_found(package: ModuleType, blocks: ModuleType) -> None:
    name = next(name for name in blocks.__all__ if name not in package.__all__)
    with pytest.warns(DeprecationWarning, match=rf"{name} is deprecated; use .*building_blocks\.{name}"):
        assert getattr(package, name) is getattr(blocks, name)


def test_a_name_that_never_was_is_no_attribute() -> None:
    name = "Grphcl"  # not written out below, where a type checker would refuse it
    with pytest.raises(AttributeError, match=r"module 'molweight.objectives' has no attribute 'Grphcl'"):
        getattr(objectives, name)
