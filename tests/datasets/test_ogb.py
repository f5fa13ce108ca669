"""OGB's data sets, from a folder in its layout that is built here with ogb's own featuriser."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molweight import datasets
from molweight.datasets import _ogb
from molweight.datasets._ogb_evaluator import _no_version_check
from molweight.datasets.internal import TABLES, higher_is_better, ogb_entries
from molweight.errors import ConfigError, DataError, UnknownNameError
from molweight.graphs import Featuriser, build_dataset

SMILES = [
    "CCO", "c1ccccc1", "C", "F/C=C/F", "C[C@H](N)C(=O)O", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O", "N#N", "[CH3]",
    "C1CC1", "CS(=O)(=O)C", "c1ccncc1", "OO", "CC(C)(C)C", "C=C=C", "BrC(Cl)I", "OB(O)c1ccccc1", "C[Si](C)(C)C",
    "CCN", "O",
]  # fmt: skip
ROWS = {"train": [*range(3, 15)], "valid": [0, 1, 15, 16], "test": [2, 17, 18, 19]}


def write_numbers(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(values).to_csv(path, header=False, index=False, compression="gzip")


def build(folder: Path, labels: np.ndarray, names: list[str]) -> Path:
    """A folder in OGB's layout."""
    with _no_version_check():
        from ogb.utils import smiles2graph
    graphs = [smiles2graph(text) for text in SMILES]
    raw = folder / "raw"
    write_numbers(raw / "num-node-list.csv.gz", np.array([graph["num_nodes"] for graph in graphs]))
    write_numbers(raw / "num-edge-list.csv.gz", np.array([graph["edge_index"].shape[1] // 2 for graph in graphs]))
    write_numbers(raw / "node-feat.csv.gz", np.concatenate([graph["node_feat"] for graph in graphs]))
    write_numbers(raw / "edge.csv.gz", np.concatenate([graph["edge_index"][:, ::2].T for graph in graphs]))
    write_numbers(raw / "edge-feat.csv.gz", np.concatenate([graph["edge_feat"][::2] for graph in graphs]))
    write_numbers(raw / "graph-label.csv.gz", labels)
    for part, rows in ROWS.items():
        write_numbers(folder / "split" / "scaffold" / f"{part}.csv.gz", np.array(rows))
    mapping = pd.DataFrame(labels, columns=names).assign(smiles=SMILES, mol_id=[f"m{i}" for i in range(len(SMILES))])
    (folder / "mapping").mkdir()
    mapping.to_csv(folder / "mapping" / "mol.csv.gz", index=False)
    (folder / "RELEASE_v0.txt").write_text("an old release, at which ogb would ask on standard input")
    return folder


HIV = np.arange(20)[:, None] % 2
TOX = np.where(np.arange(240).reshape(20, 12) % 7 == 0, np.nan, np.arange(240).reshape(20, 12) % 3 == 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "ogbg_molhiv", HIV, ["HIV_active"])
    return tmp_path


def test_graphs_and_labels_are_those_of_the_files(root: Path) -> None:
    data = datasets.load("ogbg-molhiv", root=root)
    ours = build_dataset(SMILES, featuriser=Featuriser("ogb"), cache=False)
    assert data.featuriser == ours.featuriser
    assert list(data.smiles) == SMILES
    for field in ("atoms", "ends", "bonds", "atom_offsets", "bond_offsets", "rows", "smiles_data", "smiles_offsets"):
        assert np.array_equal(getattr(data.molecules, field), getattr(ours.molecules, field)), field
        assert getattr(data.molecules, field).dtype == getattr(ours.molecules, field).dtype
    assert np.array_equal(data.targets, HIV)
    assert (data.task, data.metric, data.target_names) == ("classification", "ogbg-molhiv:rocauc", ["HIV_active"])
    assert data[4].edge_index.tolist() == ours[4].edge_index.tolist()


def test_missing_labels_and_many_tasks(tmp_path: Path) -> None:
    build(tmp_path / "ogbg_moltox21", TOX, list(TABLES["tox21"].targets))
    data = datasets.load("ogbg-moltox21", root=tmp_path)
    assert np.array_equal(data.targets, TOX.astype(np.float32), equal_nan=True)
    assert data.target_names == list(TABLES["tox21"].targets)


def test_molecules_that_rdkit_refuses_are_kept(root: Path) -> None:
    path = root / "ogbg_molhiv" / "mapping" / "mol.csv.gz"
    pd.read_csv(path).replace({"smiles": {"C1CC1": "C1CC"}}).to_csv(path, index=False)
    data = datasets.load("ogbg-molhiv", root=root)
    assert len(data) == 20
    assert data.smiles[9] == "C1CC"
    assert data.graphs([9]).x.shape == (3, 9)
    for method in ("scaffold", "scaffold_balanced", "butina"):
        with pytest.raises(DataError, match=r"'C1CC' is in the dataset, but .* rejects it \(ring 1 is not closed\)"):
            datasets.split(data, method)


def test_the_published_split(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "ogb").mkdir()
    shutil.copytree(root / "ogbg_molhiv", root / "ogb" / "ogbg_molhiv")
    monkeypatch.setenv("MOLWEIGHT_DATA", str(root))
    splits = datasets.split(datasets.load("ogbg-molhiv"), "ogb", protocol="paper")
    assert (splits.train.tolist(), splits.meta.tolist(), splits.test.tolist()) == tuple(ROWS.values())
    assert splits.select.tolist() == splits.meta.tolist()
    assert (splits.name, splits.definition, splits.frozen) == ("ogb", "OGB's published split 'scaffold'", True)
    four = datasets.split(datasets.load("ogbg-molhiv", root=root), "ogb", options={"root": str(root)})
    assert sorted([*four.train, *four.select]) == ROWS["train"]
    assert len(four.select) > 0
    with pytest.raises(DataError, match="the split 'ogb' is for data sets of OGB"):
        datasets.split(datasets.load("freesolv", n_jobs=1), "ogb")


@pytest.mark.parametrize("name", ["ogbg-molhiv:rocauc", "ogbg-moltox21:rocauc", "ogbg-molmuv:ap", "ogbg-molesol:rmse"])
def test_the_value_is_what_the_evaluator_answers(name: str) -> None:
    dataset, _, metric = name.partition(":")
    tasks = ogb_entries()[dataset].num_tasks
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (60, tasks)).astype(float)
    truth[rng.random(truth.shape) < 0.3] = np.nan
    if tasks > 1:
        truth[:, 0] = np.where(np.isnan(truth[:, 0]), np.nan, 0.0)
        truth[:, 1] = np.nan
    predicted = rng.normal(size=truth.shape).round(1)
    with _no_version_check():
        from ogb.graphproppred import Evaluator
    expected = Evaluator(dataset).eval({"y_true": truth, "y_pred": predicted})[metric]
    found = datasets.score(name, truth, predicted)
    assert found.value == expected
    assert found.value == pytest.approx(np.mean(list(found.per_task.values())), abs=1e-12)
    assert len(found.excluded) == (2 if tasks > 1 else 0)
    assert higher_is_better(name) == (metric != "rmse")


def test_nothing_to_evaluate_is_no_error() -> None:
    found = datasets.score("ogbg-molhiv:rocauc", np.ones((3, 1)), np.zeros((3, 1)))
    assert np.isnan(found.value)
    assert found.excluded == {"y0": "only one class"}


CHILD = """
import json, sys, threading
import numpy as np
from molweight import datasets
data = datasets.load("ogbg-molhiv", root=sys.argv[1])
before = sorted(name for name in ("ogb", "outdated") if name in sys.modules)
value = datasets.score(data.metric, data.targets, np.arange(20.0)[:, None]).value
print(json.dumps([len(data), before, value, [t.name for t in threading.enumerate()], "outdated" in sys.modules]))
"""


def test_no_prompt_and_no_thread(root: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, str(root)],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"OUTDATED_IGNORE": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    size, before, value, threads, outdated = json.loads(answer.stdout)
    assert (size, before, threads, outdated) == (20, [], ["MainThread"], False)
    assert value == 0.55


def test_the_list_is_that_of_ogb() -> None:
    entries = ogb_entries()
    assert len(entries) == 13
    assert datasets.available_ogb() == sorted(entries)
    assert entries["ogbg-molhiv"].num_tasks == 1
    assert entries["ogbg-molpcba"].metric == "ogbg-molpcba:ap"
    assert entries["ogbg-molesol"].task == "regression"
    with pytest.raises(UnknownNameError, match="did you mean 'ogbg-molhiv'"):
        datasets.load("ogbg-hiv")
    with pytest.raises(ConfigError, match="scores all tasks together"):
        datasets.load("ogbg-moltox21", "NR-AR")


def corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("raw/edge.csv.gz", Path.unlink, "there is no such file"),
        ("raw/node-feat.csv.gz", corrupt, "truncated or damaged"),
        ("mapping/mol.csv.gz", corrupt, "truncated or damaged"),
        ("mapping/mol.csv.gz", lambda path: path.write_bytes(gzip.compress(b"a,b\n1,2\n")), "no column 'smiles'"),
        (
            "raw/graph-label.csv.gz",
            lambda path: write_numbers(path, HIV[:-1]),
            "19 rows of 1 numbers, expected 20 rows",
        ),
        ("raw/num-node-list.csv.gz", lambda path: write_numbers(path, np.full(20, 2)), "expected 40 rows of 9"),
        ("raw/edge.csv.gz", lambda path: write_numbers(path, np.full((49, 2), 40)), "expected|an atom outside its"),
        ("raw/edge-feat.csv.gz", lambda path: path.write_bytes(gzip.compress(b"x,y,z\n")), "not a table of numbers"),
    ],
)
def test_damaged_folders_are_refused(file: str, damage: Callable[[Path], object], words: str, root: Path) -> None:
    path = root / "ogbg_molhiv" / file
    damage(path)
    with pytest.raises(DataError, match=words) as raised:
        datasets.load("ogbg-molhiv", root=root)
    assert str(path.parent) in str(raised.value)


def test_atoms_of_other_molecules_and_unknown_features_are_refused(root: Path) -> None:
    raw = root / "ogbg_molhiv" / "raw"
    ends = pd.read_csv(raw / "edge.csv.gz", header=None).to_numpy()
    write_numbers(raw / "edge.csv.gz", ends + 1)
    with pytest.raises(DataError, match="a bond refers to an atom outside its molecule"):
        datasets.load("ogbg-molhiv", root=root)
    atoms = pd.read_csv(raw / "node-feat.csv.gz", header=None).to_numpy()
    write_numbers(raw / "node-feat.csv.gz", atoms + 2)
    with pytest.raises(DataError, match="a feature outside OGB's ranges"):
        datasets.load("ogbg-molhiv", root=root)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.mark.parametrize("whole", [True, False])
def test_a_data_set_is_downloaded_once(
    whole: bool, root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, cache = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("cache")
    with zipfile.ZipFile(served / "hiv.zip", "w") as archive:
        for path in sorted((root / "ogbg_molhiv").rglob("*.gz")):
            archive.write(path, Path("hiv") / path.relative_to(root / "ogbg_molhiv"))
    if not whole:
        corrupt(served / "hiv.zip")
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(cache))
    monkeypatch.delenv("MOLWEIGHT_DATA", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        entry = ogb_entries()["ogbg-molhiv"]
        here = {
            "ogbg-molhiv": _ogb.OgbEntry(**{**vars(entry), "url": f"http://127.0.0.1:{server.server_port}/hiv.zip"})
        }
        monkeypatch.setattr(_ogb, "ogb_entries", lambda: here)
        try:
            if whole:
                assert len(datasets.load("ogbg-molhiv")) == 20
                (served / "hiv.zip").unlink()
                assert len(datasets.load("ogbg-molhiv")) == 20
            else:
                with pytest.raises(DataError, match=r"hiv\.zip: is damaged .*Try again.*put its folder"):
                    datasets.load("ogbg-molhiv")
        finally:
            server.shutdown()
            thread.join()
    assert [path.name for path in (cache / "ogb").glob("[!.]*")] == (["ogbg_molhiv"] if whole else [])


def test_without_a_network_the_message_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    entry = ogb_entries()["ogbg-molhiv"]
    offline = {"ogbg-molhiv": replace(entry, url="http://127.0.0.1:9/hiv.zip")}
    monkeypatch.setattr(_ogb, "ogb_entries", lambda: offline)
    with pytest.raises(DataError, match=rf"put its folder hiv/ at {tmp_path}/ogb/ogbg_molhiv\."):
        datasets.load("ogbg-molhiv")
    with pytest.raises(ConfigError, match="root must hold the folder ogbg_molhiv"):
        datasets.load("ogbg-molhiv", root=tmp_path)
