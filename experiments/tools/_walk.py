"""Trace of a program through a package: the functions that run, their code, the lines executed."""

import ast
import functools
import inspect
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

__all__ = ["StopWalkError", "Tracer", "bodies", "sizes"]

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")


class StopWalkError(Exception):
    """Raised to end the walk."""


@functools.cache
def _resolved(name: str) -> str:
    """The real path of a source file, because folders of a package may be links."""
    return str(Path(name).resolve()) if name.endswith(".py") else ""


class Tracer:
    """Records the functions of some folders that are entered, and their executed lines."""

    def __init__(self, *folders: Path) -> None:
        """Start with nothing seen.

        Args:
            folders: Folders of the sources to count.
        """
        self.folders = tuple(f"{folder.resolve()}/" for folder in folders)
        self.seen: dict[str, dict[str, int]] = defaultdict(dict)
        self.lines: dict[str, set[int]] = defaultdict(set)
        self.stages: dict[str, int] = defaultdict(int)
        self.stage = ""
        self.depth = self.deepest = 0

    def walk(self, start: Callable[[], object]) -> None:
        """Follow a program until it raises :class:`StopWalkError`.

        Args:
            start: The program.

        Raises:
            RuntimeError: If the program ends before.
        """
        sys.settrace(self._enter)
        try:
            start()
        except StopWalkError:
            return
        finally:
            sys.settrace(None)
        raise RuntimeError("the program ended before the walk did")

    def _enter(self, frame: FrameType, _event: str, _: Any) -> "Callable[..., Any] | None":
        """Trace function, see :func:`sys.settrace`; imports and class definitions are not counted."""
        code = frame.f_code
        path = _resolved(code.co_filename)
        if not path.startswith(self.folders) or not code.co_flags & inspect.CO_OPTIMIZED:
            return None
        if code.co_name not in _COMPREHENSIONS:
            self._count(path, code)
        return functools.partial(self._follow, path, code.co_name not in _COMPREHENSIONS)

    def _count(self, path: str, code: CodeType) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        self.stages[self.stage] += code.co_qualname not in self.seen[path]
        self.seen[path][code.co_qualname] = code.co_firstlineno

    def _follow(self, path: str, counts: bool, frame: FrameType, event: str, _: Any) -> "Callable[..., Any]":
        if event == "line":
            self.lines[path].add(frame.f_lineno)
        self.depth -= event == "return" and counts
        return functools.partial(self._follow, path, counts)


def sizes(seen: Mapping[str, Mapping[str, int]], lines: Mapping[str, set[int]]) -> dict[str, float]:
    """Number of functions, files, and lines of code.

    Args:
        seen: First line of each function that ran, by file and name.
        lines: Numbers of the lines that were executed, by file.
    """
    spans = {path: bodies(path, names) for path, names in seen.items()}
    length = sorted(map(len, chain.from_iterable(spans.values())))
    return {
        "functions": len(length),
        "files": len(seen),
        "code lines of the functions": sum(len(set(chain.from_iterable(found))) for found in spans.values()),
        "executed lines": sum(map(len, lines.values())),
        "executed statements": sum(len(_statements(path, numbers)) for path, numbers in lines.items()),
        "median lines of a function": statistics.median(length),
        "95 % of the functions have at most": length[int(0.95 * (len(length) - 1))],
        "longest function": length[-1],
    }


@functools.cache
def _tree(path: str) -> tuple[ast.Module, list[str]]:
    text = Path(path).read_text(encoding="utf-8")
    return ast.parse(text), text.splitlines()


@functools.cache
def _functions(path: str) -> dict[int, Function]:
    """The functions of a file by their first line, including decorators."""
    nodes = [node for node in ast.walk(_tree(path)[0]) if isinstance(node, Function)]
    return {min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]): node for node in nodes}


def bodies(path: str, functions: Mapping[str, int]) -> list[set[int]]:
    """The lines of each function of a file that hold code.

    Args:
        path: The file.
        functions: First line of each function.
    """
    return [_body(path, first) for first in functions.values()]


def _body(path: str, first: int) -> set[int]:
    """The lines of a function's body that hold code: no docstring, blank lines or comments."""
    node, lines = _functions(path)[first], _tree(path)[1]
    if isinstance(node, ast.Lambda):
        return {node.lineno}
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    numbers = range(body[0].lineno, (node.end_lineno or first) + 1) if body else range(0)
    return {number for number in numbers if lines[number - 1].strip() and lines[number - 1].strip()[0] != "#"}


def _statements(path: str, executed: set[int]) -> set[int]:
    """First lines of the innermost executed statements, so that the layout of a statement does not matter."""
    owner: dict[int, int] = {}
    for node in _by_size(_tree(path)[0]):
        owner.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno))
    return {owner[line] for line in executed if line in owner}


def _by_size(tree: ast.Module) -> Iterator[ast.stmt]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return iter(sorted(nodes, key=lambda node: node.lineno - (node.end_lineno or node.lineno)))
