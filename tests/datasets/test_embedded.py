"""The embedded files: counts as published, the bytes of the sources, damage noticed."""

import csv
import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight import datasets
from molweight.datasets import _embedded
from molweight.datasets._embedded import read_embedded
from molweight.datasets.internal import CORPORA, EMBEDDED, TABLES
from molweight.errors import ConfigError, DataError, UnknownNameError
from molweight.graphs import MoleculeDataset

Load = Callable[[str], MoleculeDataset]

PUBLISHED = {  # rows, unparsable, targets, percentage of labels missing: counted in the sources with other tools
    "bace": (1513, 0, 1, 0.0),
    "bbbp": (2050, 11, 1, 0.0),
    "clintox": (1484, 4, 2, 0.0),
    "esol": (1128, 0, 1, 0.0),
    "freesolv": (642, 0, 1, 0.0),
    "lipophilicity": (4200, 0, 1, 0.0),
    "sider": (1427, 0, 27, 0.0),
    "tox21": (7831, 8, 12, 17.1),
}
ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(os.environ.get("MOLWEIGHT_DATA", "/nonexistent"))
needs_sources = pytest.mark.skipif(
    not SOURCES.is_dir(), reason="MOLWEIGHT_DATA does not name the folder of the sources"
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_sources(name: str, table: Load) -> None:
    rows, unparsable, targets, missing = PUBLISHED[name]
    data = table(name)
    assert len(data) == rows - unparsable
    assert len(data.rejects) == unparsable
    assert sorted([*data.rows.tolist(), *(item.row for item in data.rejects)]) == list(range(rows))
    assert data.targets.shape == (rows - unparsable, targets)
    assert round(100 * float(np.isnan(data.targets).mean()), 1) == pytest.approx(missing, abs=0.1)
    assert (data.task, data.metric) == (TABLES[name].task, TABLES[name].metric)


def test_catalogue_and_embedded_files_agree() -> None:
    embedded = {name: entry for name, entry in TABLES.items() if entry.embedded}
    assert set(PUBLISHED) == set(embedded) <= set(datasets.available())
    assert {name: entry.rows for name, entry in embedded.items()} == {k: v[0] for k, v in PUBLISHED.items()}
    listed = json.loads(EMBEDDED.joinpath("checksums.json").read_text())
    on_disk = {item.relative_to(EMBEDDED).as_posix() for item in EMBEDDED.rglob("*") if item.is_file()}
    assert on_disk - {"checksums.json"} == set(listed)


def test_the_table_in_the_documentation_is_the_catalogue() -> None:
    documented = {}
    for line in (datasets.__doc__ or "").splitlines():
        if re.match(r"[a-z0-9]+ +(classification|regression) ", line):
            name, task, targets, rows, metric, split, where, title = line.split(maxsplit=7)
            documented[name] = (task, int(targets), int(rows), metric, split, where == "wheel", title)
    assert documented == {
        name: (entry.task, entry.num_targets, entry.rows, entry.metric, entry.split, entry.embedded, entry.title)
        for name, entry in TABLES.items()
    }


def test_the_wheel_stays_small() -> None:
    sizes = {item.name: item.stat().st_size for item in EMBEDDED.rglob("*") if item.is_file()}
    assert sum(size for name, size in sizes.items() if name.endswith(".csv.xz")) < 500_000
    assert sum(size for name, size in sizes.items() if name.endswith((".scaffold.json", ".scaffold.json.xz"))) < 100_000


@pytest.fixture(scope="module")
def script() -> Any:
    """The script that writes the embedded files."""
    spec = importlib.util.spec_from_file_location("embed_data", ROOT / "experiments" / "tools" / "embed_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_keeps_rows_and_text(script: Any) -> None:
    entry = replace(TABLES["bace"], targets=("Class", "a, b"), rows=3)
    source = b'smiles,CID,Class,"a, b"\r\nCCO ,x,1,0.50\r\n\r\nFAIL,y,,1e-3\r\n"C,C",z,0,\r\n'
    assert script.cut_table(source, entry) == b'mol,Class,"a, b"\nCCO ,1,0.50\nFAIL,,1e-3\n"C,C",0,\n'
    with pytest.raises(SystemExit, match="3 rows, expected 4"):
        script.cut_table(source, replace(entry, rows=4))


@needs_sources
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_cell_is_that_of_the_source(name: str, script: Any) -> None:
    entry = TABLES[name]
    source = gzip.decompress((SOURCES / "moleculenet" / f"{name}.csv.gz").read_bytes())
    assert hashlib.sha256(source).hexdigest() == entry.sha256
    embedded = read_embedded(f"{name}.csv.xz")
    assert embedded == script.cut_table(source, entry)
    columns = (entry.smiles, *entry.targets)
    records = csv.DictReader(io.StringIO(source.decode(), newline=""))
    expected = [list(columns), *([record[column] for column in columns] for record in records)]
    assert list(csv.reader(io.StringIO(embedded.decode(), newline=""))) == expected


@needs_sources
def test_the_corpus_is_a_random_sample_of_the_source(script: Any) -> None:
    source = gzip.decompress((SOURCES / "corpora" / "zinc250k.smi.gz").read_bytes())
    corpus = CORPORA["zinc"]
    assert hashlib.sha256(source).hexdigest() == corpus.source.sha256
    embedded = read_embedded(corpus.file)
    assert embedded == script.sample(source, corpus)
    places = {smiles: place for place, smiles in enumerate(source.decode().split())}
    drawn = [places[smiles] for smiles in embedded.decode().split()]
    assert len(drawn) == len(set(drawn)) == 50_000
    assert np.mean(drawn) == pytest.approx(len(places) / 2, rel=0.01)


@pytest.mark.parametrize("file", ["freesolv.csv.xz", "zinc_50k.smi.xz", "splits/freesolv.scaffold.json"])
def test_one_changed_byte_is_noticed(file: str, tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED, tmp_path, dirs_exist_ok=True)
    read_embedded(file, tmp_path)
    content = bytearray((tmp_path / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=rf"{re.escape(str(tmp_path / file))}.*damaged.*Reinstall"):
        read_embedded(file, tmp_path)


def test_missing_and_unlisted_files_are_refused(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "bbbp.csv.xz").unlink()
    (tmp_path / "mine.csv").write_text("smiles,y\nC,1\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_embedded("bbbp.csv.xz", tmp_path)
    with pytest.raises(DataError, match="expected none"):
        read_embedded("mine.csv", tmp_path)


def test_a_damaged_list_of_checksums_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checksums.json").write_text("{")
    (tmp_path / "bbbp.csv.xz").write_bytes(b"")
    with pytest.raises(DataError, match=r"checksums\.json: the list of checksums cannot be read"):
        _embedded.read_embedded("bbbp.csv.xz", tmp_path)


@pytest.mark.parametrize(
    ("asked", "hint"), [("freesolve", "freesolv"), ("BBBP", "bbbp"), ("tox-21", "tox21"), ("Lipophilicity", "lipo")]
)
def test_unknown_tables_name_the_nearest(asked: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{hint}"):
        datasets.load(asked)


def test_unknown_corpus_and_info() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'zinc'"):
        datasets.load_corpus("zinc1")
    with pytest.raises(UnknownNameError, match="did you mean 'sider'"):
        datasets.info("siders")
    assert datasets.info("zinc") is CORPORA["zinc"]


def test_smaller_corpora_are_contained_in_larger_ones() -> None:
    small, large = datasets.load_corpus("zinc", 20), datasets.load_corpus("zinc", 50)
    assert large.smiles[:20] == list(small.smiles)
    assert small.targets.shape == (20, 0)
    assert small.task is None
    other = datasets.load_corpus("zinc", 20, seed=1)
    assert set(other.smiles) != set(small.smiles)
    assert list(other.smiles) == list(datasets.load_corpus("zinc", 20, seed=1).smiles)


@pytest.mark.parametrize("size", [0, -1, 50_001])
def test_impossible_corpus_sizes_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="between 1 and 50000"):
        datasets.load_corpus("zinc", size)


def test_importing_does_not_import_chemistry_or_pandas() -> None:
    code = "import sys, molweight.datasets; print({'rdkit', 'pandas', 'sklearn', 'ogb'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"
