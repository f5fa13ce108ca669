"""Progress: lines in a log file, bars on a terminal, each with the stage and the model."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from molweight import _progress
from molweight._progress import progress_bar, with_progress

START = "import sys; from molweight.cli import main; sys.exit(main(sys.argv[1:]))"
ROWS = "\n".join(["smiles,y", *(f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5" for n in range(40))])
TINY = [
    *("--objectives=attribute_masking", "--corpus_size=32", "--batch_size=16", "--pretrain_steps=2", "--epochs=2"),
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--baselines=equal", "--split=random"),
    *("--members=1", "--steps=2", "--device=cpu"),
]


def test_a_log_file_gets_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 1.0, 6.0, 6.0, 20.0, 40.0, 40.0, 45.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress_bar("equal: stage 2 of 3", 8, "steps", done=2) as bar:
        bar.update()  # 1 s: too early
        bar.update()  # 6 s
        bar.set_postfix_str("graphcl 0.5")
        bar.update(2)  # 20 s: too soon after the last one
        bar.update(2)  # 40 s
    assert capsys.readouterr().err.splitlines() == [
        "equal: stage 2 of 3: 4 of 8 steps, 6 s, about 12 s left",
        "equal: stage 2 of 3: 8 of 8 steps, 40 s; graphcl 0.5",
        "equal: stage 2 of 3: 8 of 8 steps, 45 s; graphcl 0.5",
    ]


@pytest.mark.parametrize(("at_once", "left"), [(1, ", about 208 s left"), (2, ", about 104 s left"), (5, "")])
def test_work_in_parallel_is_estimated_in_rounds(
    at_once: int, left: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 52.0, 52.0, 75.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress_bar("finetuning", 5, "members", at_once=at_once) as bar:
        bar.update()
    assert capsys.readouterr().err.splitlines()[0] == f"finetuning: 1 of 5 members, 52 s{left}"


def test_short_and_quiet_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress([1, 2], "counting", "numbers")) == [1, 2]
    with progress_bar(None, 3, "steps") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_a_total_that_is_not_known_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(_progress, "_FIRST", 0.0)
    assert list(with_progress("ab", "reading", "rows")) == ["a", "b"]
    assert stream.getvalue().splitlines()[0] == "reading: 1 rows, 0 s"


def _on_a_terminal(arguments: list[str], here: Path) -> str:
    main_end, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))  # with no size, nothing is drawn
    process = subprocess.Popen(
        [sys.executable, "-c", START, *arguments], cwd=here, stderr=other_end, stdout=subprocess.DEVNULL
    )
    os.close(other_end)
    parts = []
    while True:
        try:
            parts.append(os.read(main_end, 65536))
        except OSError:  # how Linux says that the other end is closed
            break
    os.close(main_end)
    assert process.wait() == 0, b"".join(parts).decode()
    return b"".join(parts).decode()


def test_each_bar_says_stage_and_model(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(ROWS)
    text = _on_a_terminal(["fit", "my.csv", *TINY], tmp_path)
    titles = set(re.findall(r"[\r\n]\s*([^\r\n|]*?):\s+\d+%\|", text))
    stages = {title for title in titles if "stage" in title}
    assert len(stages) >= 4, titles
    assert all(re.search(r"stage \d of \d", title) for title in stages)
    models = {title.partition(":")[0] for title in stages if not title.startswith("stage 1")}
    assert models == {"tapweight", "equal"}, titles
    assert not [title for title in titles if "_" in title]
