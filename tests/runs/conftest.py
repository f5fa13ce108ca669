"""A run that takes a second."""

import shutil
from pathlib import Path

import pytest

from molweight.cli import main


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run with dropout."""
    place = tmp_path_factory.mktemp("made")
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}{'N' * (n % 2)}C,{n % 7}.5" for n in range(60)]
    (place / "my.csv").write_text("\n".join(["smiles,y", *rows, "C1CC,2"]))
    sizes = ["--corpus_size=32", "--batch_size=16", "--pretrain_steps=1", "--steps=2", "--epochs=1", "--baselines="]
    encoder = ["--encoder_options.layers=2", "--encoder_options.width=8", "--encoder_options.dropout=0.2"]
    fit = ["fit", str(place / "my.csv"), f"--runs={place}", "--name=run", "--objectives=attribute_masking,graphcl"]
    assert (
        main([*fit, *sizes, *encoder, "--preset=small", "--split=random", "--members=1", "--device=cpu", "--quiet"])
        == 0
    )
    return place / "run"


@pytest.fixture
def run_folder(made: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(made, tmp_path / "run"))
