"""What is public: few names, each in one place, and nothing private of another package is used."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

import molweight as mw
from molweight import encoders, objectives
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
MOST = 300
"""Public names of these packages together; ``molweight.mlo`` is a library of its own."""


def test_there_are_not_many_public_names() -> None:
    counts = {name: len(importlib.import_module(f"molweight.{name}").__all__) for name in PACKAGES}
    assert sum(counts.values()) <= MOST, counts


def test_the_package_lists_what_it_has() -> None:
    assert set(mw.__all__) == set(dir(mw))
    assert {"benchmark", "estimators", "Job", "fit", "load"} <= set(dir(mw))
    for name in mw.__all__:
        assert getattr(mw, name) is not None
    assert mw.benchmark.__name__ == "molweight.benchmark"


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
