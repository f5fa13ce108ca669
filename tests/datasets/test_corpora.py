"""Corpora: user files in every form, published ones verified, samples nested."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet, table
from rdkit import Chem

from molweight import datasets
from molweight.datasets import _corpora, load_corpus
from molweight.datasets._frames import parquet_rows, read_parquet
from molweight.datasets._records import content_digest, read_records
from molweight.datasets.internal import CORPORA
from molweight.errors import ConfigError, DataError, UnknownNameError

Write = Callable[..., Path]
LINES = ["CCO ethanol", "", "C1CC\tbroken", "c1ccccc1|$_R1$|", "  CC  ", "N"]
SMILES = ["CCO", "C1CC", "c1ccccc1|$_R1$|", "CC", "N"]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_has_a_molecule_per_line(packing: str, end: str, write: Write) -> None:
    path = write(PACKINGS[packing](end.join(LINES).encode()), f"mine.smi{packing}")
    rows = [row for row, line in enumerate(LINES, start=1) if line.strip()]
    assert list(read_records(path)) == list(zip(rows, SMILES, strict=True))


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_table_has_a_molecule_per_record(packing: str, write: Write) -> None:
    rows = ['id;"structure, drawn"', "1; CCO ", "", '2;"C""C"', "3;", '4;"C\nC"', "5;c1ccccc1", "6;CC;"]
    path = write(PACKINGS[packing]("\r\n".join(rows).encode()), f"mine.csv{packing}")
    read = read_records(path, smiles="structure, drawn", delimiter=";")
    texts = ["CCO", 'C"C', "", "C\nC", "c1ccccc1", "CC"]
    assert list(read) == list(zip([2, 4, 5, 6, 8, 9], texts, strict=True))  # row 3 is blank, row 6 spans two lines


def test_the_smiles_column_is_found_and_rejects_keep_their_rows(write: Write) -> None:
    path = write("name,smiles\nx,CCO\n\nNA,FAIL\ny,C\n", "mine.csv")
    corpus = load_corpus(path)
    assert (corpus.name, list(corpus.smiles), corpus.rows.tolist()) == ("mine", ["CCO", "C"], [0, 2])
    assert [(reject.row, reject.smiles) for reject in corpus.rejects] == [(1, "FAIL")]
    assert corpus.targets.shape == (2, 0)


def test_long_tables_are_read_beyond_where_the_column_is_found(write: Write) -> None:
    path = write("n\tsmiles\n" + "".join(f"{n}\t{'C' * n}\n" for n in range(1, 300)), "mine.tsv")
    assert list(read_records(path)) == [(n + 1, "C" * n) for n in range(1, 300)]


def test_parquet_is_read_in_groups_of_rows(tmp_path: Path) -> None:
    texts = [*("C" * n for n in range(1, 300)), None, "FAIL"]
    frame = pd.DataFrame({"n": range(len(texts)), "smiles": texts})
    frame.to_parquet(tmp_path / "mine.parquet", row_group_size=64)
    expected = [(row, text or "") for row, text in enumerate(texts, start=1)]
    assert list(read_records(tmp_path / "mine.parquet")) == expected
    assert list(read_records(tmp_path / "mine.parquet", smiles="smiles")) == expected
    corpus = load_corpus(tmp_path / "mine.parquet")
    assert len(corpus) == 299
    assert [reject.row for reject in corpus.rejects] == [299, 300]
    with pytest.raises(DataError, match="did you mean 'smiles'"):
        list(read_records(tmp_path / "mine.parquet", smiles="smile"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(read_records(tmp_path / "broken.parquet"))
    frame.iloc[:0].to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="contains no molecules"):
        list(read_records(tmp_path / "empty.parquet"))


def test_whole_numbers_of_a_parquet_file_are_whole_next_to_missing_ones(tmp_path: Path) -> None:
    parquet.write_table(table({"smiles": ["C", "CC", "CCC"], "id": [2**53 + 1, None, 7]}), tmp_path / "mine.parquet")
    assert read_parquet(tmp_path / "mine.parquet").cells("id") == ["9007199254740993", "", "7"]
    _, *rows = parquet_rows(tmp_path / "mine.parquet")
    assert [cells[1] for _, cells in rows] == ["9007199254740993", "", "7"]


@pytest.mark.parametrize("packing", PACKINGS)
def test_an_sd_file_is_read_record_by_record(packing: str, write: Write) -> None:
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles(text)) for text in ("CCO", "c1ccccc1")]
    records = [blocks[0] + "> <name>\nethanol\n\n", "no mol block\n", blocks[1]]
    path = write(PACKINGS[packing]("$$$$\n".join(records).replace("\n", "\r\n").encode()), f"mine.sdf{packing}")
    assert list(read_records(path)) == [(1, "CCO"), (2, ""), (3, "c1ccccc1")]
    corpus = load_corpus(path)
    assert corpus.rows.tolist() == [0, 2]
    assert [reject.row for reject in corpus.rejects] == [1]


def test_a_list_in_utf_16_is_read(write: Write) -> None:
    path = write(gzip.compress("CCO\nC\n".encode("utf-16")), "mine.smi.gz")
    assert list(read_records(path)) == [(1, "CCO"), (2, "C")]
    assert list(read_records(write("CCO é\n".encode("cp1252"), "mine.smi"), encoding="cp1252")) == [(1, "CCO")]
    with pytest.raises(DataError, match="there is no encoding 'utf-9'"):
        list(read_records(path, encoding="utf-9"))


def test_a_table_without_a_header_loses_no_molecule(write: Write) -> None:
    path = write("\nCCO,0.5\n\nCCN,1.5\n", "mine.csv")
    assert list(read_records(path)) == [(2, "CCO"), (4, "CCN")]


def test_bytes_that_are_no_text_reject_one_molecule(write: Write) -> None:
    path = write(b"CCO caf\xe9\nC\xe9C\nCC\0C\nC\n", "mine.smi")
    corpus = load_corpus(path)
    assert corpus.rows.tolist() == [0, 3]
    assert [reject.row for reject in corpus.rejects] == [1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="CN()=1 \t#,;\"'é", max_size=8), max_size=30))
def test_every_line_of_a_list_is_a_record_or_blank(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("list") / "mine.smi"
    path.write_text("\n".join(lines), encoding="utf-8")
    expected = [(row, line.split()[0]) for row, line in enumerate(lines, start=1) if line.strip()]
    if expected:
        assert list(read_records(path)) == expected
    else:
        with pytest.raises(DataError, match="contains no molecules"):
            list(read_records(path))


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "mine.smi", "contains no molecules"),
        (b"", "mine.csv", "contains no molecules"),
        (b"smiles,y\n", "mine.csv", "none of the columns 'smiles', 'y' holds SMILES"),
        (
            b"CCO\n",
            "mine.mol2",
            r"files of molecules have the suffix \.csv, \.parquet, \.pq, \.sd, \.sdf, \.smi, ",
        ),
        (gzip.compress(b"CCO\n" * 5000, mtime=0)[:-20], "mine.smi.gz", "truncated or damaged"),
        (gzip.compress(b"CCO\n" * 5000, mtime=0)[:-1] + b"x", "mine.smi.gz", "truncated or damaged"),
        (lzma.compress(b"CCO\n" * 5000)[:-20], "mine.smi.xz", "truncated or damaged"),
        (bz2.compress(b"CCO\n" * 5000)[:-20], "mine.smi.bz2", "truncated or damaged"),
        (b"C" * (1 << 20), "mine.smi", "row 1: has 1048576 characters or more"),
        (b'smiles,y\nCCO,1\n"CC,2\n', "mine.csv", r"cannot be read as a table"),
        (b"smiles,y\nCCO,1\nCC,2,3\n", "mine.csv", "row 3: has 3 cells, but the header has 2"),
        (b"smiles,y\nCCO?,CC?\n", "mine.csv", "holds SMILES"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_files_that_cannot_be_used_are_refused_in_words(content: bytes, name: str, message: str, write: Write) -> None:
    path = write(content, name)
    with pytest.raises(DataError, match=message) as caught:
        load_corpus(path)
    assert str(path) in str(caught.value)


def test_missing_files_folders_and_columns(tmp_path: Path, write: Write) -> None:
    write("CCO\n", "mine.smi")
    with pytest.raises(DataError, match=r"did you mean 'mine\.smi'"):
        load_corpus(tmp_path / "mien.smi")
    with pytest.raises(DataError, match="is a folder"):
        load_corpus(tmp_path)
    with pytest.raises(DataError, match="there is no column 'smile'"):
        load_corpus(write("smiles\nC\n", "mine.csv"), smiles="smile")
    with pytest.raises(ConfigError, match="size=0 must be at least 1"):
        load_corpus(tmp_path / "mine.smi", size=0)
    with pytest.raises(ConfigError, match="seed=-1 must be a whole number, at least 0"):
        load_corpus("zinc", size=3, seed=-1)
    with pytest.raises(UnknownNameError, match="did you mean 'moses'"):
        load_corpus("mose")


def test_samples_are_nested_in_order_and_obey_the_seed(write: Write) -> None:
    path = write("".join(f"{'C' * n}\n" for n in range(1, 201)), "chains.smi.txt")
    small, large, other = (load_corpus(path, size, seed) for size, seed in ((20, 0), (60, 0), (20, 1)))
    assert len(small) == 20
    assert set(small.rows.tolist()) < set(large.rows.tolist())
    assert small.rows.tolist() == sorted(small.rows.tolist()) != other.rows.tolist()
    assert all(text == "C" * (row + 1) for row, text in zip(large.rows.tolist(), large.smiles, strict=True))
    assert len(load_corpus(path, 10_000)) == 200
    held = load_corpus(path, 20, cache=False)
    assert held.folder is None
    assert held.rows.tolist() == small.rows.tolist()


def test_a_changed_file_is_read_anew(write: Write) -> None:
    assert list(load_corpus(write("CCO\n", "mine.smi")).smiles) == ["CCO"]
    assert list(load_corpus(write("CCN\n", "mine.smi")).smiles) == ["CCN"]


def test_a_list_and_a_table_of_the_same_bytes_are_two_corpora(write: Write) -> None:
    content = "smiles\tname\n" + "".join(f"{'C' * size}O\tx\n" for size in range(1, 9))
    corpora = [load_corpus(write(content, name)) for name in ("mine.smi", "mine.tsv")]
    assert [corpus.rows[0] for corpus in corpora] == [1, 0]  # the header is a record of a list
    assert [len(corpus.rejects) for corpus in corpora] == [1, 0]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus that is published as five molecules, and the user's copy of it, packed again."""
    content = b"SMILES\n" + "".join(f"{'C' * n}\n" for n in range(1, 6)).encode()
    (tmp_path / "corpora").mkdir()
    path = tmp_path / "corpora" / "moses_train.csv.gz"
    path.write_bytes(gzip.compress(content, 1))
    source = replace(CORPORA["moses"].source, sha256=content_digest(path))
    small = {**CORPORA, "moses": replace(CORPORA["moses"], size=5, source=source)}
    monkeypatch.setattr(_corpora, "CORPORA", small)
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    return path


def test_a_published_corpus_is_taken_from_the_users_folder(published: Path) -> None:
    assert len(load_corpus("moses")) == 5
    published.unlink()  # the cache has it now
    assert len(load_corpus("moses", 5)) == 5
    unpacked = published.with_suffix("")
    unpacked.write_text("SMILES\n" + "".join(f"{'C' * n}\n" for n in range(1, 6)))
    assert len(load_corpus("moses", 3)) == 3
    with pytest.raises(ConfigError, match="between 1 and 5"):
        load_corpus("moses", 6)


def test_another_file_of_that_name_is_refused(published: Path) -> None:
    published.write_bytes(gzip.compress(b"SMILES\nCC\n"))
    with pytest.raises(DataError, match=r"moses_train\.csv\.gz: differs from the published corpus 'moses'"):
        load_corpus("moses")


def test_the_list_of_corpora_in_the_documentation_is_the_catalogue() -> None:
    documented = {}
    for line in (datasets.__doc__ or "").splitlines():
        words = line.split()
        if len(words) > 3 and words[0] in CORPORA and words[1].isdigit():
            documented[words[0]] = (int(words[1]), " ".join(words[2:-1]), words[-1])
    assert documented == {
        name: (corpus.size, corpus.title, "download" if corpus.url else "wheel") for name, corpus in CORPORA.items()
    }
