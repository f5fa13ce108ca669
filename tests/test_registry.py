"""Names and what they refer to."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from molweight import datasets, encoders, features, objectives
from molweight.errors import ConfigError, DataError, DuplicateNameError, UnknownNameError
from molweight.graphs import MoleculeDataset, TargetSpec
from molweight.mlo import solvers, weightings
from molweight.registry import Registry, _registries

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that puts a package ``shapes_plugin`` with the given entry point and source on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(point: str, source: str) -> None:
        monkeypatch.delitem(sys.modules, "shapes_plugin", raising=False)
        (tmp_path / "shapes_plugin.py").write_text(source)
        about = tmp_path / "shapes_plugin-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shapes-plugin\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[test.shapes]\n{point}\n")

    return put


def shapes() -> Registry[type]:
    return Registry[type]("shape", group="test.shapes")


def test_a_name_is_registered_once() -> None:
    registry = shapes()
    registry.register("circle")(int)
    registry.register("circle")(int)  # the same again: a module that is imported twice
    with pytest.raises(DuplicateNameError, match="shape 'circle' is registered already, by <class 'int'>"):
        registry.register("circle")(str)
    assert registry.get("circle") is int


CELLS = {
    "objective": """
@objectives.register("test_cell")
class Cell(objectives.get("functional_groups")):
    family, paper = "property", "this test"
""",
    "encoder": """
@encoders.register("test_cell")
class Cell(encoders.get("gin")):
    pass
""",
    "weighting": """
@weightings.register("test_cell")
class Cell(weightings.get("equal")):
    pass
""",
    "solver": """
@solvers.register("test_cell")
class Cell(solvers.get("cg")):
    pass
""",
    "dataset": """
@datasets.register("test_cell")
def cell():
    return datasets.load("bace")
""",
    "split": """
@datasets.SPLITTERS.register("test_cell")
def cell(data, request):
    return datasets.SPLITTERS.get("random")(data, request)
""",
    "feature set": """
def compute(smiles):
    return np.array([[len(text)] for text in smiles], dtype=np.float32)

spec = TargetSpec("test_cell", version=1, dim=1, dtype="float32", compute=compute)
features.register("test_cell")(features.FeatureSet(spec, ("length",), "Lengths."))
""",
}
"""For each kind, the cell of a notebook that registers a name."""
NAMES: dict[str, object] = {
    "TargetSpec": TargetSpec,
    "datasets": datasets,
    "encoders": encoders,
    "features": features,
    "np": np,
    "objectives": objectives,
    "solvers": solvers,
    "weightings": weightings,
}


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_of_a_notebook_can_be_run_again(kind: str) -> None:
    notebook, elsewhere = {**NAMES, "__name__": "__main__"}, {**NAMES, "__name__": "another_module"}
    for _ in range(2):
        exec(CELLS[kind], notebook)  # noqa: S102 - as a notebook does
    (registry,) = (registry for registry in _registries if registry.kind == kind and "test_cell" in registry)
    registered = registry.get("test_cell")
    assert registered in notebook.values() or registered.spec is notebook["spec"]  # the second one
    renamed = re.sub(r"(?<=def )compute|compute(?=\))|[Cc]ell(?=[(:])", "Other", CELLS[kind])
    for code, names in ((CELLS[kind], elsewhere), (renamed, notebook)):
        with pytest.raises(DuplicateNameError, match="'test_cell' is registered already"):
            exec(code, names)  # noqa: S102 - another definition
    assert registry.get("test_cell") is registered


def test_functions_without_a_name_are_different() -> None:
    registry = Registry[Callable[[], int]]("number")
    registry.register("one")(lambda: 1)
    with pytest.raises(DuplicateNameError, match="number 'one' is registered already"):
        registry.register("one")(lambda: 2)


def test_a_miss_is_answered_with_the_nearest() -> None:
    registry = shapes()
    registry.register("circle")(int)
    with pytest.raises(UnknownNameError, match="unknown shape 'circel'; did you mean 'circle'"):
        registry.get("circel")


@pytest.mark.parametrize("name", ["", "a,b", "a b", "--a=b"])
def test_names_can_be_typed(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits and underscores"):
        shapes().register(name)(int)


def test_an_entry_point_names_a_class(install: Install) -> None:
    install("square = shapes_plugin:Square", "class Square: ...")
    registry = shapes()
    assert registry.available() == ["square"]
    assert registry.get("square").__name__ == "Square"


@pytest.mark.parametrize("value", ["shapes_plugin:Square", "shapes_plugin"])
def test_an_entry_point_names_what_registers_itself(
    value: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = shapes()
    monkeypatch.setattr(sys.modules[__name__], "SHAPES", registry, raising=False)
    install(
        f"square = {value}",
        f"import sys\n@sys.modules[{__name__!r}].SHAPES.register('square')\nclass Square: ...",
    )
    assert registry.available() == ["square"]


@pytest.mark.parametrize(
    ("point", "source", "error", "message"),
    [
        ("square = shapes_plugin:Sqare", "class Square: ...", ConfigError, "'square' of the package 'shapes-plugin'"),
        ("square = shapes_plugin:S", "import no_such_module", ConfigError, "No module named 'no_such_module'"),
        ("square = shapes_plugin:S", "class S:", ConfigError, "cannot be loaded"),
        ("square = shapes_plugin", "", ConfigError, "does not register that name"),
        ("circle = shapes_plugin:C", "class C: ...", DuplicateNameError, "'circle' of the package 'shapes-plugin' is"),
    ],
)
def test_a_broken_package_is_named(
    point: str, source: str, error: type[Exception], message: str, install: Install
) -> None:
    install(point, source)
    registry = shapes()
    registry.register("circle")(int)
    for _ in range(2):  # it does not go unnoticed the second time
        with pytest.raises(error, match=message):
            registry.available()


def test_only_what_it_is_for_is_taken() -> None:
    # The types forbid this; who does not check types is told.
    with pytest.raises(ConfigError, match="objective 'thing' must be a subclass of Objective"):
        objectives.register("thing")(int)  # type: ignore[type-var]  # what is tested
    with pytest.raises(ConfigError, match="encoder 'thing' must be a subclass of Encoder"):
        encoders.register("thing")(int)  # type: ignore[type-var]  # what is tested
    with pytest.raises(ConfigError, match="weighting 'thing' must be a subclass of Weighting"):
        weightings.register("thing")(int)  # type: ignore[arg-type]  # what is tested
    assert "thing" not in {*objectives.available(), *encoders.available()}


@pytest.mark.usefixtures("registries")
class TestDatasets:
    """Loaders of tables."""

    def test_a_loader_is_found_and_given_what_it_takes(self) -> None:
        seen: dict[str, object] = {}

        @datasets.register("test_alcohols")
        def alcohols(*, cache: bool, progress: bool) -> MoleculeDataset:
            seen.update(cache=cache, progress=progress)
            return datasets.from_smiles(["CO", "CCO", "OCCO"], [1.0, 1.0, 2.0], name="alcohols", cache=cache)

        data = datasets.load("test_alcohols", cache=False)
        assert (data.name, len(data), seen) == ("alcohols", 3, {"cache": False, "progress": False})
        assert "test_alcohols" in datasets.available()
        with pytest.raises(ConfigError, match="takes no 'targets'"):
            datasets.load("test_alcohols", "y")
        with pytest.raises(UnknownNameError, match="did you mean 'test_alcohols'"):
            datasets.load("test_alcohol")

    def test_a_table_of_the_catalogue_cannot_be_replaced(self) -> None:
        with pytest.raises(DuplicateNameError, match="'bbbp' is built in"):
            datasets.register("bbbp")(lambda: datasets.load("bace"))

    def test_anything_but_a_dataset_is_refused(self) -> None:
        datasets.register("test_nothing")(lambda: 3)  # type: ignore[type-var]  # what is tested
        with pytest.raises(DataError, match="its loader returned int, not a MoleculeDataset"):
            datasets.load("test_nothing")
        with pytest.raises(ConfigError, match="must be a function"):
            datasets.register("test_class")(MoleculeDataset)


REGISTRIES: dict[str, tuple[Callable[..., object], str, dict[str, object]]] = {
    "encoder": (encoders.create, "gin", {}),
    "objective": (objectives.create, "graphcl", {"width": 8}),
    "weighting": (weightings.create, "dwa", {"names": ["a", "b"]}),
    "solver": (solvers.create, "cg", {}),
    "split": (datasets.SPLITTERS.create, "butina", {"data": None, "request": None}),
}
"""For each kind: how it is created, the name of one that has options, and what the caller fills in."""


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_kind_answers_a_wrong_option_alike(kind: str) -> None:
    create, name, given = REGISTRIES[kind]
    with pytest.raises(ConfigError) as caught:
        create(name, **given, nonsense=1)
    assert re.fullmatch(rf"{kind} '{name}' has no option 'nonsense'\. Options: \w+(, \w+)*\.", str(caught.value))
    option = str(caught.value).split()[-1].rstrip(".")
    with pytest.raises(ConfigError, match=f"^{kind} '{name}' has no option '{option}x'; did you mean '{option}'"):
        create(name, **given, **{f"{option}x": 1})
    with pytest.raises(ConfigError, match=f"^{kind} '{name}': {option}='a' must be "):
        create(name, **given, **{option: "a"})
    with pytest.raises(UnknownNameError, match=f"^unknown {kind} '{name}x'; did you mean '{name}'.* Available: "):
        create(f"{name}x", **given)


def test_an_option_that_is_needed_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"weighting 'fixed' needs the option 'weights'\. Options: weights\."):
        weightings.create("fixed", ["a"])


@pytest.mark.parametrize(("package", "options"), [(encoders, {}), (objectives, {"width": 8})])
def test_build_is_the_old_name_of_create(package: ModuleType, options: dict[str, int]) -> None:
    name = {encoders: "gin", objectives: "graphcl"}[package]
    with pytest.warns(DeprecationWarning, match=rf"{package.__name__}.build is deprecated; use .*create"):
        assert type(package.build(name, **options)) is type(package.create(name, **options))
