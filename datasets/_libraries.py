"""Large sets of molecules for neighbour searches, as SMILES without features."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from molweight.datasets._corpora import CORPORA, Corpus, corpus_file
from molweight.datasets._data_files import data_folder
from molweight.datasets._embedded import read_embedded
from molweight.datasets._fingerprint_index import FingerprintIndex, fingerprint_index
from molweight.datasets._no_molecules import NoMoleculesError
from molweight.datasets._records import is_molecule_file, read_records, records_key
from molweight.errors import UnknownNameError
from molweight.graphs.internal import Record

__all__ = ["IndexedLibrary", "Library", "indexed_libraries", "libraries_at_hand", "open_library"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Library:
    """A set of molecules that can be read repeatedly from the start.

    Args:
        name: Its name in messages.
        key: Identifies its records.
        read: Returns its records.
        path: Its file, if it is not a corpus of the package.
    """

    name: str
    key: bytes
    read: Callable[[], Iterable[Record]]
    path: Path | None = None

    def index(self, *, n_jobs: int | None = None, progress: bool = False) -> FingerprintIndex:
        """Fingerprints of all records, computed once.

        Args:
            n_jobs: Processes; ``None`` for all cores.
            progress: Whether to show a progress bar on a terminal.

        Raises:
            NoMoleculesError: If no record holds a molecule.
        """
        origin = "" if self.path is None else str(self.path)
        return fingerprint_index(self.read, self.key, name=self.name, origin=origin, n_jobs=n_jobs, progress=progress)

    def smiles(self, places: Sequence[int]) -> dict[int, str]:
        """The SMILES of some records, by their positions from 0."""
        wanted = set(places)
        return {place: text for place, (_, text) in enumerate(self.read()) if place in wanted}


IndexedLibrary = tuple[Library, FingerprintIndex]
"""A library and its fingerprints."""


def open_library(name: str | Path) -> Library:
    """The molecules of a corpus or of a file.

    Args:
        name: One of :func:`molweight.datasets.available_corpora`, or a file as for
            :func:`molweight.datasets.load_corpus`.

    Raises:
        UnknownNameError: If there is no such corpus or file, with the nearest names.
        DataError: If a file is damaged or not available.

    Example:
        >>> library = open_library("zinc")
        >>> len(library.smiles([0, 49_999]))
        2
    """
    if isinstance(name, str) and name in CORPORA:
        return _known(CORPORA[name])
    if not (isinstance(name, Path) or is_molecule_file(name) or Path(name).is_file()):
        raise UnknownNameError("corpus", name, CORPORA)
    path = Path(name)
    return Library(path.name.split(".")[0] or path.name, records_key(path), lambda: read_records(path), path)


def _known(corpus: Corpus) -> Library:
    if corpus.url is None:
        return Library(corpus.name, f"{corpus.source.sha256} {corpus.size}".encode(), lambda: _embedded(corpus))
    return Library(corpus.name, corpus.source.sha256.encode(), lambda: read_records(corpus_file(corpus)))


def _embedded(corpus: Corpus) -> Iterator[Record]:
    return enumerate(read_embedded(corpus.file).decode().split())


def libraries_at_hand() -> list[Library]:
    """The corpora in the folder ``MOLWEIGHT_DATA``; if there are none, the ZINC sample of the package."""
    folder = data_folder()
    paths = sorted((folder / "corpora").glob("*")) if folder is not None else []
    found = [open_library(path) for path in paths if path.is_file() and is_molecule_file(path)]
    return found or [open_library("zinc")]


def indexed_libraries(
    names: Sequence[str | Path], *, n_jobs: int | None = None, progress: bool = False
) -> list[IndexedLibrary]:
    """Libraries with their fingerprints; if none are named, those of :func:`libraries_at_hand`.

    A file that nobody named is left out with a warning if it contains no molecules, e.g. a ``README.txt``.

    Args:
        names: Corpora and files, as for :func:`open_library`.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Raises:
        NoMoleculesError: If a named file contains no molecules.
        UnknownNameError: If there is no such corpus or file.
    """
    if names:
        return [(each, each.index(n_jobs=n_jobs, progress=progress)) for each in map(open_library, names)]
    found = []
    for library in libraries_at_hand():
        try:
            found.append((library, library.index(n_jobs=n_jobs, progress=progress)))
        except NoMoleculesError as error:
            _log.warning("a file in the folder corpora is left out: it contains no molecules. %s", error.message)
    return found or indexed_libraries(["zinc"], n_jobs=n_jobs, progress=progress)
