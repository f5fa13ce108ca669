"""Malformed files of every format: one clear message or every row accounted for, never anything else."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molweight.datasets import from_file
from molweight.datasets._text import read_bytes, read_text
from molweight.errors import DataError, MolweightError

Write = Callable[..., Path]

SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "C1CC", "CN", ""]
LABELS = ["0.5", "1.5", "", "2.5", "N/A", "3.5"]


def valid(ending: str) -> bytes:
    """A small valid file of a format."""
    rows = list(zip(SMILES, LABELS, strict=True))
    if ending == "csv":
        return ("smiles,note,y\r\n" + "".join(f'{smiles},"a, b",{y}\r\n' for smiles, y in rows)).encode()
    if ending == "smi":
        return "".join(f"{smiles}\t{y}\n" for smiles, y in rows if smiles).encode()
    if ending == "parquet":
        stream = io.BytesIO()
        pd.DataFrame({"smiles": SMILES, "y": LABELS}).to_parquet(stream)
        return stream.getvalue()
    text = io.StringIO()
    with Chem.SDWriter(text) as writer:
        for smiles, y in rows:
            molecule = Chem.MolFromSmiles(smiles)
            if molecule is not None:
                molecule.SetProp("y", y)
                writer.write(molecule)
    return text.getvalue().encode()


VALID = {ending: valid(ending) for ending in ("csv", "smi", "sdf", "parquet")}
MUTATION = st.tuples(st.integers(0, 5000), st.integers(0, 40), st.one_of(st.binary(max_size=9), st.just(b'"\0\xff\n,')))


def answer(path: Path) -> None:
    """Read a file: either a message that names it, or a dataset in which every row is accounted for."""
    for on_error in ("skip", "nan"):
        try:
            data = from_file(path, targets=[], on_error=on_error, cache=False, n_jobs=1)
        except MolweightError as error:
            assert str(path) in str(error)  # noqa: PT017 - a dataset is a right answer too
            assert "\n" not in str(error)  # noqa: PT017 - likewise
        else:
            rows = sorted({*data.rows.tolist(), *(item.row for item in data.rejects)})
            assert rows == list(range(len(rows)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ending=st.sampled_from(sorted(VALID)), mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_damaged_files(ending: str, mutations: list[tuple[int, int, bytes]], tmp_path: Path) -> None:
    content = VALID[ending]
    for place, length, replacement in mutations:
        start = place % len(content) if content else 0
        content = content[:start] + replacement + content[start + length :]
    path = tmp_path / f"mine.{ending}"
    path.write_bytes(content)
    answer(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ending=st.sampled_from(sorted(VALID)), content=st.binary(max_size=300))
def test_any_bytes(ending: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{ending}"
    path.write_bytes(content)
    answer(path)


@pytest.mark.parametrize("ending", sorted(VALID))
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_packed_files_cut_anywhere(ending: str, pack: Callable[[bytes], bytes], write: Write) -> None:
    content = pack(VALID[ending])
    for end in {len(content) * eighth // 8 for eighth in range(8)} | {len(content) - 1}:
        path = write(content[:end], f"mine.{ending}.gz")
        with pytest.raises(DataError, match=re.escape(str(path))):
            from_file(path, targets=[], cache=False, n_jobs=1)


@pytest.mark.parametrize("ending", sorted(VALID))
def test_missing_empty_and_folders(ending: str, write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        from_file(tmp_path / f"none.{ending}")
    with pytest.raises(DataError, match=r"empty|cannot be read as Parquet"):
        from_file(write("", f"mine.{ending}"))
    (tmp_path / f"folder.{ending}").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        from_file(tmp_path / f"folder.{ending}")
    with pytest.raises(DataError, match=r"cannot be read \(Not a directory\)"):
        from_file(tmp_path / f"mine.{ending}" / f"mine.{ending}")


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Without the rights of the superuser, who may read everything."""
    rights = os.geteuid()
    if rights == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(rights)


@pytest.mark.parametrize("ending", sorted(VALID))
def test_permission_denied(ending: str, write: Write) -> None:
    path = write(VALID[ending], f"mine.{ending}")
    path.chmod(0)
    with (
        unprivileged(),
        pytest.raises(DataError, match=r"cannot be read \(Permission denied\)\. Check its path and perm"),
    ):
        from_file(path)


def test_pipes_are_read_to_their_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, gzip.compress(b"smiles,y\nCCO,0.5\n"))
    os.close(writing)
    assert read_text(f"/dev/fd/{reading}") == "smiles,y\nCCO,0.5\n"
    os.close(reading)


@pytest.mark.parametrize(("pack", "name"), [(bytes, "mine.csv"), (gzip.compress, "mine.csv.gz"), (bytes, "mine.sdf")])
def test_a_line_of_megabytes_is_refused_before_the_rest_is_read(
    pack: Callable[[bytes], bytes], name: str, write: Write
) -> None:
    path = write(pack(b"smiles,y\nCCO,1\n" + b"C" * (18 << 20) + b",0\nCCN,1\n"), name)
    with pytest.raises(
        DataError, match=rf"{name}, row 3: has more than 16 MB without a line end, so this is not a table"
    ):
        from_file(path)


def test_long_files_of_short_lines_are_no_long_line(write: Write) -> None:
    content = b"smiles,y\n" + b"CCO,1\r" * (3 << 20)
    assert read_bytes(write(content), longest_line=1 << 20) == content


@pytest.mark.slow
@pytest.mark.parametrize("packed", [True, False])
def test_a_line_of_a_gigabyte(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as stream:
        stream.write(b"smiles,y\n")
        for _ in range(1024):
            stream.write(b"C" * (1 << 20))
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(DataError, match="more than 16 MB without a line end"):
        from_file(path)
    assert time.perf_counter() - start < 5
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("smiles;y\nCCO;1\nC,C;0\n", "row 3, column 'smiles': 'C,C' "),
        ("y\n1\n2\n", "none of the columns 'y' holds SMILES"),
        ("smiles,y\nCCO,N/A\nCCN,n/a\n", "column 'y': has no label at all"),
        ('smiles,y\n"CCO",1\n"CC""N",0.5\n', "row 3, column 'smiles': 'CC\"N' not a valid SMILES"),
    ],
)
def test_messages(content: str, words: str, write: Write) -> None:
    with pytest.raises(DataError) as raised:
        from_file(write(content), on_error="raise", targets=["y"] if "y\n" in content else None, cache=False, n_jobs=1)
    assert words in str(raised.value)
