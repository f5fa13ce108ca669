"""The first sentences of a model card: units, model, weighting."""

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


def test_the_card_of_an_ensemble_names_the_weights_of_its_parts_before_the_encoder(made: Path) -> None:
    about = json.loads((made / "weights.json").read_text(encoding="utf-8"))
    interval = {"value": 1.0, "low": 0.9, "high": 1.1}
    parts = {"graph": 0.0, "trees": 0.001, "minimol": 0.51, "linear": 0.489}
    fitted = {"weights": parts, "scores": {"ensemble": interval}, "members": 2, "rows": 40, "best": "ensemble"}
    changed = {**about, "finetuning": {**about["finetuning"], "cross_fitting": fitted}}
    assert (
        "from SMILES, by an ensemble (weights: a Gaussian process with MiniMol 0.51, a linear model 0.49, graph "
        "members 0.00). The graph members have a `gin` encoder whose pretraining objectives were weighted by "
        "`tapweight`.\n"
    ) in model_card(changed)
