"""Units of predictions and attributions, if a table has classes, numbers or both."""

from pathlib import Path

import pytest

from molweight.cli import main

TUNE = [
    *("--init=scratch", "--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--members=1"),
    *("--split=random", "--device=cpu", "--quiet"),
]
COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table with classes and numbers, and a run on three classes."""
    folder = tmp_path_factory.mktemp("units")
    rows = [f"{'C' * (1 + n)}{'O' * (n % 3)}C,{n % 2},{n % 7}.5,{COLOURS[n % 3]}" for n in range(60)]
    (folder / "my.csv").write_text("\n".join(["smiles,active,y,colour", *rows]))
    tune = ["finetune", str(folder / "my.csv"), f"--runs={folder}", *TUNE]
    assert main([*tune, "--targets=active,y", "--name=mixed"]) == 0
    assert main([*tune, "--targets=colour", "--task=multiclass", "--name=classes"]) == 0
    return folder


@pytest.mark.parametrize(
    ("run", "target", "unit"),
    [
        ("mixed", "active", "logits"),
        ("mixed", "y", "units of the label"),
        ("classes", "colour=red", "logits"),
    ],
)
def test_shares_are_in_the_unit_of_their_target(run: str, target: str, unit: str, place: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    explain = ["explain", str(place / run), str(place / "my.csv"), "--limit=1", "--pairs=1", f"--output={page}"]
    assert main([*explain, "--target", target, "--device=cpu", "--quiet"]) == 0
    assert f"share of the prediction, in {unit}:" in page.read_text(encoding="utf-8")


def test_the_card_names_the_unit_of_each_target_and_no_weighting(place: Path) -> None:
    mixed, classes = ((place / run / "README.md").read_text(encoding="utf-8") for run in ("mixed", "classes"))
    assert (
        "\nProbabilities (active) and values in the units of the table (y) from SMILES, by a `gin` encoder.\n" in mixed
    )
    assert "\nProbabilities from SMILES, by a `gin` encoder.\n" in classes
