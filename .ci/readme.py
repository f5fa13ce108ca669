"""Run pages of Markdown: their ``sh`` and ``python`` blocks, in order, in an empty folder, with this Python's commands.

Each page has a folder of its own; its Python blocks share one namespace, as they would in a notebook. The variable
``PAGES`` holds the folder of the page. Four comments, invisible to the reader, steer it:

* ``<!-- ci: skip REASON -->`` before a block: not run, because of the reason (which must be there);
* ``<!-- ci: run``, lines of shell, ``-->``: run though not shown, to put a file in place that the next block reads;
* ``<!-- ci: refused -->`` before an ``sh`` block with one command of molweight: it has to end as a mistake does, with
  the message in the ``text`` block that follows, where ``...`` stands for anything;
* ``<!-- ci: interrupted FILE -->``: the same for a command that gets a Ctrl-C soon after the file has appeared.

Blocks of any other language (``text``, ``toml`` ...) are shown only. With ``--here``, blocks that hold nothing but
commands of molweight run in this process, which saves starting one for each.
"""

import argparse
import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

_PIECE = re.compile(
    r"""
    ^<!--[ ]ci:[ \t]*(?P<verb>\w*)(?P<words>.*?)-->                                    # a comment
    | ^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=fence)[ \t]*$       # a fenced block
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)

_STATUS = {"refused": 2, "interrupted": 130}
"""Exit statuses of a command with a user error, and of one that was interrupted."""


class ReadmeError(Exception):
    """A block that failed, or a comment that is not understood."""


@dataclass(frozen=True)
class Block:
    """One piece of the page that can be run.

    Args:
        language: ``"sh"`` or ``"python"``.
        code: The text between the fences.
        line: Line of the page (from 1) on which the code starts.
        skip: Why it is not run, or None where it is.
        end: How the command has to end, ``"refused"`` or ``"interrupted"``, or None where it has to succeed.
        message: What it has to say then.
        file: What appears before the command is interrupted.
    """

    language: str
    code: str
    line: int
    skip: str | None = None
    end: str | None = None
    message: str = ""
    file: str = ""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of ``text`` that can be run, shown ones and hidden ones, in order.

    Args:
        text: The page.

    Yields:
        Each ``sh`` and ``python`` block.

    Raises:
        ReadmeError: If a ``ci:`` comment is none of the three, or what it announces does not follow.
    """
    pieces = list(_PIECE.finditer(text))
    for number, piece in enumerate(pieces):
        before, after = (pieces[place] if 0 <= place < len(pieces) else None for place in (number - 1, number + 1))
        if piece["fence"] is None:
            _check_comment(text, piece, after)
            if piece["verb"] == "run":
                yield Block("sh", piece["words"].strip() + "\n", _line(text, piece.start("words")) + 1)
        elif piece["language"] in {"sh", "python"}:
            verb, words = ("", "") if before is None else (before["verb"], (before["words"] or "").strip())
            block = Block(piece["language"], piece["code"], _line(text, piece.start("code")))
            if verb == "skip":
                block = replace(block, skip=words)
            elif verb in _STATUS:
                block = replace(block, end=verb, message=_message(text, piece, after), file=words)
            yield block


def _check_comment(text: str, piece: re.Match[str], after: re.Match[str] | None) -> None:
    verb, words = piece["verb"], piece["words"].strip()
    if verb == "run" or (verb == "skip" and words):
        return
    if verb in _STATUS and bool(words) == (verb == "interrupted") and after is not None and after["language"] == "sh":
        return
    wanted = (
        "neither `ci: skip REASON` nor `ci: run` nor, before an `sh` block, `ci: refused` or `ci: interrupted FILE`"
    )
    raise ReadmeError(f"line {_line(text, piece.start())}: `{piece[0]}` is {wanted}")


def _message(text: str, piece: re.Match[str], after: re.Match[str] | None) -> str:
    if after is None or after["language"] != "text":
        raise ReadmeError(f"line {_line(text, piece.start())}: no `text` block with the message follows")
    return after["code"]


def run(page: Path, folder: Path, done: Sequence[str] = (), *, here: bool = False) -> None:
    """Run the blocks of ``page`` in ``folder``.

    Args:
        page: The file.
        folder: Where commands run; made the current folder, because Python blocks run in this process.
        done: Command lines that are left out because they ran before.
        here: Whether commands of molweight run in this process.

    Raises:
        ReadmeError: If a shell block fails; what a Python block raises is passed on.
    """
    os.chdir(folder)
    os.environ["PAGES"] = str(page.parent)
    module = sys.modules["readme"] = ModuleType("readme")  # in sys.modules: classes of the page can be pickled
    for block in blocks(page.read_text(encoding="utf-8")):
        place = f"{page.name}:{block.line} ({block.language})"
        if block.skip is not None:
            print(f"-- {place} skipped: {block.skip}", flush=True)
            continue
        print(f"-- {place}", flush=True)
        start = time.perf_counter()
        if block.end is not None:
            _run_ended(block, place)
        elif block.language == "sh":
            _run_shell(block, place, done, here=here)
        else:
            _run_python(block, page, module)
        print(f"-- {place} took {time.perf_counter() - start:.1f} s", flush=True)


def _run_shell(block: Block, place: str, done: Sequence[str], *, here: bool) -> None:
    lines = [line for line in block.code.splitlines() if line.partition("#")[0].strip() not in done]
    commands = _commands("\n".join(lines)) if here else None
    if commands is None:
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], check=False)
        statuses = [ran.returncode]
    else:
        statuses = [_molweight(command) for command in commands]
    failed = [status for status in statuses if status != 0]
    if failed:
        raise ReadmeError(f"{place} ended with status {failed[0]}")


def _commands(code: str) -> list[list[str]] | None:
    """The arguments of each command, or ``None`` where a shell is needed."""
    found = [shlex.split(line, comments=True) for line in code.replace("\\\n", " ").splitlines()]
    found = [words for words in found if words]
    plain = all(words[0] == "molweight" and not {">", "|", "&&", ";", "<"} & set(words) for words in found)
    return [words[1:] for words in found] if plain else None


def _molweight(arguments: Sequence[str]) -> int:
    from molweight.cli import main

    print("$ molweight", shlex.join(arguments), flush=True)
    try:
        return main(arguments)
    except SystemExit as stopped:  # --help and --print_config
        return int(stopped.code or 0)


def _run_ended(block: Block, place: str) -> None:
    commands = _commands(block.code)
    if commands is None or len(commands) != 1:
        raise ReadmeError(f"{place}: one command of molweight is needed where its end is shown")
    if block.file:
        threading.Thread(target=_interrupt_after, args=(Path(block.file),), daemon=True).start()
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        status = _molweight(commands[0])
    found, expected = _words(errors.getvalue()), _words(block.message)
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    if status != _STATUS[block.end or ""] or not re.search(rf"(?:^| ){pattern}$", found):
        raise ReadmeError(f"{place} ended with status {status} and\n  {found}\nbut the page says\n  {expected}")


def _interrupt_after(file: Path) -> None:
    while not file.exists():
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)


def _words(text: str) -> str:
    return " ".join(text.split())


def _run_python(block: Block, page: Path, module: ModuleType) -> None:
    padded = "\n" * (block.line - 1) + block.code  # so that a traceback points at the line of the page
    exec(compile(padded, str(page), "exec"), module.__dict__)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def main() -> None:
    """Read the arguments and run each page in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--done", action="append", default=[], help="a command line that ran before; may be repeated")
    parser.add_argument("--here", action="store_true", help="run commands of molweight in this process")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs in the background ignore it
    sys.path.insert(0, "")  # modules of the current folder can be imported, as in a notebook
    for page in [page.resolve() for page in arguments.pages]:
        with tempfile.TemporaryDirectory(prefix="readme-") as folder, contextlib.chdir(page.parent):
            run(page, Path(folder), arguments.done, here=arguments.here)


if __name__ == "__main__":
    main()
