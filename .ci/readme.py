"""Run a README: its ``sh`` and ``python`` blocks, in order, in an empty folder, with this Python's commands on PATH.

Python blocks share one namespace, as they would in a notebook. Two comments, invisible to the reader, steer it:

* ``<!-- ci: skip REASON -->`` before a block: not run, because of the reason (which must be there);
* ``<!-- ci: run``, lines of shell, ``-->``: run though not shown, to put a file in place that the next block reads.

Blocks of any other language (``text``, ``toml`` ...) are shown only.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

_PIECE = re.compile(
    r"""
    ^<!--[ ]ci:[ \t]*(?P<verb>\w*)(?P<words>.*?)-->                                    # a comment
    | ^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=fence)[ \t]*$       # a fenced block
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


class ReadmeError(Exception):
    """A block that failed, or a comment that is not understood."""


@dataclass(frozen=True)
class Block:
    """One piece of the README that can be run.

    Args:
        language: ``"sh"`` or ``"python"``.
        code: The text between the fences.
        line: Line of the README (from 1) on which the code starts.
        skip: Why it is not run, or None where it is.
    """

    language: str
    code: str
    line: int
    skip: str | None = None


def blocks(text: str) -> Iterator[Block]:
    """The blocks of ``text`` that can be run, shown ones and hidden ones, in order.

    Args:
        text: The README.

    Yields:
        Each ``sh`` and ``python`` block.

    Raises:
        ReadmeError: If a ``ci:`` comment is neither ``skip`` with a reason nor ``run``.
    """
    skip: str | None = None
    for piece in _PIECE.finditer(text):
        if piece["fence"] is not None:
            if piece["language"] in {"sh", "python"}:
                yield Block(piece["language"], piece["code"], _line(text, piece.start("code")), skip)
            skip = None
        elif piece["verb"] == "run":
            yield Block("sh", piece["words"].strip() + "\n", _line(text, piece.start("words")) + 1)
        elif piece["verb"] == "skip" and piece["words"].strip():
            skip = piece["words"].strip()
        else:
            message = f"line {_line(text, piece.start())}: `{piece[0]}` is neither `ci: skip REASON` nor `ci: run`"
            raise ReadmeError(message)


def run(readme: Path, folder: Path, done: Sequence[str] = ()) -> None:
    """Run the blocks of ``readme`` in ``folder``.

    Args:
        readme: The file.
        folder: Where commands run; made the current folder, because Python blocks run in this process.
        done: Command lines that are left out because they ran before.

    Raises:
        ReadmeError: If a shell block fails; what a Python block raises is passed on.
    """
    os.chdir(folder)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    module = sys.modules["readme"] = ModuleType("readme")  # in sys.modules: classes of the README can be pickled
    for block in blocks(readme.read_text(encoding="utf-8")):
        place = f"{readme.name}:{block.line} ({block.language})"
        if block.skip is not None:
            print(f"-- {place} skipped: {block.skip}", flush=True)
            continue
        print(f"-- {place}", flush=True)
        start = time.perf_counter()
        if block.language == "sh":
            _run_shell(block, place, done)
        else:
            _run_python(block, readme, module)
        print(f"-- {place} took {time.perf_counter() - start:.1f} s", flush=True)


def _run_shell(block: Block, place: str, done: Sequence[str]) -> None:
    lines = [line for line in block.code.splitlines() if line.partition("#")[0].strip() not in done]
    status = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], check=False).returncode
    if status != 0:
        message = f"{place} ended with status {status}"
        raise ReadmeError(message)


def _run_python(block: Block, readme: Path, module: ModuleType) -> None:
    padded = "\n" * (block.line - 1) + block.code  # so that a traceback points at the line of the README
    exec(compile(padded, str(readme), "exec"), module.__dict__)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def main() -> None:
    """Read the arguments and run the README in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readme", type=Path)
    parser.add_argument("--done", action="append", default=[], help="a command line that ran before; may be repeated")
    arguments = parser.parse_args()
    readme = arguments.readme.resolve()
    with tempfile.TemporaryDirectory(prefix="readme-") as folder, contextlib.chdir(readme.parent):
        run(readme, Path(folder), arguments.done)


if __name__ == "__main__":
    main()
