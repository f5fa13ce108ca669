"""OGB's data sets of molecules, from its files and with its evaluator, without prompts, threads or pickles."""

import csv
import importlib.util
import logging
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from molweight.datasets._data_files import data_folder
from molweight.datasets._download import download
from molweight.datasets._ogb_raw import read_labels, read_mapping, read_molecules
from molweight.datasets._table_spec import Task
from molweight.errors import ConfigError, DataError, UnknownNameError
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.graphs.internal import cache_root, partial_name

__all__ = ["OgbEntry", "available_ogb", "load_ogb", "ogb_entries", "ogb_folder"]

_LOG: Final = logging.getLogger(__name__)
_TASKS: Final[Mapping[str, Task]] = {"binary classification": "classification", "regression": "regression"}


@dataclass(frozen=True)
class OgbEntry:
    """The entry of a data set in OGB's list.

    Args:
        name: Its name, such as ``"ogbg-molhiv"``.
        task: Whether its labels are classes or numbers.
        num_tasks: Number of labels per molecule.
        metric: OGB's metric, in the form used by :func:`molweight.datasets.score`: ``"ogbg-molhiv:rocauc"``.
        url: Address of the archive.
        archive: Name of the folder inside the archive.
        split: Name of the published split.
    """

    name: str
    task: Task
    num_tasks: int
    metric: str
    url: str
    archive: str
    split: str

    @property
    def directory(self) -> str:
        """Name of its folder: ``ogbg_molhiv``."""
        return self.name.replace("-", "_")


def available_ogb() -> list[str]:
    """Names of OGB's data sets of molecules.

    Example:
        >>> available_ogb()[:3]
        ['ogbg-molbace', 'ogbg-molbbbp', 'ogbg-molchembl']
    """
    return sorted(ogb_entries())


@cache
def ogb_entries() -> Mapping[str, OgbEntry]:
    """The data sets of molecules, from the list in the package ogb; the package is not imported."""
    spec = importlib.util.find_spec("ogb")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the list of data sets is part of the package ogb, which is not installed: pip install ogb")
    path = Path(spec.submodule_search_locations[0]) / "graphproppred" / "master.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        header, *lines = csv.reader(stream)
    fields = {line[0]: line[1:] for line in lines}
    columns = {
        name: {field: values[place] for field, values in fields.items()} for place, name in enumerate(header[1:])
    }
    return MappingProxyType(
        {name: _entry(name, about) for name, about in columns.items() if about["data type"] == "mol"}
    )


def _entry(name: str, about: Mapping[str, str]) -> OgbEntry:
    return OgbEntry(
        name=name,
        task=_TASKS[about["task type"]],
        num_tasks=int(about["num tasks"]),
        metric=f"{name}:{about['eval metric']}",
        url=about["url"],
        archive=about["download_name"],
        split=about["split"],
    )


def load_ogb(name: str, root: str | Path | None = None) -> MoleculeDataset:
    """A data set of the Open Graph Benchmark, with OGB's graphs, labels and metric.

    The folder ``ogbg_molhiv`` is read from ``root`` or, by default, from ``ogb/`` in the folder ``MOLWEIGHT_DATA`` or
    from the cache. If it is in neither, it is downloaded into the cache. The graphs are read from its files, so that
    all of OGB's molecules are included, and nothing is unpickled. ``split(data, "ogb")`` is the published split, and
    ``data.metric`` makes OGB's own ``Evaluator`` score the predictions. Its features depend on how a SMILES is written,
    see :class:`molweight.graphs.Featuriser`; ``data.with_featuriser(Featuriser())`` replaces them.

    Args:
        name: One of :func:`available_ogb`.
        root: The folder that holds the data set's folder, as ``root`` of ogb's classes.

    Returns:
        The data set.

    Raises:
        UnknownNameError: If there is no such data set, with the nearest names.
        DataError: If a file is missing, damaged, or does not fit the others.
    """
    entry = _found(name)
    folder = ogb_folder(name, root)
    names, smiles = read_mapping(folder)
    if len(names) != entry.num_tasks:
        _LOG.warning(
            "%s: the mapping names %d tasks, but OGB has %d; tasks are numbered instead",
            name,
            len(names),
            entry.num_tasks,
        )
        names = [f"y{place}" for place in range(entry.num_tasks)]
    return MoleculeDataset(
        read_molecules(folder, smiles),
        read_labels(folder, len(smiles), entry.num_tasks),
        name=name,
        task=entry.task,
        metric=entry.metric,
        target_names=names,
        featuriser=Featuriser(features="ogb"),
    )


def _found(name: str) -> OgbEntry:
    if name not in ogb_entries():
        raise UnknownNameError("OGB data set", name, ogb_entries())
    return ogb_entries()[name]


def ogb_folder(name: str, root: str | Path | None = None) -> Path:
    """The folder of a data set, downloaded if it is not found.

    Args:
        name: The data set.
        root: The only folder to search; ``None`` for the default ones.

    Returns:
        The folder.

    Raises:
        ConfigError: If ``root`` does not hold it.
        DataError: If it cannot be downloaded.
    """
    entry = _found(name)
    if root is not None:
        folder = Path(root) / entry.directory
        if not folder.is_dir():
            raise ConfigError(f"{folder}: there is no such folder. root must hold the folder {entry.directory}.")
        return folder
    named = data_folder()
    places = ([named / "ogb"] if named else []) + [cache_root() / "ogb"]
    found = next((place / entry.directory for place in places if (place / entry.directory).is_dir()), None)
    return found or _fetch(entry, places)


def _fetch(entry: OgbEntry, places: list[Path]) -> Path:
    """Download and unpack into the cache; the archive's own checksums verify that it is complete."""
    target = places[-1] / entry.directory
    archive = places[-1] / f"{entry.archive}.zip"
    remedy = (
        f"Without internet access: download {entry.url} on another machine, unpack it, and put its folder "
        f"{entry.archive}/ at {places[0] / entry.directory}."
    )
    download(entry.url, archive, None, remedy)
    with partial_name(target) as partial:
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(partial)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            archive.unlink()
            raise DataError(f"{archive}: is damaged ({error}) and was removed. Try again. {remedy}") from error
        if not (partial / entry.archive).is_dir():
            raise DataError(f"{archive}: holds no folder {entry.archive}. {remedy}")
        if not target.is_dir():
            shutil.move(partial / entry.archive, target)
    archive.unlink(missing_ok=True)
    return target
