"""The main job on a CUDA device, and what it leaves to machines without one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight import encoders, objectives
from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.mlo import solvers, weightings
from molweight.options import Job
from molweight.runs import Run
from molweight.runs import load as load_run
from molweight.training import Session, fit, variant

pytestmark = pytest.mark.gpu

Material = tuple[MoleculeDataset, Splits, MoleculeDataset]

SMILES = ["CCO", "not a molecule", "c1ccccc1C(=O)O", "[Na+].[Cl-]"]


@pytest.fixture(scope="module")
def gpu(job: Job) -> Job:
    return variant(job, device="cuda")


@pytest.fixture(scope="module")
def material(data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> Material:
    return data, splits, corpus


@pytest.fixture(scope="module")
def trained(gpu: Job, material: Material) -> Run:
    return fit(gpu, *material)


def test_it_is_what_auto_chooses(job: Job, trained: Run, material: Material) -> None:
    chosen = fit(variant(job, device="auto"), *material)
    assert {parameter.device.type for parameter in chosen.model.parameters()} == {"cuda"}
    assert chosen.weights == pytest.approx(trained.weights, rel=1e-2)  # sums are taken in any order


def test_a_run_predicts_the_same_elsewhere(trained: Run, tmp_path: Path) -> None:
    trained.save(tmp_path)
    there, here = load_run(tmp_path, device="cuda"), load_run(tmp_path, device="cpu")
    assert {parameter.device.type for parameter in here.model.parameters()} == {"cpu"}
    for ask in ("predict", "embed"):
        values = [getattr(run, ask)(SMILES) for run in (trained, there, here)]
        assert np.flatnonzero(np.isnan(values[0][:, 0])).tolist() == [1]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(values[2], values[0], rtol=1e-4, atol=1e-4)


def test_attributions_are_those_of_the_cpu(trained: Run, tmp_path: Path) -> None:
    trained.save(tmp_path)
    pairs = zip(trained.attribute(SMILES[:1]), load_run(tmp_path, device="cpu").attribute(SMILES[:1]), strict=True)
    for one, other in pairs:
        assert one is not None
        assert other is not None
        np.testing.assert_allclose(one.atoms, other.atoms, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("stage", ["generic", "adaptive", "finetune"])
def test_it_resumes_where_it_was_stopped(
    stage: str, gpu: Job, trained: Run, material: Material, tmp_path: Path
) -> None:
    seen: list[tuple[str, int]] = []

    class HealthLogger:
        def __init__(self, stops: bool) -> None:
            self.stops = stops

        def log(self, name: str, step: int, values: Mapping[str, float]) -> None:
            assert values
            seen.append((name, step))
            if self.stops and (name, step) == (stage, 2):
                raise KeyboardInterrupt

    def session(stops: bool) -> Session:
        return Session(tmp_path / "states", callbacks=[HealthLogger(stops)], seconds=0)

    with pytest.raises(KeyboardInterrupt):
        fit(gpu, *material, session=session(stops=True))
    stopped = len(seen)
    resumed = fit(gpu, *material, session=session(stops=False))
    assert len(set(seen[stopped:]) & set(seen[: stopped - 1])) == 0  # nothing is done twice
    assert resumed.weights == pytest.approx(trained.weights, rel=1e-2)


@pytest.mark.parametrize("weighting", [name for name in weightings.available() if name != "fixed"])
def test_every_weighting(weighting: str, gpu: Job, material: Material) -> None:
    run = fit(variant(gpu, weighting=weighting, steps=2, epochs=1), *material)
    assert sum(run.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("solver", sorted(set(solvers.available()) - {"dense"}))
@pytest.mark.parametrize("encoder", encoders.available())
def test_every_encoder_with_every_solver(encoder: str, solver: str, gpu: Job, material: Material) -> None:
    options: dict[str, Any] = {"encoder": encoder, "encoder_options": {"layers": 2, "width": 8}, "solver": solver}
    run = fit(variant(gpu, **options, pretrain_steps=1, steps=2, epochs=1), *material)
    assert np.isfinite(run.predict(SMILES)[[0, 2, 3]]).all()


def test_all_objectives_at_once(gpu: Job, material: Material) -> None:
    names = [name for name in objectives.available() if objectives.get(name).__module__.startswith("molweight.")]
    spaces = {name: {"layers": 1, "filters": 4, "gaussians": 8} for name in names if name.startswith("graphmvp")}
    job = variant(gpu, objectives=names, objective_options=spaces, pretrain_steps=1, steps=2, epochs=1)
    assert set(fit(job, *material).weights) == set(names)


def test_the_global_random_state_is_left_alone(gpu: Job, material: Material) -> None:
    torch.manual_seed(5)
    before = torch.cuda.get_rng_state()
    fit(variant(gpu, steps=1, epochs=1, weighting="pcgrad"), *material)
    assert torch.equal(before, torch.cuda.get_rng_state())
