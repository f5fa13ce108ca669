"""Digests of the files that the jobs of a study name, because another file under the same name gives other results."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from molweight import datasets
from molweight.ensemble.internal import read_network
from molweight.options.internal import AUTO, INITS
from molweight.runs.internal import MODEL, find_checkpoint, is_shipped

__all__ = ["digests"]


def digests(jobs: Sequence[Mapping[str, Any]], corpus: str) -> dict[str, str]:
    """SHA-256 of each named file, by its name in the options; names of molweight's own data have none.

    Args:
        jobs: Options of jobs.
        corpus: Name or file of the corpus.

    Raises:
        OptionError: If there is no such checkpoint, or a file of weights cannot be read.
    """
    networks = {str(job["in_context"]) for job in jobs if job.get("in_context")}
    found = {path: read_network(path).sha256 for path in sorted(networks)}
    files = {name: path for job in jobs for name, path in _files(job)}
    if corpus not in datasets.available_corpora() and Path(corpus).is_file():
        files[corpus] = Path(corpus)
    return found | {name: _digest(files[name]) for name in sorted(files)}


def _files(job: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Checkpoint, auxiliary tables and earlier run of a job."""
    init, run = job.get("init"), job.get("weights_from")
    if init and init not in (*INITS, AUTO) and not is_shipped(init):
        yield init, find_checkpoint(init)
    for source in job.get("aux") or ():
        for path in (Path(source), Path(str(source).rpartition(":")[0])):
            if source not in datasets.available() and path.is_file():
                yield source, path
    if run and (Path(run) / MODEL).is_file():
        yield run, Path(run) / MODEL


def _digest(path: Path) -> str:
    found = path.stat()
    return _read_once(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_once(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - a changed file is read again
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
