"""The first sentence of a model card: units, encoder, weighting."""

import json
from pathlib import Path

import pytest

from molweight.runs._model_card import model_card

BOTH = (
    "Probabilities (active) and values in the units of the table (y) from SMILES, by a `gin` encoder whose "
    "pretraining objectives were weighted by `equal`."
)


@pytest.mark.parametrize(
    ("task", "names", "weighting", "expected"),
    [
        ("regression", ["y"], "none", "Values in the units of the table from SMILES, by a `gin` encoder."),
        ("multiclass", ["a", "b", "c"], "none", "Probabilities from SMILES, by a `gin` encoder."),
        ("regression,classification", ["y", "active"], "equal", BOTH),
    ],
)
def test_the_card_says_what_is_predicted_and_what_weighted_the_objectives(
    task: str, names: list[str], weighting: str, expected: str, made: Path
) -> None:
    about = json.loads((made / "weights.json").read_text(encoding="utf-8"))
    changed = {**about, "task": task, "target_names": names, "options": {**about["options"], "weighting": weighting}}
    assert f"\n\n{expected}\n\n" in model_card(changed)
    assert "weighted by `tapweight`" in model_card(about)
