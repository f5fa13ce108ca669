"""The main job with every encoder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight import encoders
from molweight.datasets import split
from molweight.graphs import MoleculeDataset
from molweight.training import TapWeight
from molweight.training import load as load_run

OPTIONS: dict[str, dict[str, Any]] = {"gps": {"walks": 3}}
NAMES = sorted(set(encoders.available()) - {"gin"})  # gin is that of the other tests
BRIEF = {"general_steps": 1, "steps": 2, "every": 1, "epochs": 1, "solver": "cg", "objectives": ["attribute_masking"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_with_each_encoder(
    name: str, job: TapWeight, data: MoleculeDataset, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    options = {"layers": 2, "width": 8, "readout": "set2set", "virtual_node": True, **OPTIONS.get(name, {})}
    run = job.variant(encoder=name, encoder_options=options, **BRIEF).fit(data, split(data), corpus)
    assert run.history["meta_loss"].notna().all()
    predicted = run.predict(["CCO", "C"])
    assert np.isfinite(predicted).all()
    run.save(tmp_path)
    assert np.array_equal(load_run(tmp_path, device="cpu").predict(["CCO", "C"]), predicted)
