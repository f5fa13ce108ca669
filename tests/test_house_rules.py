"""What the repository asks of its code beyond the linter."""

import ast
import functools
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("molweight", "objectives", "datasets", "experiments", "examples", ".ci", "docs")
SOURCES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path.resolve() == path.absolute()
)
PACKAGE = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in FOLDERS[:3]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _nodes(path: Path) -> Iterator[tuple[str, ast.AST]]:
    name = path.relative_to(ROOT)
    for node in ast.walk(_tree(path)):
        yield f"{name}:{getattr(node, 'lineno', 1)}", node


def _code_lines(node: Function, lines: list[str]) -> int:
    """Lines of the body that hold code: no docstring, blank lines or comments."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    span = lines[body[0].lineno - 1 : node.end_lineno]
    return sum(1 for line in span if line.strip() and not line.strip().startswith("#"))


def _lengths() -> dict[str, int]:
    lengths: dict[str, int] = {}
    for path in SOURCES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for place, node in _nodes(path):
            if isinstance(node, Function):
                lengths[f"{place} {node.name}"] = _code_lines(node, lines)
    return lengths


def test_functions_are_short() -> None:
    lengths = _lengths()
    assert {place: length for place, length in lengths.items() if length > 40} == {}
    assert sum(length < 20 for length in lengths.values()) >= 0.95 * len(lengths), sorted(
        lengths.items(), key=lambda item: -item[1]
    )[:20]


def test_classes_are_short() -> None:
    sizes = {
        f"{place} {node.name}": _class_lines(path, node)
        for path in SOURCES
        for place, node in _nodes(path)
        if isinstance(node, ast.ClassDef)
    }
    assert {place: size for place, size in sizes.items() if size > 200} == {}


def _class_lines(path: Path, node: ast.ClassDef) -> int:
    return sum(node.lineno <= line <= (node.end_lineno or node.lineno) for line in _statement_lines(path))


@functools.cache
def _statement_lines(path: Path) -> set[int]:
    """Numbers of the lines that hold code: no docstrings, blank lines or comments."""
    text = path.read_text(encoding="utf-8")
    strings = {
        line
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in empty
        for line in range(token.start[0], token.end[0] + 1)
    }
    return code - strings


def _reasons(path: Path) -> int:
    """Comments in prose; those on neighbouring lines count once, and directives to a tool do not count."""
    text = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = [
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and not re.match(r"# *(?:noqa|type:|pragma)", token.string)
    ]
    return sum(line - 1 not in lines for line in lines)


def test_the_numerics_give_their_reasons() -> None:
    """At least 40 comments per 1,000 lines of code: what a formula cannot say, i.e. why it is this one."""
    folder = ROOT / "molweight" / "mlo"
    paths = [path for path in SOURCES if folder in path.parents and path.name != "__init__.py"]
    lines = {path: len(_statement_lines(path)) for path in paths}
    reasons = {path: _reasons(path) for path in paths}
    silent = [str(path.relative_to(ROOT)) for path in paths if lines[path] >= 60 and not reasons[path]]
    assert silent == []
    assert 1000 * sum(reasons.values()) >= 40 * sum(lines.values())


def test_no_broad_except() -> None:
    found = [
        place
        for path in SOURCES
        for place, node in _nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _names(node.type) & {"Exception", "BaseException"})
    ]
    assert found == []


def _names(node: ast.expr) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def test_no_assert_in_the_package() -> None:
    assert [place for path in PACKAGE for place, node in _nodes(path) if isinstance(node, ast.Assert)] == []


def test_only_the_command_line_prints() -> None:
    cli = ROOT / "molweight" / "cli"
    found = [
        place
        for path in PACKAGE
        for place, node in _nodes(path)
        if isinstance(node, ast.Name) and node.id in {"print", "input", "breakpoint"} and cli not in path.parents
    ]
    assert found == []


def test_everything_public_is_documented() -> None:
    # The linter takes all of `_cg.py` for private, though its public names are re-exported by the package.
    assert [place for path in PACKAGE for place in _undocumented(path)] == []


def _undocumented(path: Path) -> Iterator[str]:
    tree = _tree(path)
    pending: list[ast.stmt] = list(tree.body)
    if ast.get_docstring(tree) is None:
        yield f"{path.relative_to(ROOT)}:1"
    while pending:
        node = pending.pop()
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_") or _is_overload(node):
            continue
        if ast.get_docstring(node) is None:
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef):
            pending.extend(node.body)


def _is_overload(node: ast.ClassDef | Function) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text file of the repository, by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    paths = [ROOT / name for name in listed] or SOURCES  # outside a clone: the sources
    suffixes = {"", ".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".cff", ".in", ".json"}
    files = [path for path in paths if path.suffix in suffixes and path.is_file()]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}


STIFF = (
    r"\b(?:anew|whom|whoever|somebody|beside|of one's own|such as it is|gone on from)\b",
    r"\bmend(?:s|ing)?\b",
    r"\bstands? (?:in (?:it|the|a|its)|there|below|above|beside|behind)\b",
    r"\b(?:goes|go|going) on (?:from|behind|with)\b",
    r"\bfree the place\b",
    r"\bfor (?:people|somebody) who want\b",
    r"\b(?:at hand|told apart|lets? expect|turns? (?:it|them) round)\b",
    r"\b(?:shorter|longer|long|more|less|smaller|larger) in the mean\b",
    r"\b(?:is|are|was|were|to be) said (?:of|where|in)\b|\bwhat (?:is|was) said\b",
    r"\b(?:goes|go|going) on (?:where|there|after|at)\b|\bto its end\b",
    r"\bhands? (?:on|over|out)\b|(?<!there)\s\bare no (?:numbers|labels)\b",
    r"\bas of :(?:func|meth|attr|class|mod):|\bas (?:people|a person) (?:do|does|counts?|says?)\b",
    r"\b(?:is|are|was|were) (?:not )?looked (?:at|for)\b|\btold (?:of|from|by)\b",
    r"\bstays? as (?:it|they) (?:is|are|was|were)\b|\bas if nothing had happened\b",
    r"\b(?:that|which) is there (?:already )?is not\b|\bwhat is (?:typed|not finished)\b",
    r"\bright to (?:first|second) order\b|\b(?:processor seconds|seconds of the processor)\b",
    r"\bpacked (?:with|text)\b|\b(?:something|anything) else than\b|\bhangs? together\b|\bdealt to\b",
    r"\b(?:what|who) (?:asks|comes out|goes in|was trained|it was given)\b",
    r"\b(?:bit for bit as|undisturbed|teach(?:es)? nothing|cost what it took)\b",
    r"\btaken (?:as missing|for (?:labels?|equal|regression|classification))\b|\bnumbers? from 0 on\b",
    r"\bholds? no molecules?\b|\bas (?:it|they) stands?\b|\bis there twice\b|\bsound run\b",
    r"\b(?:found|stdout|all|all of them|the first) if left out\b|\bpredictions? .{0,20}\brests? on\b",
    r"\b(?:is|are) not \w+ any ?more\b|\bno differentiable function\b",
)
"""Words that plain technical English does without; see the section on words in CONTRIBUTING.md."""
KEPT = (
    "LICENSE",
    "CHANGELOG.md",
    "experiments/results/",
    "tests/test_house_rules.py",
    "docs/assets/",
    "CONTRIBUTING.md",
)
"""Texts that are not reworded: history, results, texts of others, and the lists themselves."""


@pytest.mark.parametrize("pattern", STIFF)
def test_words_are_plain(texts: dict[str, str], pattern: str) -> None:
    found = [
        f"{path}: {match[0]}"
        for path, text in texts.items()
        if not path.startswith(KEPT) and "LICENSE" not in path
        for match in re.finditer(pattern, text, flags=re.IGNORECASE)
    ]
    assert found == []


def test_docstrings_begin_with_a_noun(texts: dict[str, str]) -> None:
    """Not with a relative that has no head, nor a parameter with the thing that it belongs to."""
    headless = re.compile(
        r'"""(?:What(?:ever)? (?!.*\?)|Of both|(?:As|That|Those) of (?:the|an?)\b)'
        r"|^ +\*{0,2}\w+: (?:(?:As of|Of) (?:the|an?|its)|What (?:is|to|it|the|was|:func|:meth))\b",
        re.MULTILINE,
    )
    found = [
        f"{path}: {match[0]}"
        for path, text in texts.items()
        if path.startswith(("molweight/", "objectives/", "datasets/", "experiments/"))
        for match in headless.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?<![\w.:])/(?:home|Users|root|mnt|work|data|scratch)/\w", id="path-of-a-machine"),
        pytest.param(r"# *(?:type: *ignore|noqa)(?:\[[^\]]*\]|:[A-Z0-9, ]*)?[ \t]*$", id="silenced-without-a-reason"),
        pytest.param(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b", id="left-open"),
    ],
)
def test_no_text_holds(texts: dict[str, str], pattern: str) -> None:
    found = {
        f"{path}: {match[0]}"
        for path, text in texts.items()
        for match in re.finditer(pattern, text, flags=re.MULTILINE)
    }
    assert found == set()
