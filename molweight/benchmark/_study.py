"""A study: tables, methods, seeds, and the settings that all runs share."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, get_args

from molweight import datasets
from molweight.benchmark._methods import METHODS, OF_VARIANT, Method, method_of, variant_of
from molweight.benchmark._named_files import digests
from molweight.benchmark._published import read_published
from molweight.devices import check_device
from molweight.errors import OptionError, UnknownNameError, suggest
from molweight.options import Job
from molweight.options.internal import current_names, option_names
from molweight.plugins import import_plugins
from molweight.training import variant
from molweight.training.internal import check_job

__all__ = ["Cell", "Match", "Study"]

Match = Literal["steps", "gradients", "seconds"]
_SET_BY_STUDY: Final = ("seed", "weighting", "weighting_options")
_LISTS: Final = ("tables", "methods", "seeds", "reference", "plugins", "published")
"""Keys that may be extended in the same folder, because they do not change any single run."""


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Args:
        table: Name of the table.
        method: Name of the method.
        seed: Seed of all random numbers.
    """

    table: str
    method: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """Tables x methods x seeds, with the settings that all runs share.

    Args:
        tables: Names of tables; see ``molweight list datasets``.
        methods: Names of methods, those of :data:`molweight.benchmark.METHODS` or of ``variants``.
        seeds: Seeds, each once.
        job: Options of :class:`molweight.Job` that all neural methods share.
        variants: Further methods by name: changed options, and optionally ``of`` (the base method, ``"tapweight"`` by
            default), ``title`` and, for a search, ``trials``.
        settings: Settings with which every neural method is run; the best one on ``select`` counts, for an ensemble
            the best one out of fold. Models without a graph try the same number of their own settings, at most four;
            methods trained on all rows have one.
        split: Method of the split.
        protocol: ``"four-role"`` or ``"paper"``.
        corpus: Corpus to pretrain on.
        corpus_size: Number of its molecules; ``None`` for all.
        match: Quantity that is equal for all neural methods in adaptive pretraining: ``"steps"``, ``"gradients"`` or
            ``"seconds"``. A method that needs more of it per step takes fewer steps. Seconds per step are measured
            first.
        trials: Trials of a search over fixed weights, unless its variant says otherwise.
        reference: The method that the others are compared with.
        plugins: Modules that register further names, imported in every process.
        published: CSV file with rows of the literature to show as well: ``method,table,metric,mean,sd,source``.

    Raises:
        ConfigError: If a name is repeated, an option is invalid, or a package is missing.
        UnknownNameError: If a table or method is unknown, with the nearest names.

    Example:
        >>> study = Study(tables=["esol"], methods=["equal", "ecfp_rf"], seeds=[0, 1], reference="equal")
        >>> len(study.cells()), study.cells()[0]
        (4, Cell(table='esol', method='equal', seed=0))
    """

    tables: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    job: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Sequence[Mapping[str, Any]] = ({},)
    split: str = "scaffold"
    protocol: Literal["four-role", "paper"] = "four-role"
    corpus: str = "zinc"
    corpus_size: int | None = 2000
    match: Match = "steps"
    trials: int = 10
    reference: str = "tapweight"
    plugins: Sequence[str] = ()
    published: str | None = None

    def __post_init__(self) -> None:
        """Refuse settings that would fail in a run, before the first run starts."""
        import_plugins(self.plugins, "plugins:")
        _adopt_current_names(self)
        for name in ("tables", "methods", "seeds", "settings"):
            _once(name, getattr(self, name))
        _data(self)
        _methods(self)
        if self.match not in get_args(Match):
            raise OptionError("match", self.match, "is unknown", f"Choices: {', '.join(get_args(Match))}.")
        if self.trials < 1:
            raise OptionError("trials", self.trials, "must be at least 1")
        _options(self)
        if self.published is not None:
            read_published(self.published)

    def base(self, seed: int) -> Job:
        """The options that all neural methods share."""
        return Job(**{**self.job, "device": self.device, "seed": seed})

    @property
    def device(self) -> str:
        """Device of the models; the CPU by default."""
        return str(self.job.get("device", "cpu"))

    def method(self, name: str) -> Method:
        """The study's method of a given name.

        Raises:
            UnknownNameError: If there is none, with the nearest names.
        """
        if name in self.variants:
            return variant_of(name, self.variants[name])
        if name not in METHODS:
            raise UnknownNameError("method", name, [*METHODS, *self.variants])
        return method_of(name)

    def cells(self) -> list[Cell]:
        """All runs, with seeds in the outer loop, so that a study stopped early covers all tables and methods."""
        return [Cell(*found) for found in ((t, m, s) for s, t, m in product(self.seeds, self.tables, self.methods))]

    def key(self) -> str:
        """Digest of everything a run depends on, except its table, method and seed; comparable runs share a key."""
        shared = {name: value for name, value in asdict(self).items() if name not in _LISTS}
        shared |= _contents(self)
        return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:16]


def _contents(study: Study) -> dict[str, Any]:
    """Digests of the files that the study names; no entry without such files."""
    found = digests((study.job, *study.settings, *study.variants.values()), study.corpus)
    return {"files": found} if found else {}


def _adopt_current_names(study: Study) -> None:
    """Options under their current names, with a warning for old ones."""
    object.__setattr__(study, "job", current_names(study.job))
    object.__setattr__(study, "settings", [current_names(setting) for setting in study.settings])
    variants = {name: current_names(options) for name, options in study.variants.items()}
    object.__setattr__(study, "variants", variants)


def _data(study: Study) -> None:
    """Refuse an unknown table, the path of one, an unknown split, protocol or corpus."""
    for table in study.tables:
        if table not in datasets.available() and Path(table).is_file():
            remedy = "Register a function that reads it with molweight.datasets.register, in a module named by plugins."
            raise OptionError("tables", table, "is a file, and a study takes names of tables", remedy)
        if table not in datasets.available():
            raise UnknownNameError("dataset", table, datasets.available())
    if study.split not in datasets.SPLITTERS:
        raise UnknownNameError("split", study.split, datasets.SPLITTERS)
    if study.protocol not in ("four-role", "paper"):
        raise OptionError("protocol", study.protocol, "is unknown", "Use 'four-role' or 'paper'.")
    if study.corpus not in datasets.available_corpora() and not Path(study.corpus).is_file():
        raise UnknownNameError("corpus", study.corpus, datasets.available_corpora())
    if study.corpus_size is not None and study.corpus_size < 1:
        raise OptionError("corpus_size", study.corpus_size, "must be at least 1", "Leave it out for all molecules.")


def _methods(study: Study) -> None:
    """Refuse unknown methods, and variants with the name of a method."""
    taken = [name for name in study.variants if name in METHODS]
    if taken:
        raise OptionError("variants", taken[0], "is already the name of a method", "Choose another name.")
    for name in study.methods:
        study.method(name)
    if study.reference not in study.methods:
        reason = f"is not among the methods of the study{suggest(study.reference, study.methods)}"
        raise OptionError("reference", study.reference, reason, "The others are compared with it.")


def _options(study: Study) -> None:
    """Refuse options that a run would refuse, for each method and setting."""
    _known("job", study.job, _SET_BY_STUDY)
    for number, setting in enumerate(study.settings):
        _known(f"settings[{number}]", setting, _SET_BY_STUDY)
    for name, changes in study.variants.items():
        _known(f"variants.{name}", {key: value for key, value in changes.items() if key not in OF_VARIANT}, ())
    check_device(study.device)
    # A study may be read, and its page written, on a machine without its device.
    base = Job(**{**study.job, "device": "cpu", "seed": study.seeds[0]})
    for name in study.methods:
        if study.method(name).kind in ("classical", "peer"):
            continue
        for setting in study.settings:
            check_job(variant(variant(base, **study.method(name).changes), **setting))


def _known(place: str, options: Mapping[str, Any], reserved: Sequence[str]) -> None:
    known = option_names(Job)
    for name, value in options.items():
        if name not in known:
            listed = f"Options: {', '.join(known)}."
            raise OptionError(name, value, f"is not an option{suggest(name, known)}", listed, owner=place)
        if name in reserved:
            reason = "is set by the study's methods and seeds"
            raise OptionError(name, value, reason, "Leave it out.", owner=place)


def _once(name: str, values: Sequence[object]) -> None:
    if not values:
        raise OptionError(name, list(values), "is empty", "Name at least one.")
    twice = [value for number, value in enumerate(values) if value in list(values)[:number]]
    if twice:
        raise OptionError(name, list(values), f"has {twice[0]!r} twice", "Name each once.")
