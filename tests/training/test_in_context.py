"""Jobs with weights of TabICL: refused before any work, identified by the file's content, self-contained afterwards."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molweight.benchmark import Study
from molweight.cli import main
from molweight.datasets import from_smiles, split
from molweight.ensemble import Ensemble
from molweight.errors import ConfigError, OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import load
from molweight.training import fit
from molweight.training._resolve import resolve

pytest.importorskip("tabicl")

SMILES = ["CCO", "OCC", "c1ccccc1", "not a molecule", "C(C)O", "[Na+].[Cl-]"]


@pytest.fixture(scope="module")
def several(job: Job) -> Job:
    short = replace(job, members=2, features=("functional_groups",), partners=("linear",), hidden=16, epochs=1)
    return replace(short, weighting="none", init="scratch")


def classes(data: MoleculeDataset) -> MoleculeDataset:
    labels = (data.targets < np.median(data.targets)).astype(float)
    return from_smiles(list(data.smiles), labels, task="classification", cache=False)


@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_a_run_holds_the_weights(
    several: Job, data: MoleculeDataset, tabicl_files: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    path = Path(shutil.copy(tabicl_files[kind], tmp_path))
    table = data.subset(range(40)) if kind == "regressor" else classes(data.subset(range(40)))
    run = fit(replace(several, in_context=str(path)), table, split(table, "random"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    assert isinstance(run.model, Ensemble)
    assert list(run.finetuning.cross_fitting["scores"]) == ["graph", "linear", "tabicl", "ensemble"]
    run.save(tmp_path / "run")
    again = load(tmp_path / "run")
    found = run.predict(SMILES)
    np.testing.assert_array_equal(again.predict(SMILES), found)
    np.testing.assert_allclose(again.predict(SMILES[:1]), found[:1], rtol=1e-5)
    np.testing.assert_allclose(found[[1, 4]], found[[0, 0]], rtol=1e-5)  # spellings of one molecule
    assert np.isnan(found[:, 0]).tolist() == [False, False, False, True, False, False]
    model = again.model
    assert isinstance(model, Ensemble)
    own = [part[:, 0].tolist() for part in model.parts(model.with_features(table).graphs(range(8)))[1]]
    assert len(set(own[1])) > 1, "the partner itself tells molecules apart"
    line = f"- Holds the weights of TabICL in `{path.name}`, SHA-256 `{digest}`, licence BSD 3-clause\n"
    assert line in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    page = again.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{path.name}, SHA-256 {digest}, licence BSD 3-clause" in page
    assert "2 graph members, a linear model, TabICL" in page
    assert not list((tmp_path / "run").glob("*.p*kl"))


def test_files_for_other_labels_are_refused_before_features_are_computed(
    several: Job, data: MoleculeDataset, tabicl_files: dict[str, Path], tmp_path: Path
) -> None:
    numbers, other = (replace(several, in_context=str(tabicl_files[kind])) for kind in ("regressor", "classifier"))
    with pytest.raises(OptionError, match=r"holds the weights for classes, but freesolv has .* numbers. Give the regr"):
        resolve(other, data)
    with pytest.raises(OptionError, match=r"holds the weights for numbers, but .* that are classes. Give the classif"):
        resolve(numbers, classes(data))
    pair = np.stack([data.targets[:, 0], data.targets[:, 0] < -3], axis=1)
    mixed = from_smiles(list(data.smiles), pair, task="regression,classification", cache=False)
    with pytest.raises(
        OptionError,
        match=r"targets that are classes and numbers. Fit classes and numbers separately: targets=\[\.\.\.\]",
    ):
        resolve(numbers, mixed)
    wide = from_smiles(list(data.smiles), np.repeat(data.targets, 51, axis=1), task="regression", cache=False)
    with pytest.raises(OptionError, match=r"supports at most 50 targets, but .* has 51. Leave in_context out"):
        resolve(numbers, wide)
    with pytest.raises(OptionError, match=r"in_context='none\.ckpt' is not a file"):
        Study(tables=["esol"], methods=["equal"], seeds=[0], reference="equal", job={"in_context": "none.ckpt"})
    with pytest.raises(ConfigError, match=r"partners: 'tabicl' needs its weights; use in_context=\.\.\."):
        resolve(replace(several, partners=("tabicl",)), data)


def test_an_interrupted_job_goes_on_with_the_same_weights_alone(
    several: Job, data: MoleculeDataset, tabicl_files: dict[str, Path], tmp_path: Path
) -> None:
    table, moved = data.subset(range(40)), tmp_path / "moved.ckpt"
    roles = split(table, "random")
    job = replace(several, in_context=str(tabicl_files["regressor"]), partners=())
    first = fit(job, table, roles, resume=tmp_path / "state")
    shutil.copy(tabicl_files["regressor"], moved)
    again = fit(replace(job, in_context=str(moved)), table, roles, resume=tmp_path / "state")
    np.testing.assert_array_equal(again.predict(SMILES), first.predict(SMILES))
    content = torch.load(moved, weights_only=True)
    next(iter(content["state_dict"].values())).add_(0.5)
    torch.save(content, moved)
    with pytest.raises(ConfigError, match=r"options\.in_context was '[0-9a-f]{64}' and is now '[0-9a-f]{64}'"):
        fit(replace(job, in_context=str(moved)), table, roles, resume=tmp_path / "state")
    keys = []
    for path in (tabicl_files["regressor"], moved):
        shutil.copy(path, tmp_path / "named.ckpt")
        named = {"in_context": str(tmp_path / "named.ckpt")}
        keys.append(Study(tables=["esol"], methods=["equal"], seeds=[0], reference="equal", job=named).key())
    assert keys[0] != keys[1]


def test_on_the_command_line(
    tabicl_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{'C' * (n // 2 + 1)}{'O' if n % 2 else 'N'},{n / 7}" for n in range(40)]
    Path("mine.csv").write_text("\n".join(["smiles,y", *rows]))
    for kind, path in tabicl_files.items():
        shutil.copy(path, f"{kind}.ckpt")
    sizes = [
        "--split=random",
        "--steps=0",
        "--corpus_size=32",
        "--init=scratch",
        "--epochs=1",
        "--members=2",
        "--partners=",
    ]
    command = [
        "fit",
        "mine.csv",
        "--runs=.",
        "--name=run",
        *sizes,
        "--features=functional_groups",
        "--weighting=none",
        "--baselines=",
        "--device=cpu",
        "--quiet",
    ]
    Path("text.ckpt").write_text("text")
    for file, said in (
        ("none.ckpt", "is not a file that can be read"),
        ("text.ckpt", "is not a file of torch.save, or is damaged. Expected the weights of TabICL 2"),
        (
            "classifier.ckpt",
            "holds the weights for classes, but mine has targets that are numbers. Give the regressor's file.",
        ),
    ):
        assert main([*command, "--in_context", file]) == 2
        assert capsys.readouterr().err.replace("\n", " ").startswith(f"molweight: --in_context {file} {said}")
        assert not Path("run").exists() or not list(Path("run").glob("model*"))
    assert main([*command, "--in_context", "regressor.ckpt"]) == 0
    assert "TabICL" in capsys.readouterr().out
    Path("regressor.ckpt").unlink()
    assert main(["predict", "run", "mine.csv", "--output", "p.csv"]) == 0
    assert len(Path("p.csv").read_text().splitlines()) == 41
    kept = json.loads(Path("run/weights.json").read_text())
    assert "regressor.ckpt" in json.dumps(kept)


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu(
    several: Job, data: MoleculeDataset, tabicl_files: dict[str, Path], tmp_path: Path
) -> None:
    table = data.subset(range(40))
    job = replace(several, in_context=str(tabicl_files["regressor"]), device="cuda")
    run = fit(job, table, split(table, "random"))
    run.save(tmp_path / "run")
    on_cpu = load(tmp_path / "run", device="cpu").predict(SMILES)
    np.testing.assert_allclose(run.predict(SMILES), on_cpu, rtol=1e-3)
