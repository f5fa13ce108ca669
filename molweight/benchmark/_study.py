"""A study: which tables, methods and seeds, and what all runs have in common."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from molweight import datasets
from molweight.benchmark._methods import METHODS, method_of
from molweight.errors import ConfigError, UnknownNameError, suggest
from molweight.training import TapWeight

__all__ = ["Job", "Match", "Study", "read_study"]

Match = Literal["steps", "gradients"]
_SET_BY_STUDY: Final = ("seed", "weighting", "weighting_options")


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Args:
        table: Name of the table.
        method: Name of the method.
        seed: Seed of everything random.
    """

    table: str
    method: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """Tables x methods x seeds, with what all runs have in common.

    Args:
        tables: Names of tables; see ``molweight list datasets``.
        methods: Names of methods; see :data:`molweight.benchmark.METHODS`.
        seeds: Seeds, each once.
        job: Options of :class:`molweight.TapWeight` that all neural methods share.
        split: Method of the split.
        protocol: ``"four-role"`` or ``"paper"``.
        corpus: Corpus to pretrain on.
        corpus_size: How many of its molecules; ``None`` for all.
        match: What every neural method has the same number of: ``"steps"`` of continued pretraining, or ``"gradients"``
            evaluated in it, so that a method that needs more of them per step takes fewer steps.
        trials: Trials of a search over fixed weights.
        reference: The method that the others are compared with.

    Raises:
        ConfigError: If something is named twice, or an option makes no sense.
        UnknownNameError: If a table or method is unknown, with the nearest names.

    Example:
        >>> study = Study(tables=["esol"], methods=["equal", "ecfp_rf"], seeds=[0, 1], reference="equal")
        >>> len(study.jobs()), study.jobs()[0]
        (4, Job(table='esol', method='equal', seed=0))
    """

    tables: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    job: Mapping[str, Any] = field(default_factory=dict)
    split: str = "scaffold"
    protocol: Literal["four-role", "paper"] = "four-role"
    corpus: str = "zinc"
    corpus_size: int | None = 2000
    match: Match = "steps"
    trials: int = 10
    reference: str = "tapweight"

    def __post_init__(self) -> None:
        """Refuse what would fail in a run, before the first of them."""
        for name in ("tables", "methods", "seeds"):
            _once(name, getattr(self, name))
        for table in self.tables:
            if table not in datasets.available():
                raise UnknownNameError("dataset", table, datasets.available())
        for method in self.methods:
            method_of(method)
        _data(self)
        if self.reference not in self.methods:
            raise ConfigError(
                f"reference: {self.reference!r} is not among the methods of the study;"
                f"{suggest(self.reference, self.methods)} The others are compared with it."
            )
        if self.match not in get_args(Match):
            raise ConfigError(f"match: {self.match!r} is unknown. Use one of {', '.join(get_args(Match))}.")
        if self.trials < 1:
            raise ConfigError(f"trials: {self.trials} must be at least 1.")
        clash = [name for name in _SET_BY_STUDY if name in self.job]
        if clash:
            raise ConfigError(f"job.{clash[0]} is set by the study: methods and seeds decide it. Leave it out of job.")
        self.base(self.seeds[0])

    def base(self, seed: int) -> TapWeight:
        """The options that all neural methods share."""
        known = [item.name for item in fields(TapWeight)]
        for name in self.job:
            if name not in known:
                raise ConfigError(f"job.{name} is no option;{suggest(name, known)} Options: {', '.join(known)}.")
        return TapWeight(**{"device": "cpu", **self.job, "seed": seed})

    def jobs(self) -> list[Job]:
        """All runs, the seeds outermost, so that a study that is stopped early has all tables and methods."""
        return [Job(*found) for found in ((t, m, s) for s, t, m in product(self.seeds, self.tables, self.methods))]

    def key(self) -> str:
        """Digest of everything but the lists of tables, methods and seeds: runs with the same key belong together."""
        shared = {name: value for name, value in asdict(self).items() if name not in _LISTS}
        return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:16]


_LISTS: Final = ("tables", "methods", "seeds", "reference")


def _data(study: Study) -> None:
    """Refuse a split, protocol or corpus that there is not."""
    if study.split not in datasets.SPLITTERS:
        raise UnknownNameError("split", study.split, datasets.SPLITTERS)
    if study.protocol not in ("four-role", "paper"):
        raise ConfigError(f"protocol: {study.protocol!r} is unknown. Use 'four-role' or 'paper'.")
    if study.corpus not in datasets.available_corpora() and not Path(study.corpus).is_file():
        raise UnknownNameError("corpus", study.corpus, datasets.available_corpora())
    if study.corpus_size is not None and study.corpus_size < 1:
        raise ConfigError(f"corpus_size: {study.corpus_size} must be at least 1, or null for all.")


def _once(name: str, values: Sequence[object]) -> None:
    if not values:
        raise ConfigError(f"{name}: is empty. Name at least one.")
    twice = [value for number, value in enumerate(values) if value in list(values)[:number]]
    if twice:
        raise ConfigError(f"{name}: {twice[0]!r} is given twice. Name each once.")


def read_study(path: str | Path) -> Study:
    """Read a study from a YAML file.

    Args:
        path: The file; its keys are the arguments of :class:`Study`.

    Raises:
        ConfigError: If the file cannot be read, is no YAML, or has other keys.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}). Name the YAML file of a study.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML ({' '.join(str(error).split())}).") from error
    known = [item.name for item in fields(Study)]
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no keys. A study has tables, methods, seeds; further: {', '.join(known)}.")
    for name in content:
        if name not in known:
            raise ConfigError(f"{path}: {name!r} is no key;{suggest(str(name), known)} Keys: {', '.join(known)}.")
    for name in ("tables", "methods", "seeds"):
        if not isinstance(content.get(name), list):
            raise ConfigError(f"{path}: {name} must be a list. Methods: {', '.join(METHODS)}.")
    return Study(**content)
