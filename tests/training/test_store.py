"""Files of tensors: whole or as they were, and refused in words where they are damaged; the cache of encoders."""

import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from molweight.datasets import load_corpus
from molweight.errors import DataError
from molweight.objectives._base import _OBJECTIVES
from molweight.options import Job
from molweight.runs import Run
from molweight.runs import load as load_run
from molweight.storage import FORMAT, pack, read_tensors, unpack, write_tensors
from molweight.training import generic_pretraining

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "empty": torch.empty(0, 4), "flags": torch.tensor([True, False])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "some.safetensors"
    write_tensors(target, TENSORS, {"name": "köbi", "n": [1, 2.5, None]})
    return target


def test_what_is_written_comes_back(path: Path) -> None:
    tensors, about = read_tensors(path)
    assert about == {"name": "köbi", "n": [1, 2.5, None]}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_every_changed_byte_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(DataError, match=r"is damaged|version of molweight"):
            read_tensors(path)


def test_every_truncation_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="is damaged"):
            read_tensors(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        read_tensors(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    marker = f'\\"format\\": {FORMAT}'.encode()
    content = path.read_bytes()
    assert content.count(marker) == 1
    path.write_bytes(content.replace(marker, marker[:-1] + b"9"))
    with pytest.raises(DataError, match=r"newer version of molweight \(format 9.*Update molweight"):
        read_tensors(path)


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """A user who may not write anywhere; the superuser may."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.fixture
def read_only(path: Path) -> Iterator[Path]:
    """A folder with a file in it that nothing can be written to."""
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name, path.name)
        shutil.copy(path, kept)
        Path(name).chmod(0o555)
        yield kept
        Path(name).chmod(0o755)


def test_read_only_folder_leaves_the_last_file(read_only: Path, ordinary_user: None) -> None:
    before = read_only.read_bytes()
    with pytest.raises(DataError, match="cannot be written: Permission denied"):
        write_tensors(read_only, TENSORS, {})
    assert read_only.read_bytes() == before
    assert [item.name for item in read_only.parent.iterdir()] == [read_only.name]


_FULL = """
import sys
from pathlib import Path
import torch
from molweight.errors import DataError
from molweight.storage import write_tensors
try:
    write_tensors(Path(sys.argv[1]), {"a": torch.zeros(100_000)}, {})
except DataError as error:
    sys.exit(str(error))
"""


def _limited() -> None:
    """No file may grow beyond 50 kB: writing more fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def test_full_disk_leaves_the_last_file(path: Path) -> None:
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-B", "-c", _FULL, str(path)], preexec_fn=_limited, capture_output=True, text=True, check=False
    )
    assert (
        done.stderr.strip() == f"{path} cannot be written: File too large. Free up disk space or choose another path."
    )
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_states_of_optimisers_and_generators_survive(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    weight.grad = torch.ones(3)
    optimizer.step()
    rng = np.random.default_rng(7)
    state = {"adam": optimizer.state_dict(), "rng": rng.bit_generator.state, "none": None, "tensor": 1}
    skeleton, tensors = pack(state)
    write_tensors(tmp_path / "state.safetensors", tensors, {"state": skeleton})
    read, about = read_tensors(tmp_path / "state.safetensors")
    back = unpack(about["state"], read)
    assert back["rng"] == rng.bit_generator.state
    assert back["adam"]["param_groups"] == optimizer.state_dict()["param_groups"]
    assert torch.equal(back["adam"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    assert back["tensor"] == 1
    with pytest.raises(TypeError, match="cannot hold a set"):
        pack({"a": {1}})


def test_a_saved_run_keeps_history_data_and_versions(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path)
    loaded = load_run(tmp_path, device="cpu")
    assert loaded.records == run.records
    assert loaded.trained_on == run.trained_on
    assert loaded.trained_on["sizes"] == {"train": 472, "meta": 64, "select": 41, "test": 65}
    assert json.loads((tmp_path / "weights.json").read_text()) == loaded.describe()
    card = (tmp_path / "README.md").read_text()
    assert "# freesolv: expt" in card
    assert run.trained_on["sha256"] in card
    assert f"| graphcl | {run.weights['graphcl']:.4f} |" in card


PLUGIN = """
import numpy as np
import torch
from molweight.graphs import TargetSpec
from molweight.objectives import Objective, column_of, draw_seed, register

def compute(smiles):
    return np.array([[len(text)] for text in smiles], dtype=np.float32)

LENGTH = TargetSpec("length_of_text", version={version}, dim=1, dtype="float32", compute=compute)

@register("length_of_text")
class Length(Objective):
    family, paper = "property", "this test"
    targets = (LENGTH,)

    def __init__(self, width):
        super().__init__(width)
        self.head = torch.nn.Linear(width, 1)

    def draw(self, batch, generator):
        return batch, column_of(batch, LENGTH), draw_seed(generator)

    def loss(self, encoder, views):
        batch, labels, seed = views
        return torch.nn.functional.mse_loss(self.head(encoder(batch, seed).graphs), {scale} * labels)
"""


@pytest.mark.usefixtures("registries", "empty_cache")
def test_an_edited_plugin_is_pretrained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # versions within a second would share it
    job = Job(encoder_options={"layers": 1, "width": 8}, objectives=["length_of_text"], pretrain_steps=2, batch_size=8)
    corpus, cache = load_corpus("zinc", size=16), tmp_path / "cache" / "pretrained"
    file = tmp_path / "plugin_of_lengths.py"

    def bias(version: int, scale: int, *, source: bool = True) -> float:
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
        _OBJECTIVES._items.pop("length_of_text", None)
        file.write_text(PLUGIN.format(version=version, scale=scale))
        importlib.invalidate_caches()
        importlib.import_module(file.stem)
        if not source:
            file.unlink()
        model, _ = generic_pretraining(job, corpus, torch.device("cpu"))
        return float(model.state_dict()["objectives.length_of_text.head.bias"].item())

    first = bias(1, 1)
    assert bias(1, 1) == first
    assert len(list(cache.iterdir())) == 1
    assert bias(1, -1) != first
    assert bias(2, 1) == first  # the same values under another version
    assert len(list(cache.iterdir())) == 3
    assert bias(1, -9, source=False) != first
    assert len(list(cache.iterdir())) == 3


@pytest.mark.usefixtures("empty_cache")
def test_an_encoder_is_pretrained_again_with_another_rdkit(tmp_path: Path, upgrade_rdkit: Callable[[], None]) -> None:
    job = Job(encoder_options={"layers": 1, "width": 8}, objectives=["graph_mae"], pretrain_steps=2, batch_size=8)
    cache = tmp_path / "cache" / "pretrained"
    for _ in range(2):
        generic_pretraining(job, load_corpus("zinc", size=16), torch.device("cpu"))
    assert len(list(cache.iterdir())) == 1
    upgrade_rdkit()
    generic_pretraining(job, load_corpus("zinc", size=16), torch.device("cpu"))
    assert len(list(cache.iterdir())) == 2
