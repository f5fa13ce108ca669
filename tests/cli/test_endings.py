"""How a command ends: signals, full disks, what a killed process left, and text that a terminal would obey."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from molweight import datasets
from molweight.cli import main
from molweight.cli._main import _interrupt_before
from molweight.errors import DataError, Interrupted
from molweight.storage import csv_cell, partial_name, write_file

MOLECULES = "\n".join(["smiles,y", *(f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5" for n in range(40))])
TINY = [
    *("--objectives=attribute_masking", "--corpus_size=32", "--batch_size=16", "--pretrain_steps=1", "--epochs=1"),
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--baselines=", "--split=random", "--device=cpu"),
    "--partners=",
]
START = "import sys; from molweight.cli import main; sys.exit(main(sys.argv[1:]))"


def _started(arguments: list[str], here: Path, **options: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", START, *arguments]
    return subprocess.Popen(command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]  # options are the caller's


def _wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    for _ in range(1200):
        if path.exists() or process.poll() is not None:
            return
        time.sleep(0.1)


def test_a_signal_ends_a_fit_as_ctrl_c_does(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(MOLECULES)
    fit = ["fit", "my.csv", "--steps=1000000", "--hypergradient_interval=1000", "--name=x", *TINY]
    process = _started([*fit, "--tensorboard"], tmp_path)
    _wait_for(tmp_path / "runs" / "x" / "tensorboard" / "ensemble", process)  # the adaptive stage has begun
    process.terminate()
    try:
        _, message = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, message
    assert "interrupted. Resume with: molweight fit --resume runs/x" in message
    assert list((tmp_path / "runs" / "x" / "state").rglob("adaptive.safetensors"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_any_command_with_nothing_torn(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signal arrives while ``audit`` reads its table."""
    (tmp_path / "my.csv").write_text(MOLECULES)
    read = datasets.from_file

    def interrupted(*arguments: object, **options: object) -> object:
        os.kill(os.getpid(), number)
        return read(*arguments, **options)  # type: ignore[arg-type]  # whatever it was given

    monkeypatch.setattr(datasets, "from_file", interrupted)  # the moment; everything else is as it is
    assert main(["audit", str(tmp_path / "my.csv")]) == 128 + number
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my.csv"]
    assert signal.getsignal(number) is signal.SIG_DFL


def _of_session(session: int) -> list[int]:
    """Processes of a session that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, *numbers = path.read_text().rpartition(")")[2].split()
            if int(numbers[2]) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def _left(session: int) -> list[int]:
    """Those that still run after some seconds: loky's tracker of semaphores ends once all the others have."""
    for _ in range(300):
        if not _of_session(session):
            break
        time.sleep(0.1)
    return _of_session(session)


def _with_workers(here: Path) -> "subprocess.Popen[str]":
    """An ``audit`` that computes in worker processes, in a session of its own, as of a terminal."""
    groups = ("C", "N", "O", "c1ccccc1", "C(=O)O", "S", "C1CC1", "C(F)")
    rows = ("".join(groups[n // 8**place % 8] for place in range(5)) for n in range(9_000))
    (here / "large.csv").write_text("\n".join(["smiles,y", *(f"CC{row}C,{n % 17}.5" for n, row in enumerate(rows))]))
    process = _started(["audit", "large.csv"], here, start_new_session=True, stdout=subprocess.DEVNULL)
    for _ in range(1200):
        if process.poll() is not None or len(_of_session(process.pid)) > 3:  # itself, resource tracker, workers
            break
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()
    return process


def _interrupted_start() -> None:
    try:
        raise Interrupted(signal.SIGTERM)
    finally:
        threading.Thread().join()


def test_an_error_that_follows_an_interrupt_is_an_interrupt() -> None:
    """joblib cannot stop a pool whose thread has not started: 'cannot join thread before it is started'."""
    with pytest.raises(RuntimeError, match="before it is started") as caught:
        _interrupted_start()
    found = _interrupt_before(caught.value)
    assert isinstance(found, Interrupted)
    assert found.status == 128 + signal.SIGTERM
    assert _interrupt_before(RuntimeError("another error")) is None


@pytest.mark.usefixtures("two_cores")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux has it")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_terminal_ends_the_workers(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    process = _with_workers(tmp_path)
    os.killpg(process.pid, number)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 128 + number, message
    assert message.endswith("\nmolweight: interrupted.\n")
    assert "Traceback" not in message
    assert _left(process.pid) == []
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.usefixtures("two_cores")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux has it")
def test_a_worker_that_is_killed_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    process = _with_workers(tmp_path)
    os.kill(max(_of_session(process.pid)), signal.SIGKILL)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 2, message
    assert "that computes features was killed" in message.splitlines()[-1]
    assert "Traceback" not in message
    assert _left(process.pid) == []


POOLS = {
    "chunks": "from molweight.graphs.internal import map_chunks\n"
    "for _ in map_chunks(len, 'C' * 10**6, chunk=1, n_jobs=2): print('at work', flush=True)",
    "ahead": "import time; from molweight.runs._ahead import ahead\n"
    "for _ in ahead(((n, 0.01) for n in range(10**6)), time.sleep, n_jobs=2): print('at work', flush=True)",
    "study": "import time; from molweight.benchmark._pool import ProcessPool; print('at work', flush=True)\n"
    "list(ProcessPool(2).map(time.sleep, [1000.0] * 4))",
    "guard": "from molweight.graphs import featurize; print('at work', flush=True)\n"
    "featurize(['C1CC1' * 3000] * 10**4, n_jobs=1)",
}
"""Work in other processes: features and standard forms, predictions, studies, and molecules that may take long."""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux has it")
@pytest.mark.parametrize("pool", POOLS)
def test_a_command_that_is_killed_leaves_no_workers(pool: str) -> None:
    """SIGKILL lets a process end nothing itself, so its workers notice that it is gone."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", POOLS[pool]]
    with subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        while len(_of_session(process.pid)) < 2:
            time.sleep(0.01)
        process.kill()
        process.wait(timeout=60)
        left = _left(process.pid)
    assert left == []


def test_a_study_that_is_ended_lets_its_workers_clean_up(tmp_path: Path) -> None:
    """SIGTERM reaches the command alone, as ``kill`` sends it; killed workers would leave semaphores and files."""
    (tmp_path / "held.py").write_text(
        "import pathlib, time\ndef work(item):\n    pathlib.Path('begun').touch()\n    try:\n        time.sleep(1000)\n"
        "    finally:\n        pathlib.Path('ended').touch()\n"
    )
    code = (
        "import signal; from held import work; from molweight.benchmark._pool import ProcessPool\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "try:\n    list(ProcessPool(1).map(work, [0]))\nexcept KeyboardInterrupt:\n    pass"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        _wait_for(tmp_path / "begun", process)
        process.terminate()
        _, message = process.communicate(timeout=60)
    assert (process.returncode, message) == (0, "")
    assert (tmp_path / "ended").exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux has it")
@pytest.mark.parametrize("pool", ["chunks", "ahead"])
def test_workers_end_that_have_no_work_yet(pool: str) -> None:
    """They wait for it while the process that would give it to them is gone."""
    late = "from joblib.externals.loky import process_executor as loky; import os, time\n"
    late += "loky._ExecutorManagerThread.add_call_item_to_queue = lambda self: os.kill(os.getpid(), 9)\n"
    code = late + POOLS[pool]
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.wait(timeout=120) == -signal.SIGKILL
        left = _left(process.pid)
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_report_is_written_leaves_the_one_before(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch, trained: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("the one before")
    synchronise = os.fsync

    def interrupted(place: int) -> None:  # the moment: the partial file is there, and not renamed yet
        os.kill(os.getpid(), number)
        synchronise(place)

    monkeypatch.setattr(os, "fsync", interrupted)
    assert main(["report", str(trained), f"--output={report}"]) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert report.read_text() == "the one before"
    monkeypatch.undo()
    assert main(["report", str(trained), f"--output={report}"]) == 0
    assert report.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("delimiter", ["cuda:7", ";;"])
def test_a_delimiter_is_one_character(
    delimiter: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("smiles,z\nCCO,1\nCCN,2\n")
    assert main(["predict", str(trained), str(tmp_path / "x.csv"), f"--delimiter={delimiter}"]) == 2
    assert "delimiter must be one character" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "my.csv").write_text(MOLECULES)
    finetune = ["finetune", str(folder / "my.csv"), "--init=scratch", f"--runs={folder}", "--name=run"]
    assert main([*finetune, *TINY[4:], "--quiet"]) == 0
    return folder / "run"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_cache_disk_is_named(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(small_disk / "cache"))
    groups = ("C", "N", "O", "c1ccccc1", "C(=O)O", "S", "C1CC1", "C(F)")
    rows = ("".join(groups[n // 8**place % 8] for place in range(4)) for n in range(600))
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *(f"CC{row}C,{n % 17}.5" for n, row in enumerate(rows))]))
    assert main(["audit", str(tmp_path / "my.csv"), "--split=random"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert str(small_disk / "cache") in message
    assert re.search("No space left on device|incomplete write, as on a full disk", message)
    assert message.endswith("Free up disk space or choose another path.")
    assert list(small_disk.rglob("*.part")) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_named(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "my.csv").write_text(MOLECULES)

    def refuse(folder: Path, *_: object) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    monkeypatch.setattr("molweight.graphs._stored.write_folder", refuse)
    assert main(["audit", str(tmp_path / "my.csv"), "--split=random"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert os.strerror(number) in message
    assert message.endswith("The cache must be writable: set MOLWEIGHT_CACHE to a folder in which you may write.")


def test_what_a_killed_process_left_is_removed_when_the_file_is_written_again(tmp_path: Path) -> None:
    target = tmp_path / "o.csv"
    code = (
        "import os, pathlib, sys; from molweight.storage import partial_name\n"
        "with partial_name(pathlib.Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('torn'); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    (tmp_path / ".o.csv.mine").write_text("mine")
    other = tmp_path / left.name.replace(".o.csv.", ".p.csv.")
    other.write_text("of another file")
    with partial_name(target) as running:
        running.write_text("of a process that runs")
        write_file(target, b"whole")
        assert {path.name for path in tmp_path.iterdir()} == {".o.csv.mine", other.name, running.name, "o.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {".o.csv.mine", other.name, "o.csv"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_an_error_of_the_system_without_a_path_is_given_one(tmp_path: Path) -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="No space left on device") as found,
        partial_name(tmp_path / "o.csv"),
    ):
        full.write(b"x")
    assert found.value.filename == str(tmp_path / "o.csv")


def test_what_another_process_still_writes_is_kept(tmp_path: Path) -> None:
    with partial_name(tmp_path / "o.csv") as own:
        theirs = own.with_name(own.name.replace(f".{os.getpid()}.", f".{os.getppid()}."))
    theirs.write_text("of a process that runs")
    write_file(tmp_path / "o.csv", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {theirs.name, "o.csv"}


def test_what_another_machine_left_is_kept_for_a_day(tmp_path: Path) -> None:
    fresh, old = (tmp_path / f".o.csv.{'0' * 8}.1.{end * 12}.part" for end in "ab")
    for path in (fresh, old):
        path.write_text("theirs")
    os.utime(old, (1, 1))
    write_file(tmp_path / "o.csv", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {fresh.name, "o.csv"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_behind_standard_output_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = _started(["list", "objectives"], tmp_path, stdout=full)
        _, message = process.communicate()
    assert process.returncode == 2
    assert (
        message == "molweight: standard output: No space left on device. Free up disk space or choose another path.\n"
    )


@pytest.mark.parametrize(
    ("closed", "arguments", "status", "told"),
    [
        (">&-", ["--version"], 0, ""),
        (">&-", ["list", "frobnicators"], 2, "frobnicators"),
        ("2>&-", ["list", "frobnicators"], 2, ""),
        ("<&- >&- 2>&-", ["--version"], 0, ""),
    ],
)
def test_closed_streams_change_nothing(closed: str, arguments: list[str], status: int, told: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", START, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done
    assert told in done.stderr
    assert done.stderr.count("\n") == bool(told), done.stderr


def test_a_file_does_not_take_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """What libraries print at the numbers 1 and 2 would be written into it."""
    code = (
        "import os, sys; from molweight._streams import writable_streams; writable_streams()\n"
        f"file = open({str(tmp_path / 'o.csv')!r}, 'w'); os.write(1, b'noise'); os.write(2, b'noise')\n"
        "sys.exit(file.fileno() < 3)"
    )
    command = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "o.csv").read_text() == ""


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "l\\xf6s \\u03bc"), ("latin-1", "l\xf6s \\u03bc")])
def test_what_an_encoding_lacks_is_escaped(
    encoding: str, shown: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "l\xf6s \u03bc.csv").write_text("smiles,l\xf6s \u03bc\nCCO,1\nCCN,2\n", encoding="utf-8")
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert main(["predict", str(trained), str(tmp_path / "l\xf6s \u03bc.csv")]) == 0
    assert main(["audit", str(tmp_path / "l\xf6s \u03bc.csv"), "--targets=\u03bc"]) == 2
    for stream in streams.values():
        stream.flush()
        written = stream.buffer.getvalue().decode(encoding)
        assert shown in written


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_messages_that_cannot_be_written_end_no_work(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("smiles\nCCO\nC1CC\n")
    raw = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the text stream closes it
    with io.TextIOWrapper(raw, write_through=True) as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["predict", str(trained), str(tmp_path / "x.csv")]) == 0  # says that a row has no valid molecule
        assert main(["predict", str(trained), str(tmp_path / "nowhere.csv")]) == 2
        monkeypatch.undo()
    assert capsys.readouterr().out.count("\n") == 3


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    target = tmp_path / "o.csv"
    make(target)
    with pytest.raises(DataError, match="is a device or pipe"):
        write_file(target, b"mine")
    assert not target.is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_links_of_the_system_are_not_replaced() -> None:
    for name in ("/dev/stdout", "/dev/null"):
        with pytest.raises(DataError, match="redirect the output"), partial_name(Path(name)):
            pass


LIMITED = (
    "import resource, signal, sys\n"
    "import molweight.cli._fit\n"
    "from molweight.cli import main\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)\n"
    "sys.exit(main(sys.argv[3:]))\n"
)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (("RLIMIT_AS", "1000000000"), r"limited to 953 MB per process \(ulimit -v\), but PyTorch and RDKit need"),
        (("RLIMIT_NOFILE", "5"), "too many files are open. Raise the limit"),
        (("RLIMIT_FSIZE", "2000"), "cache/molecules/[0-9a-f]+: File too large. Free up disk space or choose another"),
        (("RLIMIT_FSIZE", "20000"), "state/generic.safetensors cannot be written: File too large. Free up disk space"),
    ],
)
def test_limits_of_the_system_are_explained(tmp_path: Path, limit: tuple[str, str], expected: str) -> None:
    (tmp_path / "my.csv").write_text(MOLECULES)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MOLWEIGHT_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", LIMITED, *limit, "fit", "my.csv", "--steps=1", "--members=1", *TINY]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert re.search(expected, done.stderr.splitlines()[-1]), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.rglob("*.part")) == []


def test_what_a_terminal_would_obey_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.csv").write_text("smiles,\x1b]0;owned\x07\x1b[31my\nCCO,a\nCCN,b\n")
    assert main(["fit", str(tmp_path / "my.csv"), "--targets=\x1b[31mz", f"--runs={tmp_path}"]) == 2
    message = capsys.readouterr().err
    assert "\x1b" not in message
    assert "\x07" not in message
    assert "\\x1b[31m" in message


@pytest.mark.parametrize("rate", ["1e30", "1e38"])
@pytest.mark.parametrize(
    "command", [["finetune", "--init=scratch", "--epochs=2", *TINY[5:7], *TINY[8:]], ["fit", *TINY[:-1]]]
)
def test_a_learning_rate_that_diverges_is_blamed(
    command: list[str], rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a single model, and of the default ensemble, whose finetuning has a rate of its own."""
    (tmp_path / "my.csv").write_text(MOLECULES)
    name, *rest = command
    fit = [name, str(tmp_path / "my.csv"), f"--finetune_lr={rate}", f"--runs={tmp_path}", "--quiet", *rest]
    assert main([*fit, *(["--steps=2"] if name == "fit" else [])]) == 2
    message = capsys.readouterr().err
    assert "--finetune_lr" in message.splitlines()[-1]
    assert "task 'y'" not in message


def test_what_a_run_writes_is_plain_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ESC and BEL of a table are escaped in every file and on the terminal; formulas are quoted on request."""
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5,-x" for n in range(40)]
    text = "\n".join(["smiles,=y\x1b[31m$a$,z", *rows, '"=cmd|\x1b[31m\x07A1",1.5,x'])
    (tmp_path / "my.csv").write_text(text)
    finetune = ["finetune", str(tmp_path / "my.csv"), "--init=scratch", f"--runs={tmp_path}", "--name=run"]
    assert main([*finetune, *TINY[4:], "--targets==y\x1b[31m$a$", "--safe_csv"]) == 0
    assert main(["audit", str(tmp_path / "my.csv"), "--targets==y\x1b[31m$a$"]) == 0
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "my.csv"), "--smiles=smiles", "--safe_csv"]) == 0
    assert main(["report", str(tmp_path / "run"), f"--output={tmp_path / 'again.html'}"]) == 0
    printed = capsys.readouterr()
    written = {path.name: path.read_text() for path in tmp_path.glob("run/*.[cmhjy]*")}
    assert {"rejects.csv", "test_predictions.csv", "README.md", "report.html", "metrics.json"} <= written.keys()
    again = (tmp_path / "again.html").read_text()
    for name, content in [("out", printed.out), ("err", printed.err), ("again", again), *written.items()]:
        assert not {"\x1b", "\x07"} & set(content), name
    assert "'=cmd|\\x1b[31m\\x07A1" in written["rejects.csv"]
    assert ",'=y\\x1b[31m$a$," in printed.out


def test_cells_that_a_spreadsheet_would_run_are_quoted_on_request(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs.csv").write_text("smiles\n\"=cmd|' /c calc'!A1\"\nCCO\n")
    predict = ["predict", str(trained), str(tmp_path / "theirs.csv"), "--smiles=smiles", "--quiet"]
    capsys.readouterr()
    assert main(predict) == 0
    assert ",=cmd" in capsys.readouterr().out
    assert main([*predict, "--safe_csv", f"--rejects={tmp_path / 'rejects.csv'}"]) == 0
    for text in (capsys.readouterr().out, (tmp_path / "rejects.csv").read_text()):
        assert ",'=cmd" in text


def test_odd_bytes_of_a_command_line_are_no_error(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python gives them as halves of characters, which can be written to no file and given to no RDKit."""
    odd = tmp_path / os.fsdecode(b"odd\xff")
    odd.mkdir()
    table = odd / os.fsdecode(b"my\xfe.csv")
    table.write_text(MOLECULES)
    assert main(["fit", str(table), "--steps=1", *TINY, f"--runs={odd}", "--name=run", "--quiet"]) == 0
    pretrain = ["pretrain", f"--output={odd / 'made'}", f"--corpus={table}", *TINY[:1], *TINY[2:4], *TINY[5:7]]
    assert main([*pretrain, "--device=cpu", "--quiet"]) == 0
    tuned = ["finetune", str(table), f"--init={odd / 'made'}", f"--runs={odd}", "--name=tuned", *TINY[4:5], *TINY[8:]]
    assert main([*tuned, "--quiet"]) == 0
    assert main(["report", str(odd / "run"), str(odd / "tuned"), f"--output={odd / 'both.html'}"]) == 0
    capsys.readouterr()
    outputs = [f"--output={odd / 'out.csv'}", f"--rejects={odd / 'rejects.csv'}", "--quiet"]
    assert main(["predict", str(odd / "run"), "CCO", "CC\udcff", *outputs]) == 0
    assert "2,CC\\udcff,,,\n" in (odd / "out.csv").read_text()
    assert "2,CC\\udcff,'\\udcff' is an incomplete character\n" in (odd / "rejects.csv").read_text()
    for option in ("--name=a\udcff", "--encoding=\udcff", "--targets=\udcff", "--plugin=\udcff"):
        assert main(["fit", str(table), f"--runs={odd}", option, *TINY]) == 2
        assert "\\udcff" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        ("CCO \u00e4\nC \u00f6\n".encode(), None, "1,CCO,\u00e4,"),
        (b"CCO \xe4\nC \xf6\n", "latin-1", "1,CCO,\u00e4,"),
    ],
)
def test_standard_input_is_read_as_a_file_is(  # noqa: PLR0917 (parameters and fixtures)
    content: bytes, encoding: str | None, expected: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever encoding the terminal has."""
    stream = io.BufferedReader(io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream, encoding="ascii"))
    command = ["predict", str(trained), "-", f"--output={tmp_path / 'o.csv'}", "--quiet"]
    assert main([*command, *([f"--encoding={encoding}"] if encoding else [])]) == 0
    assert expected in (tmp_path / "o.csv").read_text(encoding="utf-8")


def test_bytes_of_another_encoding_on_standard_input_are_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.BufferedReader(io.BytesIO(b"CCO\nCC\xff\n"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream, encoding="ascii"))
    assert main(["predict", str(trained), "-", f"--output={tmp_path / 'o.csv'}", "--quiet"]) == 2
    assert "-, row 2: byte 0xff is not utf-8 text" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_every_beginning_of_a_formula_is_quoted_on_request(start: str) -> None:
    assert csv_cell(f"{start}SUM(A1)", safe=True).startswith("'")
    assert not csv_cell(f"{start}SUM(A1)").startswith("'")
    assert csv_cell("-0.5", safe=True) == "-0.5"


def test_vectors_and_shares_are_quoted_on_request(tmp_path: Path) -> None:
    """By ``embed``, whose cells repeat the input, and by ``explain``, whose cells hold the target's name."""
    (tmp_path / "my.csv").write_text(MOLECULES.replace("smiles,y", "smiles,=y"))
    finetune = ["finetune", str(tmp_path / "my.csv"), "--init=scratch", f"--runs={tmp_path}", "--name=run"]
    assert main([*finetune, *TINY[4:], "--targets==y", "--quiet"]) == 0
    (tmp_path / "theirs.csv").write_text("smiles\n\"=cmd|' /c calc'!A1\"\n+C\n-1\nCCO\n")
    run, theirs, output = str(tmp_path / "run"), str(tmp_path / "theirs.csv"), str(tmp_path / "out.csv")
    embed = ["embed", run, theirs, f"--output={output}", "--smiles=smiles", "--quiet"]
    explain = ["explain", run, theirs, f"--atoms={output}", f"--output={tmp_path / 'x.html'}", "--smiles=smiles"]
    for command, plain, safe in (
        (embed, ["2,=cmd", "3,+C,", "4,-1,", "5,CCO,"], ["2,'=cmd", "3,'+C,", "4,-1,", "5,CCO,"]),
        ([*explain, "--pairs=1", "--quiet"], ["5,CCO,=y,0,"], ["5,CCO,'=y,0,"]),
    ):
        for further, expected in (([], plain), (["--safe_csv"], safe)):
            assert main([*command, *further]) == 0
            lines = Path(output).read_text().splitlines()[1:]
            assert [line[: len(start)] for line, start in zip(lines, expected, strict=False)] == expected


def test_smiles_are_taken_from_arguments_and_standard_input(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.smi").write_text("CCO\nCCN\n")
    predict = ["predict", str(trained)]
    capsys.readouterr()
    assert main([*predict, str(tmp_path / "x.smi")]) == 0
    expected = capsys.readouterr().out
    assert expected.count("\n") == 3
    assert main([*predict, "CCO", "CCN"]) == 0
    assert capsys.readouterr().out == expected
    monkeypatch.setattr(sys, "stdin", io.StringIO("CCO\nCCN\n"))
    assert main([*predict, "-"]) == 0
    assert capsys.readouterr().out == expected
    monkeypatch.setattr(sys, "stdin", io.StringIO("CCO ethanol\nCCN\n"))
    assert main([*predict, "-"]) == 0
    assert capsys.readouterr().out.startswith("row,smiles,name,y,similarity,in_domain\n1,CCO,ethanol,")
    assert main([*predict, str(tmp_path / "x.smi"), "CCO"]) == 2
    assert "only one file can be read at a time" in capsys.readouterr().err
    assert main([*predict, "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err
