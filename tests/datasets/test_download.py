"""Downloads, against a server on this machine: whole, cut off, damaged, resumed, refused."""

import errno
import gzip
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from molweight import datasets
from molweight.datasets import _data_files
from molweight.datasets._download import download
from molweight.datasets.internal import TABLES
from molweight.errors import ConfigError, DataError

CONTENT = b"smiles,u0_atom\n" + b"".join(b"%s,%d.5\n" % (b"C" * (i % 60 + 1), i) for i in range(20_000))
BLOCK = 65_536  # bytes that are written at a time
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server answers, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    status: int = 200
    cut: int | None = None  # bytes of an answer after which the connection breaks
    cuts: int = 10**9  # how many answers are cut
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers["Range"]
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if self.status != 200 or (start and start >= len(self.content)):
            handler.send_error(self.status if self.status != 200 else 416)
            return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.cut is not None and self.cuts > 0:
            self.cuts -= 1
            body = body[: self.cut]
        handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        state.url = f"http://127.0.0.1:{listening.server_port}/qm7.csv"
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[[], bytes]:
    def into_place() -> bytes:
        download(server.url, tmp_path / "qm7.csv", SHA, "Place it.")
        return (tmp_path / "qm7.csv").read_bytes()

    return into_place


def left_in(folder: Path) -> set[str]:
    return {item.name for item in folder.iterdir() if not item.name.endswith(".lock")}


def test_a_file_is_downloaded_once(fetch: Callable[[], bytes], server: Server, tmp_path: Path) -> None:
    assert fetch() == CONTENT
    assert fetch() == CONTENT
    assert server.asked == [None]
    assert left_in(tmp_path) == {"qm7.csv"}


def test_a_changed_copy_is_downloaded_again(fetch: Callable[[], bytes], server: Server, tmp_path: Path) -> None:
    (tmp_path / "qm7.csv").write_bytes(CONTENT[:-7])
    assert fetch() == CONTENT
    assert len(server.asked) == 1


def test_a_packed_answer_is_unpacked(fetch: Callable[[], bytes], server: Server) -> None:
    server.content = gzip.compress(CONTENT)
    assert fetch() == CONTENT


def test_a_cut_answer_is_gone_on_with(fetch: Callable[[], bytes], server: Server, tmp_path: Path) -> None:
    server.cut, server.cuts = 3 * BLOCK, 2
    assert fetch() == CONTENT
    assert server.asked == [None, f"bytes={3 * BLOCK}-", f"bytes={6 * BLOCK}-"]
    assert left_in(tmp_path) == {"qm7.csv"}


def test_what_arrived_is_kept_for_the_next_call(fetch: Callable[[], bytes], server: Server, tmp_path: Path) -> None:
    server.cut, server.ranges = BLOCK, False  # no answer goes further than the first
    with pytest.raises(DataError, match=r"cannot be downloaded.*65536 bytes were downloaded and are kept\. Place it\."):
        fetch()
    assert left_in(tmp_path) == {".qm7.csv.part"}
    server.cut, server.ranges = None, True
    server.asked.clear()
    assert fetch() == CONTENT
    assert server.asked == ["bytes=65536-"]


def test_a_full_disk_is_named_and_loses_nothing(
    fetch: Callable[[], bytes], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(DataError, match=r"qm7\.csv: cannot be written \(No space left on device\)"):
            fetch()
    assert (tmp_path / ".qm7.csv.part").stat().st_size == len(CONTENT)
    assert fetch() == CONTENT
    assert server.asked == [None, f"bytes={len(CONTENT)}-"]


def test_a_server_without_ranges_starts_again(fetch: Callable[[], bytes], server: Server) -> None:
    server.cut, server.cuts, server.ranges = BLOCK, 1, False
    assert fetch() == CONTENT


def test_a_part_that_was_whole_already(fetch: Callable[[], bytes], server: Server, tmp_path: Path) -> None:
    (tmp_path / ".qm7.csv.part").write_bytes(CONTENT)
    assert fetch() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_part_of_another_file_is_thrown_away(fetch: Callable[[], bytes], server: Server, tmp_path: Path) -> None:
    (tmp_path / ".qm7.csv.part").write_bytes(b"another file")
    assert fetch() == CONTENT
    assert server.asked == ["bytes=12-", None]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:999] + b"?" + content[1000:],
        lambda content: content[:-1],  # shorter, and the server says so
        lambda content: gzip.compress(content)[:-9],
        lambda content: gzip.compress(content)[:-8] + bytes(8),
        lambda content: b"<html>The bucket has moved</html>",
    ],
    ids=["one byte", "an honest cut", "a cut archive", "an archive with another checksum", "another page"],
)
def test_damaged_answers_are_refused(
    damage: Callable[[bytes], bytes], fetch: Callable[[], bytes], server: Server, tmp_path: Path
) -> None:
    server.content = damage(CONTENT)
    with pytest.raises(DataError, match=r"damaged or not the published file .*deleted\. Try again\. Place it\."):
        fetch()
    assert left_in(tmp_path) == set()
    server.content = CONTENT
    assert fetch() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_refusals_say_the_status(status: int, fetch: Callable[[], bytes], server: Server) -> None:
    server.status = status
    with pytest.raises(DataError, match=rf"qm7\.csv: cannot be downloaded from http.*{status}.*Place it\."):
        fetch()


def test_two_at_once_download_once(fetch: Callable[[], bytes], server: Server) -> None:
    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [None]


@pytest.fixture
def entry(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> datasets.Table:
    """The entry of qm7, but for its content and address, in an empty cache."""
    monkeypatch.delenv("MOLWEIGHT_DATA", raising=False)
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    return replace(TABLES["qm7"], url=server.url, sha256=SHA)


def test_a_table_is_downloaded_into_the_cache(entry: datasets.Table, tmp_path: Path) -> None:
    assert _data_files.read_source(entry) == CONTENT
    assert left_in(tmp_path / "cache" / "downloads") == {"qm7.csv"}


@pytest.mark.parametrize("name", ["qm7.csv.gz", "qm7.csv"])
def test_the_folder_of_the_user_comes_first(
    name: str, entry: datasets.Table, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    place = tmp_path / "moleculenet" / name
    place.parent.mkdir()
    pack = gzip.compress if name.endswith(".gz") else bytes
    place.write_bytes(pack(CONTENT))
    assert _data_files.read_source(entry) == CONTENT
    place.write_bytes(pack(CONTENT + b"C,1\n"))
    with pytest.raises(
        DataError, match=rf"{re.escape(str(place))}: differs from the table published by MoleculeNet.*{SHA}"
    ):
        _data_files.read_source(entry)
    assert server.asked == []


def test_without_a_network_the_message_names_the_file_and_its_place(
    entry: datasets.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offline = replace(entry, url="http://127.0.0.1:9/qm7.csv")  # the port of a service that is not in use
    with pytest.raises(DataError) as raised:
        _data_files.read_source(offline)
    message = str(raised.value)
    assert "cannot be downloaded from http://127.0.0.1:9/qm7.csv" in message
    assert message.endswith("and set MOLWEIGHT_DATA=FOLDER.")
    assert "put it at FOLDER/moleculenet/qm7.csv.gz" in message
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=re.escape(f"put it at {tmp_path}/moleculenet/qm7.csv.gz")):
        _data_files.read_source(offline)


def test_the_folder_must_exist(entry: datasets.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"MOLWEIGHT_DATA names .*nowhere', which is not a folder"):
        datasets.load("qm7")
