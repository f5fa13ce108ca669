"""Molecules whose targets could not be computed do not count in the losses."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from molweight import encoders
from molweight.features import feature_matrix
from molweight.graphs import GraphBatch, MoleculeDataset, TargetSpec, attach_targets, build_dataset
from molweight.graphs._columns import missing_targets
from molweight.objectives import Objective, create
from molweight.objectives.building_blocks import FUNCTIONAL_GROUPS

LONG = "OCC" * 60
"""Long enough to be computed in a process of its own."""
SMILES = ["CC(=O)Oc1ccccc1C(=O)O", LONG, "c1ccccc1", "CCOCCC", "CCCC", "CCN(CC)C(=O)c1ccccc1"]
OTHERS = [0, 2, 3, 4, 5]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("functional_groups", {}),
    ("fingerprint", {}),
    ("fingerprint", {"kind": "path"}),
    ("fingerprint", {"kind": "counts"}),
    ("fingerprint_clusters", {"clusters": [2, 3]}),
    ("brics_motifs", {"vocabulary": 8}),
    ("fragment_jigsaw", {"orders": 4, "identity": 0.0}),
]


def _crashing(compute: Callable[[Sequence[str]], np.ndarray], smiles: Sequence[str]) -> np.ndarray:
    if LONG in smiles:
        os.kill(os.getpid(), signal.SIGSEGV)
    return compute(smiles)


def crashing(spec: TargetSpec) -> TargetSpec:
    """The spec, with a computation that crashes for the long molecule."""
    return replace(spec, compute=partial(_crashing, spec.compute))


def given_up(objective: Objective) -> MoleculeDataset:
    return attach_targets(build_dataset(SMILES, cache=False, n_jobs=1), [crashing(spec) for spec in objective.targets])


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{options.get('kind')}" for name, options in CASES])
def test_the_loss_is_that_of_the_other_molecules(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    encoder, objective = encoders.create("gin", layers=1, width=6).eval(), create(name, width=6, **options)
    data = given_up(objective)
    others = attach_targets(data.subset(OTHERS), objective.targets)
    objective.prepare(dict(data.columns))
    centres = {key: value.clone() for key, value in objective.state_dict().items()}
    objective.prepare(dict(others.columns))
    for key, value in objective.state_dict().items():
        assert torch.equal(centres[key], value) or key.endswith(("weight", "bias"))

    def loss(batch: GraphBatch) -> torch.Tensor:
        found: torch.Tensor = objective(encoder, objective.draw(batch, torch.Generator().manual_seed(0)))
        return found

    if name != "fragment_jigsaw":  # its orders are drawn for all molecules of the batch
        torch.testing.assert_close(loss(data.graphs(range(6))), loss(others.graphs(range(5))))
    alone = loss(data.graphs([1]))
    gradient = torch.autograd.grad(alone, list(objective.parameters()), materialize_grads=True)
    assert alone == 0
    assert not any(part.any() for part in gradient)


def test_such_molecules_are_counted_and_are_missing_as_features(caplog: pytest.LogCaptureFixture) -> None:
    data = given_up(create("functional_groups", width=6))
    assert missing_targets(data, FUNCTIONAL_GROUPS.name).tolist() == [False, True, False, False, False, False]
    assert "1 of 6 molecules have no functional_groups" in caplog.text
    assert data.columns[FUNCTIONAL_GROUPS.name][4].max() == 1, "butane has a chain without branches"
    whole = attach_targets(build_dataset(["C", "CC"], cache=False), [FUNCTIONAL_GROUPS])
    assert not missing_targets(whole, FUNCTIONAL_GROUPS.name).any(), "without groups is not missing"
    assert whole.columns[FUNCTIONAL_GROUPS.name].dtype == np.uint8
    assert feature_matrix(whole, ["functional_groups"]).tolist() == [[0.0] * 85] * 2


def test_the_mark_is_kept_in_the_cache(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    data = build_dataset(SMILES, n_jobs=1)
    first = attach_targets(data, [crashing(FUNCTIONAL_GROUPS)])
    again = attach_targets(build_dataset(SMILES, n_jobs=1), [FUNCTIONAL_GROUPS])  # not computed a second time
    assert np.array_equal(first.columns["functional_groups"], again.columns["functional_groups"], equal_nan=True)
    features = feature_matrix(data, ["functional_groups"])
    assert np.isnan(features).all(axis=1).tolist() == [False, True, False, False, False, False]
