"""Two processes under torchrun compute what one does, and end together."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from molweight.cli import main
from molweight.datasets import load_corpus
from molweight.distributed import Team, own_folder, share_file, start, team
from molweight.encoders._base import share_of
from molweight.runs import load

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
FIT = [
    *("--data", "freesolv", "--encoder_options.layers", "1", "--encoder_options.width", "8", "--corpus_size", "32"),
    *("--pretrain_steps", "0", "--steps", "8", "--epochs", "1", "--members", "1", "--batch_size", "16"),
    *("--objectives", "mortal,graphcl", "--plugin", "mortal_objective", "--baselines", "[]", "--device", "cpu"),
]
FIT_COMMAND = ["-m", "molweight", "fit", *FIT, "--runs", "two"]
PLUGIN = """
import os
import signal
import time
import torch
from molweight.objectives import Objective, register

if os.environ.get("END") == "clocks" and os.environ.get("RANK") == "1":
    monotonic, perf_counter = time.monotonic, time.perf_counter
    time.monotonic, time.perf_counter = lambda: 10_000 * monotonic(), lambda: 10_000 * perf_counter()


@register("mortal")
class Mortal(Objective):
    family, paper = "property", "this test"

    def __init__(self, width):
        super().__init__(width)
        self.head, self.drawn = torch.nn.Linear(width, 1), 0

    def draw(self, batch, generator):
        self.drawn += 1
        if self.drawn == 6 and os.environ.get("END") == "stopped" and "RANK" in os.environ:
            os.kill(os.getpid(), signal.SIGTERM)
        if self.drawn == 6 and os.environ.get("END") == "killed" and os.environ.get("RANK") == "1":
            os._exit(7)
        return batch

    def loss(self, encoder, views):
        return self.head(encoder(views).graphs).square().mean()
"""


def torchrun(*arguments: str, cwd: Path, end: str = "") -> tuple[int, str]:
    """Run two processes; their status and all they said."""
    path = os.pathsep.join([str(cwd), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "END": end}
    job = subprocess.run(
        [*TORCHRUN, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    return job.returncode, job.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a job with an objective of its own runs."""
    (tmp_path / "mortal_objective.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_two_processes_compute_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every objective, encoders, solvers; losses, gradients, hypergradients, weights and parameters, in float64."""
    monkeypatch.setattr("molweight.encoders._message_passing._FEWEST_MERGED", 0)  # work.py sets it: undone afterwards
    runpy.run_path(str(HERE / "work.py"))["main"](str(tmp_path / "one.npz"))  # first: the others find its tables cached
    status, text = torchrun(str(HERE / "work.py"), str(tmp_path / "two.npz"), cwd=tmp_path)
    assert status == 0, text
    one, two = np.load(tmp_path / "one.npz"), np.load(tmp_path / "two.npz")
    assert set(one) == set(two) >= {"all objectives", "dmpnn", "layers", "identity", "cg"}
    for name in one:
        exact = 1e-6 if name in ("identity", "cg", "neumann") else 1e-11  # a weighting's arithmetic is in float32
        np.testing.assert_allclose(two[name], one[name], rtol=exact, atol=exact, err_msg=name)


def test_a_job_is_resumed_by_another_number_of_processes(folder: Path) -> None:
    assert main(["fit", *FIT, "--runs", "one", "--name", "whole"]) == 0
    status, text = torchrun(*FIT_COMMAND, "--name", "whole", cwd=folder, end="stopped")
    assert status != 0
    assert "interrupted. Resume with: molweight fit --resume two/whole" in text
    assert sorted(path.name for path in (folder / "two").iterdir()) == ["whole"]
    assert main(["fit", "--resume", "two/whole", "--plugin", "mortal_objective"]) == 0
    one, two = load(folder / "one" / "whole"), load(folder / "two" / "whole")
    assert two.weights == pytest.approx(one.weights, abs=1e-4)
    np.testing.assert_allclose(two.predict(["CCO", "c1ccccc1O"]), one.predict(["CCO", "c1ccccc1O"]), rtol=1e-3)


def test_a_process_that_dies_ends_the_job_with_a_message(folder: Path) -> None:
    status, text = torchrun(*FIT_COMMAND, "--name", "dead", cwd=folder, end="killed")
    assert status != 0
    assert "another process of this job has ended" in text
    assert not (folder / "two" / "dead" / "model.safetensors").exists()


@pytest.mark.parametrize("members", ["1", "2"])
def test_processes_with_different_clocks_stop_at_the_same_point(folder: Path, members: str) -> None:
    """The clock of the second process reaches the time limit in each stage, that of the first one in none."""
    options = ("--members", members, "--epochs", "3", "--minutes", "20", "--partners", "[]")
    status, text = torchrun(*FIT_COMMAND, *options, "--name", "timed", cwd=folder, end="clocks")
    assert status == 0, text
    assert "time limit" not in text
    assert len(load(folder / "two" / "timed").records) == 8


def test_commands_that_do_not_train_refuse_several_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert main(["list", "encoders"]) == 2
    assert "molweight list runs in one process. Start it without torchrun" in capsys.readouterr().err


def test_nothing_changes_in_a_single_process(tmp_path: Path) -> None:
    assert start("cpu") is None
    assert team() is None
    assert own_folder(tmp_path / "a") == tmp_path / "a"
    (tmp_path / "file").write_text("kept")
    share_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_all_molecules_once(size: int) -> None:
    whole = load_corpus("zinc", size=20).graphs([3, 1, 4, 15, 9, 2, 6])
    shares = [share_of(whole, Team(rank, size)) for rank in range(size)]
    assert [share.graphs[0] for share in shares] == [0, *(share.graphs[1] for share in shares[:-1])]
    assert shares[-1].graphs[1] == 7
    assert torch.equal(torch.cat([share.batch.x for share in shares]), whole.x)
    assert torch.equal(torch.cat([share.batch.batch + share.graphs[0] for share in shares]), whole.batch)
    edges = torch.cat([share.batch.edge_index + share.atoms[0] for share in shares], dim=1)
    assert torch.equal(edges, whole.edge_index)
    assert torch.equal(torch.cat([share.batch.edge_attr for share in shares]), whole.edge_attr)
    atoms = [share.batch.num_nodes for share in shares]
    assert max(atoms) - min(atoms) <= 2 * int(whole.ptr.diff().max())
