"""One command at a time writes to the folder of a run, and it replaces no run that appears meanwhile."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from filelock import FileLock

from molweight import compare, datasets, fit, load
from molweight._owned_files import LOCK
from molweight.cli import _fit, main
from molweight.errors import ConfigError
from molweight.options import Job
from molweight.runs.internal import claimed_checkpoint, claimed_run, written_alone
from molweight.training import Callback

SIZES = ["--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--split=random", "--members=1"]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A command that writes the run ``my`` in seconds."""
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5" for n in range(40)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    table, runs = str(tmp_path / "my.csv"), f"--runs={tmp_path / 'runs'}"
    return ["finetune", table, runs, "--init=scratch", "--device=cpu", "--quiet", *SIZES]


def _in_process(code: str, command: list[str]) -> subprocess.Popen[str]:
    program = f"import os, sys\nfrom molweight.cli import _fit, main\n{code}\nsys.exit(main(sys.argv[1:]))\n"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program, *command], env=environment, stderr=subprocess.PIPE, text=True
    )


def test_of_two_fits_of_one_name_one_is_refused(command: list[str], tmp_path: Path) -> None:
    both = [_in_process("", [*command, f"--seed={seed}"]) for seed in (0, 1)]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    winner = 0 if both[0].returncode == 0 else 1
    # the second one finds the first one at work, or already its run
    assert "another command is writing to" in said[1 - winner] or "holds a finished run" in said[1 - winner]
    assert "--name my-2" in said[1 - winner]
    folder = tmp_path / "runs" / "my"
    assert yaml.safe_load((folder / "config.yaml").read_text())["seed"] == winner
    assert load(folder).options["seed"] == winner
    assert not (folder / "state").exists()
    assert not (folder / LOCK).exists()


@pytest.mark.parametrize("further", [[], ["--name=my"], ["--overwrite"]])
def test_a_folder_that_is_being_written_to_is_refused(
    further: list[str], command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "my"
    folder.mkdir(parents=True)
    with FileLock(folder / LOCK):
        assert main([*command, *further]) == 2
        assert [path.name for path in folder.iterdir()] == [LOCK]
    message = capsys.readouterr().err
    assert f"another command is writing to {folder}. Wait until it has ended, or choose another name" in message
    assert main([*command, *further]) == 0
    assert not (folder / LOCK).exists()


def test_a_killed_fit_leaves_no_lock_behind(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "my"
    process = _in_process("_fit._write_audit = lambda *_: os._exit(9)", command)
    process.communicate(timeout=300)
    assert process.returncode == 9
    assert (folder / LOCK).exists()
    assert main(["finetune", f"--resume={folder}", "--quiet"]) == 0
    assert load(folder).predict(["CCO"]).shape == (1, 1)
    assert not (folder / LOCK).exists()
    assert not (folder / "state").exists()


def test_a_run_that_appears_meanwhile_is_not_replaced(
    command: list[str], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other = tmp_path / "runs" / "my", load(made)
    original = datasets.audit

    def meanwhile(*given: Any, **options: Any) -> Any:
        other.save(folder)
        return original(*given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(datasets, "audit", meanwhile)
        assert main(command) == 2
    assert "holds a finished result that was saved there after this command began" in capsys.readouterr().err
    before = (folder / "model.safetensors").read_bytes()
    assert main(command) == 2
    assert main(["finetune", f"--resume={folder}", "--quiet"]) == 2
    assert (folder / "model.safetensors").read_bytes() == before
    assert load(folder).predict(["CCO"]).tolist() == other.predict(["CCO"]).tolist()
    assert main([*command, "--overwrite"]) == 0
    assert load(folder).predict(["CCO"]).tolist() != other.predict(["CCO"]).tolist()
    assert not (folder / "state").exists()


def test_an_interrupted_overwrite_goes_on_without_being_asked_again(
    command: list[str], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "runs" / "my"
    shutil.copytree(made, folder)
    with monkeypatch.context() as patched:
        patched.setattr(_fit, "compare", end)
        assert main([*command, "--overwrite"]) == 130
    assert (folder / "pretraining.safetensors").read_bytes() == (made / "pretraining.safetensors").read_bytes()
    assert main(["finetune", f"--resume={folder}", "--quiet"]) == 0
    assert load(folder).weights == {}


def test_a_folder_without_a_result_is_removed_again(tmp_path: Path) -> None:
    with written_alone(tmp_path / "new"):
        assert (tmp_path / "new" / LOCK).exists()
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with written_alone(tmp_path / "old"):
        pass
    assert list((tmp_path / "old").iterdir()) == []


def test_a_run_that_is_refused_before_training_leaves_nothing_to_resume(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "aux.csv").write_text("smiles,note\n" + "".join(f"{'C' * n}O,word {n}\n" for n in range(1, 20)))
    refused = ["fit", *(part for part in command[1:] if part != "--init=scratch"), "--corpus_size=32"]
    assert main([*refused, f"--aux={tmp_path / 'aux.csv'}"]) == 2
    assert "no column holds labels to learn from" in capsys.readouterr().err
    folder = tmp_path / "runs" / "my"
    assert not folder.exists()
    assert main(["predict", str(folder), "CCO"]) == 2
    assert "interrupted" not in capsys.readouterr().err
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert main([*refused, f"--aux={tmp_path / 'aux.csv'}"]) == 2
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_checkpoints_and_runs_exclude_each_other(tmp_path: Path) -> None:
    with (
        claimed_checkpoint(tmp_path / "x"),
        pytest.raises(ConfigError, match="another command is writing to"),
        claimed_run(tmp_path / "x"),
    ):
        pass


def test_a_run_is_saved_by_one_process_at_a_time(made: Path, tmp_path: Path) -> None:
    run, folder = load(made), tmp_path / "my"
    folder.mkdir()
    with (
        FileLock(folder / LOCK),
        pytest.raises(ConfigError, match=r"another command is writing to .* or choose another folder"),
    ):
        run.save(folder)
    assert [path.name for path in folder.iterdir()] == [LOCK]
    run.save(folder)
    assert load(folder).predict(["CCO"]).tolist() == run.predict(["CCO"]).tolist()
    assert not (folder / LOCK).exists()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="molweight does not write through links"):
        run.save(tmp_path / "linked")


class Hold(Callback):
    """Stops a fit in its first epoch until it is told to continue."""

    def __init__(self) -> None:
        self.begun, self.ended = Event(), Event()

    def log(self, stage: str, step: int, record: Any) -> None:
        self.begun.set()
        self.ended.wait(60)


def test_states_are_written_by_one_call_at_a_time(tmp_path: Path) -> None:
    data = datasets.load("freesolv").subset(range(40))
    splits, corpus = datasets.split(data, "random"), datasets.load_corpus("zinc", size=16)
    sizes: dict[str, Any] = {"encoder_options": {"layers": 1, "width": 8}, "epochs": 1, "steps": 0, "device": "cpu"}
    job, hold = Job(init="scratch", weighting="none", members=1, **sizes), Hold()
    with ThreadPoolExecutor(1) as pool:  # another thread is refused as another process is
        first = pool.submit(fit, job, data, splits, resume=tmp_path / "state", callbacks=[hold])
        assert hold.begun.wait(60)
        for call in (fit, partial(compare, baselines=[])):
            with pytest.raises(ConfigError, match="another command is writing to"):
                call(job, data, splits, corpus, resume=tmp_path / "state")
        hold.ended.set()
        run = first.result()
    again = fit(job, data, splits, resume=tmp_path / "state")
    assert again.predict(["CCO"]).tolist() == run.predict(["CCO"]).tolist()
    assert not (tmp_path / "state" / LOCK).exists()


def test_a_checkpoint_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "general"
    with claimed_checkpoint(folder) as claim:
        claim.complete()
    with claimed_checkpoint(folder) as claim:  # resumed while it was being written
        (folder / "checkpoint.safetensors").write_bytes(b"made")
        claim.complete()
    shutil.rmtree(folder / "state")
    with claimed_checkpoint(folder, overwrite=True) as claim:
        (folder / "checkpoint.safetensors").write_bytes(b"made again")
        claim.complete()
    shutil.rmtree(folder)
    with claimed_checkpoint(folder) as claim:
        (folder / "checkpoint.safetensors").write_bytes(b"theirs")
        with pytest.raises(ConfigError, match="holds a finished result"):
            claim.complete()
    with pytest.raises(ConfigError, match="holds a finished result"), claimed_checkpoint(folder):
        pass
    with claimed_checkpoint(folder, overwrite=True) as claim:
        claim.complete()
