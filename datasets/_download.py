"""Download of one file: resumable, verified and atomic."""

import gzip
import logging
import shutil
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from molweight._progress import progress_bar
from molweight.errors import DataError

if TYPE_CHECKING:
    from requests import Response

__all__ = ["download"]

_LOG: Final = logging.getLogger(__name__)
_BLOCK: Final = 1 << 16
_TIMEOUT: Final = 30.0
"""Seconds without data after which a connection counts as broken."""

_NOTHING_LEFT: Final = 416
"""HTTP status for a range that begins after the end of the file."""


def download(url: str, path: Path, sha256: str | None, remedy: str) -> None:
    """Download a file unless it exists, and verify it.

    If the connection breaks, the partial file is kept next to ``path``, and the next attempt, in this call or a later
    one, resumes from it. Other processes that request the same file wait for the first one.

    Args:
        url: Address of the file; a response compressed with gzip is decompressed if ``sha256`` is given.
        path: Destination of the file.
        sha256: Checksum of the decompressed file; ``None`` if none is published.
        remedy: Advice for the case without a network; a sentence.

    Raises:
        DataError: If the file is not available, or is not the published one.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with FileLock(path.with_name(f".{path.name}.lock")):
        resumed = part.exists()
        try:
            _retrieve(url, path, sha256, part, remedy)
        except DataError:
            if not resumed or part.exists():
                raise
            _LOG.info("%s: the partial download is of another file; starting over", url)
            _retrieve(url, path, sha256, part, remedy)


def _retrieve(url: str, path: Path, sha256: str | None, part: Path, remedy: str) -> None:
    """One download through pooch, which verifies the checksum and moves the file into place."""
    import pooch
    from requests import RequestException

    through = partial(_through, part, sha256 is not None)
    known = None if sha256 is None else f"sha256:{sha256}"
    try:
        pooch.retrieve(url, known, fname=path.name, path=path.parent, downloader=through)
    except RequestException as error:
        kept = f" {part.stat().st_size} bytes were downloaded and are kept." if part.exists() else ""
        raise DataError(f"{path.name}: cannot be downloaded from {url} ({_short(error)}).{kept} {remedy}") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        if _of_the_disk(error):
            raise DataError(
                f"{path}: cannot be written ({getattr(error, 'strerror', error)}). Free up disk space, or make the "
                "folder writable; the part that was downloaded is kept."
            ) from error
        raise DataError(
            f"{path.name}: the download from {url} is damaged or not the published file ({_short(error)}); it was "
            f"deleted. Try again. {remedy}"
        ) from error


def _of_the_disk(error: Exception) -> bool:
    """Whether an error is of the disk, such as a full one, and not of the content; gzip raises it without a number."""
    return isinstance(error, OSError) and error.errno is not None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _through(part: Path, unpack: bool, url: str, output: str, _: Any) -> None:
    """Complete ``part``, and move its content to ``output``; has the signature of pooch's downloaders."""
    _complete(url, part)
    with part.open("rb") as stream:
        packed = unpack and stream.read(2) == b"\x1f\x8b"
    try:
        if packed:
            with gzip.open(part) as source, Path(output).open("wb") as target:
                shutil.copyfileobj(source, target)
        else:
            shutil.copyfile(part, output)
    except (OSError, EOFError, zlib.error) as error:
        if not _of_the_disk(error):
            part.unlink()
        raise
    part.unlink()


def _complete(url: str, part: Path) -> None:
    """Request the missing bytes, and repeat as long as each response makes progress."""
    from requests import ConnectionError as Broken
    from requests import Timeout
    from requests.exceptions import ChunkedEncodingError

    size = -1
    while True:
        try:
            _ask(url, part)
        except (Broken, Timeout, ChunkedEncodingError) as error:
            arrived = part.stat().st_size if part.exists() else 0
            if arrived <= max(size, 0):
                raise
            size = arrived
            _LOG.info("%s: connection lost after %d bytes (%s); resuming", url, size, _short(error))
        else:
            return


def _ask(url: str, part: Path) -> None:
    """Request the bytes after those already downloaded."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if have and answer.status_code == _NOTHING_LEFT:
            return
        answer.raise_for_status()
        _append(answer, part, have if answer.status_code == requests.codes.partial_content else 0)


def _append(answer: "Response", part: Path, have: int) -> None:
    """Write the response after the first ``have`` bytes."""
    length = answer.headers.get("Content-Length")
    name = part.name.strip(".").removesuffix(".part")
    with (
        part.open("ab" if have else "wb") as stream,
        progress_bar(name, have + int(length) if length else None, "bytes", done=have) as bar,
    ):
        for block in answer.iter_content(_BLOCK):
            stream.write(block)
            bar.update(len(block))
