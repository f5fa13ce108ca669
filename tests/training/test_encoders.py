"""The main job with every encoder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight import encoders
from molweight.datasets import split
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import load as load_run
from molweight.training import fit, variant

OPTIONS: dict[str, dict[str, Any]] = {"gps": {"walks": 3}}
NAMES = sorted(set(encoders.available()) - {"gin"})  # gin is that of the other tests
BRIEF = {
    "pretrain_steps": 1,
    "steps": 2,
    "hypergradient_interval": 1,
    "epochs": 1,
    "solver": "cg",
    "objectives": ["attribute_masking"],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_with_each_encoder(
    name: str, job: Job, data: MoleculeDataset, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    options = {"layers": 2, "width": 8, "readout": "set2set", "virtual_node": True, **OPTIONS.get(name, {})}
    run = fit(variant(job, encoder=name, encoder_options=options, **BRIEF), data, split(data), corpus)
    assert run.history["meta_loss"].notna().all()
    predicted = run.predict(["CCO", "C"])
    assert np.isfinite(predicted).all()
    run.save(tmp_path)
    assert np.array_equal(load_run(tmp_path, device="cpu").predict(["CCO", "C"]), predicted)
