"""The example without molecules, as users run it: ``examples/text.py``."""

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from molweight.mlo import check_deterministic
from molweight.mlo.weightings import Equal, TapWeight


@pytest.fixture(scope="module")
def script(root: Path) -> Path:
    return root / "examples" / "text.py"


@pytest.fixture(scope="module")
def example(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("text", script)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_transformer_learns_which_objectives_help(example: ModuleType) -> None:
    loop, _, health = example.train(TapWeight(example.NAMES), seed=2, steps=200)
    weights = loop.weighting.as_dict()
    assert weights["masked_words"] > 0.6
    assert weights["random_labels"] < 0.2
    assert not [finding for finding in health.findings() if finding.kind != "solve"]


def test_the_same_code_runs_with_equal_weights(example: ModuleType) -> None:
    loop, _, health = example.train(Equal(example.NAMES), seed=0, steps=3)
    torch.testing.assert_close(loop.weighting.weights, torch.full((3,), 1 / 3))
    assert health.findings() == []


def test_the_losses_are_pure(example: ModuleType) -> None:
    encoder, generator = example.Encoder(), torch.Generator().manual_seed(1)
    loop = example.build_loop(encoder, Equal(example.NAMES))
    for name, loss in example.objectives(encoder, example.Corpus.write(16, generator), generator).items():
        check_deterministic(loss, loop.pretrained, name)


def test_the_script_prints_the_weights(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), "--steps", "2"])
    runpy.run_path(str(script), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["masked_words", "contrast", "random_labels"]
    assert lines[3].startswith("cross-entropy of the similarity task on new sentences: ")
