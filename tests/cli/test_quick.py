"""What a typo costs: help and messages about options are printed without importing PyTorch, RDKit or pandas."""

import json
import re
import subprocess
import sys

import pytest

from molweight import datasets
from molweight.cli._main import _COMMANDS as COMMANDS
from molweight.cli._options._list import KINDS
from molweight.cli._options._table import CORPORA, SPLITS

CODE = """
import contextlib, io, json, sys, time
begun = time.process_time()
from molweight.cli import main
found = []
for arguments in json.loads(sys.argv[1]):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = ended.code
    heavy = {"torch", "rdkit", "pandas", "numpy", "scipy", "sklearn", "torch_geometric"} & sys.modules.keys()
    found.append([status, sorted(heavy), text.getvalue()])
print(json.dumps([time.process_time() - begun, found]))
"""
HELP = [["--version"], ["--help"], *([name, flag] for name in COMMANDS for flag in ("--help", "-h"))]
ALL = ["fit", "--help_all"]
TYPOS = [["fot"], ["list", "objectivs"], *([name, "--typo", "x"] for name in COMMANDS)]


def _run(*commands: list[str]) -> tuple[float, list[tuple[int, list[str], str]]]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    seconds, found = json.loads(done.stdout)
    return seconds, [tuple(item) for item in found]


def test_help_and_typos_of_all_commands_import_nothing_heavy() -> None:
    _, found = _run(*HELP, *TYPOS, ALL)
    assert [status for status, _, _ in found] == [0] * len(HELP) + [2] * len(TYPOS) + [0]
    assert [heavy for _, heavy, _ in found if heavy] == []
    texts = [text for _, _, text in found]
    assert all(f"molweight {name}" in text for name, text in zip(COMMANDS, texts[2::2], strict=False))
    assert all(text.startswith("molweight: unknown ") for text in texts[len(HELP) : -1])
    python = re.compile(r"<(class|function|molweight)|Namespace|Traceback|\b(None|True|False)\b")
    assert not [text for text in texts if python.search(text)]


@pytest.mark.parametrize("command", [["--version"], ["fit", "--help"], ["fit", "--typo", "x"], ["predict", "--typo"]])
def test_the_first_answer_takes_less_than_a_second_of_cpu_time(command: list[str]) -> None:
    seconds, _ = _run(command)
    assert seconds < 1


def test_help_names_everything_that_is_registered() -> None:
    """The parsers keep lists of their own, since the registries take seconds to import."""
    assert sorted(CORPORA) == datasets.available_corpora()
    assert sorted(SPLITS) == sorted(datasets.SPLITTERS.available())


def test_what_can_be_listed_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    from molweight.cli import main

    assert main(["list"]) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == list(KINDS)


def test_help_of_fit_says_what_the_preset_changes() -> None:
    _, [(status, _, text)] = _run(["fit", "--help"])
    assert status == 0
    assert "With --preset small: 100." in " ".join(text.split())
    _, [(status, _, text)] = _run(["fit", "--help_all"])
    assert status == 0
    assert "With --preset small (only for a new encoder): {'layers': 3, 'width': 64}." in " ".join(text.split())
    assert "With --preset small (only if an encoder is pretrained): 200." in " ".join(text.split())
