"""Small files and numbers that ask for a lot of work are refused before it begins."""

import gzip
import io
import json
import signal
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch

from molweight import encoders
from molweight._owned_files import owned_files
from molweight._yaml import load_yaml
from molweight.benchmark import read_study
from molweight.cli import main
from molweight.datasets import from_file, from_smiles, load_splits
from molweight.datasets._read_sdf import LONGEST_RECORD
from molweight.datasets._records import sd_records
from molweight.ensemble._partners import _unpacked
from molweight.errors import ConfigError, DataError, OptionError
from molweight.storage import from_tensor

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))
DEEP = "a: " + "[" * 100_000 + "]" * 100_000


@contextmanager
def _seconds(limit: float) -> Iterator[None]:
    """Fail after so many seconds of CPU time, also where the code would never return."""

    def end(number: int, frame: object) -> None:
        raise AssertionError(f"took more than {limit} seconds")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    ("text", "found"), [(LAUGHS, "2: has an alias"), (DEEP, "1: nests lists and mappings more than 50 levels deep")]
)
def test_yaml_that_grows_without_bounds(text: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text, encoding="utf-8")
    with _seconds(5), pytest.raises(ConfigError, match=f"line {found}"):
        read_study(path)


@pytest.mark.parametrize("text", [LAUGHS, DEEP])
def test_options_that_grow_without_bounds(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text, encoding="utf-8")
    with _seconds(5):
        assert main(["fit", "table.csv", "--config", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"molweight: {path}, line ")


def test_yaml_that_is_too_long_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(f"tables: [{'esol, ' * 200_000}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has more than 1048576 characters, the limit"):
        read_study(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="Linux has it")
def test_options_without_an_end_are_not_read_whole(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["audit", "my.csv", "--config=/dev/zero"], ["benchmark", "/dev/zero"]):
        with _seconds(5):
            assert main(arguments) == 2
        assert "/dev/zero: has more than 1048576 characters" in capsys.readouterr().err


def test_anchors_may_be_used() -> None:
    assert load_yaml("a: &a [1, 2]\nb: [*a, *a]\n", "x") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


@pytest.mark.parametrize("option", ["layers", "width"])
@pytest.mark.parametrize("name", ["gin", "dmpnn", "gps", "pna"])
def test_encoders_of_absurd_size(option: str, name: str) -> None:
    started = time.process_time()
    with pytest.raises(OptionError, match="must be at most"):
        encoders.create(name, **{option: 10_000_000})
    assert time.process_time() - started < 1


def test_json_that_is_deeply_nested(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000, encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as a split"):
        load_splits(path, from_smiles(["C", "CC"], cache=False))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="Linux has it")
def test_a_split_without_an_end_is_not_read_whole() -> None:
    with _seconds(5), pytest.raises(DataError, match="/dev/zero: has more than 67108864 characters"):
        load_splits("/dev/zero", from_smiles(["C", "CC"], cache=False))


def test_trees_that_unpack_to_more_than_trees_can_be() -> None:
    packed = zlib.compress(b"[" + b" " * (200 << 20) + b"]")
    assert len(packed) < 1 << 18
    with _seconds(5), pytest.raises(DataError, match="unpack to more data than trees can have"):
        _unpacked(packed)
    for damaged in (packed[:1000], b"no", zlib.compress(b"[" * 100_000)):
        with pytest.raises(DataError, match="the trees of the ensemble are damaged"):
            _unpacked(damaged)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_files_of_a_run_that_are_deeply_nested(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header = json.dumps({"__metadata__": {"molweight": text}})
    for content in (text, header):
        packed = len(content).to_bytes(8, "little") + content.encode()
        for folder, name in (("run", "model.safetensors"), ("made", "checkpoint.safetensors")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(packed)
        for arguments in (["predict", "run", "C"], ["finetune", "--data=freesolv", "--init=made"]):
            assert main(arguments) == 2
            message = capsys.readouterr().err.splitlines()[-1]
            assert "safetensors is damaged, or was not written by molweight" in message
    (tmp_path / "run" / "state").mkdir()
    (tmp_path / "run" / "state" / ".molweight").write_text(text)
    with pytest.raises(DataError, match="is damaged: it is nested too deeply"):
        owned_files(tmp_path / "run" / "state")
    with pytest.raises(DataError, match="it is nested too deeply"):
        from_tensor(torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8))


def test_packed_tables(tmp_path: Path) -> None:
    table, parquet = tmp_path / "bomb.csv.gz", tmp_path / "bomb.parquet"
    with gzip.open(table, "wb", 1) as stream:
        stream.write(b"smiles,y\n" + b"C,1\n" * 3_000_000)
    with pytest.raises(DataError, match="is larger than 8 MB once unpacked"):
        from_file(table, max_mb=8)
    pd.DataFrame({"smiles": pd.Categorical(["C"] * 1_000_001), "y": 1.0}).to_parquet(parquet)
    with pytest.raises(DataError, match="has 1000001 rows or more"):
        from_file(parquet)


def test_tables_whose_own_description_says_that_they_are_large(tmp_path: Path) -> None:
    """Small by the rows, and large by the bytes that are unpacked."""
    parquet, book = tmp_path / "bomb.parquet", tmp_path / "bomb.xlsx"
    pd.DataFrame({"smiles": ["C" * 1000 + str(row) for row in range(3000)]}).to_parquet(parquet, use_dictionary=False)
    assert parquet.stat().st_size < 1 << 20
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (3 << 20))
    for path in (parquet, book):
        with pytest.raises(DataError, match="is larger than 1 MB once unpacked"):
            from_file(path, max_mb=1)


def test_the_lines_of_a_record_that_is_too_long_are_not_kept() -> None:
    text = io.StringIO("x\n" * 400_000 + "$$$$\nmethane\n$$$$\n")
    (_, long), (_, short) = sd_records(text, Path("bomb.sdf"))
    assert len(long) == LONGEST_RECORD + 1
    assert short == ["methane"]


def test_a_record_of_a_million_atoms_is_not_parsed(tmp_path: Path) -> None:
    atoms = "".join(f"M  V30 {number} C 0 0 0 0\n" for number in range(1, 1_000_001))
    head = "large\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS 1000000 0 0 0 0\n"
    large = f"{head}M  V30 BEGIN ATOM\n{atoms}M  V30 END ATOM\nM  V30 END CTAB\nM  END\n> <y>\n1.0\n\n$$$$\n"
    small = "methane\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n" + "    0.0000    0.0000    0.0000 C   0  0\n"
    path = tmp_path / "bomb.sdf"
    path.write_text(large + f"{small}M  END\n> <y>\n2.5\n\n$$$$\n" * 2, encoding="utf-8")
    data = from_file(path, targets=["y"], task="regression", cache=False, duplicates="keep")
    assert [reject.reason for reject in data.rejects] == [
        "a record of 1000013 lines is too long: a molecule may have at most 65535 atoms"
    ]
