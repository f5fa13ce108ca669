"""The README's blocks can be run, and the script that runs them is right about what failed."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPT = ROOT / ".ci" / "readme.py"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("readme_runner", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(readme: Path, *done: str) -> subprocess.CompletedProcess[str]:
    flags = [flag for command in done for flag in ("--done", command)]
    return subprocess.run([sys.executable, SCRIPT, readme, *flags], capture_output=True, text=True, check=False)


def test_blocks_of_the_readme_are_well_formed(runner: ModuleType) -> None:
    for block in runner.blocks(README):
        if block.language == "python":
            ast.parse(block.code)
        else:
            subprocess.run(["bash", "-n", "-c", block.code], check=True)


def test_the_readme_is_short() -> None:
    assert len(re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL).split()) <= 900


def test_no_block_of_the_readme_is_overlooked(runner: ModuleType) -> None:
    fences = [line.strip() for line in README.splitlines() if line.strip().startswith(("```sh", "```python"))]
    shown = [block for block in runner.blocks(README) if README.splitlines()[block.line - 2].startswith("```")]
    assert len(shown) == len(fences)
    assert {fence for fence in fences if fence not in {"```sh", "```python"}} == set()


def test_blocks_share_a_folder_and_a_namespace(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(
        "Text.\n\n<!-- ci: run\necho 3 > hidden.txt\n-->\n"
        "```sh\nmake demo  # ran before\ncat hidden.txt > shown.txt\n```\n"
        "```python\nclass Read:\n    value = int(open('shown.txt').read())\n```\nand\n```python\nimport pickle\n"
        "print(pickle.loads(pickle.dumps(Read))().value + 1)\n```\n<!-- ci: skip needs a GPU -->\n```sh\nfalse\n```\n"
        "```text\nnot run\n```\n"
    )
    done = _run(readme, "make demo")
    assert done.returncode == 0, done.stderr
    assert "\n4\n" in done.stdout
    assert "README.md:21 (sh) skipped: needs a GPU" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```sh\ntrue\nfalse\ntrue\n```\n", "README.md:2 (sh) ended with status 1"),
        ("\n\n```python\nx = 1\nx.missing\n```\n", 'README.md", line 5'),
        ("<!-- ci: skip -->\n```sh\nfalse\n```\n", "is neither `ci: skip REASON` nor `ci: run`"),
        ("<!-- ci: ignore that -->\n", "line 1"),
    ],
    ids=["shell", "python", "skip-without-reason", "unknown-comment"],
)
def test_failures_are_placed(tmp_path: Path, text: str, message: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    done = _run(readme)
    assert done.returncode == 1
    assert message in done.stderr
