"""Settings of the test session."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import pytest
import torch
from hypothesis import settings

from molweight.graphs.internal import rdkit_version
from molweight.registry import _registries
from molweight.seeding import seeded

ROOT = Path(__file__).resolve().parents[1]

# `python -m pytest` puts the root on sys.path, where its `datasets/` would shadow Hugging Face's.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]

# How long one example takes says nothing on a shared machine.
settings.register_profile("molweight", deadline=None)
settings.load_profile("molweight")

# A shell ignores Ctrl-C for what it starts in the background, and nohup the end of the terminal: the tests of
# interruptions send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_CACHE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the session an empty cache, shared by its processes, one core for each, and plots that open no window."""
    os.environ["MPLBACKEND"] = "agg"
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # processes of a session share the cores; see the fixture `two_cores`
    if not hasattr(config, "workerinput"):
        config.stash[_CACHE] = tempfile.TemporaryDirectory(prefix="molweight-cache-")
        os.environ["MOLWEIGHT_CACHE"] = config.stash[_CACHE].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache."""
    if _CACHE in config.stash:
        config.stash[_CACHE].cleanup()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs what takes minutes."""
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked ``gpu`` where there is none, and what is marked ``slow`` unless asked for."""
    for item in items:
        if item.get_closest_marker("gpu") is not None and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("slow") is not None and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after the test what it registers: the processes of a session run tests in any order."""
    for registry in list(_registries):
        registry.available()  # entry points are read once
        monkeypatch.setattr(registry, "_items", dict(registry._items))


@pytest.fixture
def upgrade_rdkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A function after which the installed RDKit is said to be version 3000.1, whose results are those of this one."""

    def upgrade() -> None:
        place = tmp_path / "upgraded" / "rdkit-3000.1.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: rdkit\nVersion: 3000.1\n")
        monkeypatch.syspath_prepend(place.parent)
        rdkit_version.cache_clear()

    yield upgrade
    rdkit_version.cache_clear()


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let molweight compute in several processes, as it does by default."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    if joblib.cpu_count() == 1:
        pytest.skip("a single core starts no processes")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def tabicl_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files as TabICL's authors write them, of small networks with random weights: for numbers and for classes."""
    pytest.importorskip("tabicl")
    from tabicl._model.tabicl import TabICL

    blocks = {f"{part}_{name}": 1 for part in ("col", "row", "icl") for name in ("num_blocks", "nhead")}
    config = {**blocks, "embed_dim": 8, "col_num_inds": 4, "row_num_cls": 2, "zero_init": False, "num_quantiles": 9}
    folder = tmp_path_factory.mktemp("tabicl")
    found = {}
    for kind, classes in (("regressor", 0), ("classifier", 3)):
        own = {**config, "max_classes": classes}
        with seeded(0):
            network = TabICL(**own)
            for part in network.parameters():  # larger than at the start, so that rows differ
                torch.nn.init.normal_(part)
        found[kind] = folder / f"tabicl-{kind}-v2-test.ckpt"
        torch.save({"config": own, "state_dict": network.state_dict()}, found[kind])
    return found


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """The import path, restored: a plug-in's folder, which may be the root, stays on it."""
    before = list(sys.path)
    yield
    sys.path[:] = before
