"""Large sets of molecules for neighbour searches, as SMILES without features."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from molweight.datasets._corpora import CORPORA, Corpus, corpus_file
from molweight.datasets._data_files import data_folder
from molweight.datasets._embedded import read_embedded
from molweight.datasets._fingerprint_index import FingerprintIndex, fingerprint_index
from molweight.datasets._records import is_molecule_file, read_records, records_key
from molweight.errors import UnknownNameError
from molweight.graphs.internal import Record

__all__ = ["Library", "libraries_at_hand", "open_library"]


@dataclass(frozen=True)
class Library:
    """A set of molecules that can be read repeatedly from the start.

    Args:
        name: Its name in messages.
        key: Identifies its records.
        read: Returns its records.
    """

    name: str
    key: bytes
    read: Callable[[], Iterable[Record]]

    def index(self, *, n_jobs: int | None = None, progress: bool = False) -> FingerprintIndex:
        """Fingerprints of all records, computed once.

        Args:
            n_jobs: Processes; ``None`` for all cores.
            progress: Whether to show a progress bar on a terminal.
        """
        return fingerprint_index(self.read, self.key, name=self.name, n_jobs=n_jobs, progress=progress)

    def smiles(self, places: Sequence[int]) -> dict[int, str]:
        """The SMILES of some records, by their positions from 0."""
        wanted = set(places)
        return {place: text for place, (_, text) in enumerate(self.read()) if place in wanted}


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
    return Library(path.name.split(".")[0] or path.name, records_key(path), lambda: read_records(path))


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
