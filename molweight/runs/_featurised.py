"""Rows as molecules with everything a model reads, computed in other processes while the model is at work here."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Final, TypeVar

from joblib import cpu_count

from molweight.features.internal import COLUMN_PREFIX, feature_columns
from molweight.graphs import Featuriser
from molweight.models import TaskModel
from molweight.runs._parsed import ParsedRows, parse
from molweight.runs._reference import FINGERPRINT

__all__ = ["MOST_ROWS", "features_of", "featurised"]

MOST_ROWS: Final = 500
"""Rows of a part, at most: from 512 on, features are computed in further processes."""
_AHEAD: Final = 4
"""Parts per process that are computed before they are needed; with their size they bound the memory."""
_ALONE: Final = 4
"""Parts up to which everything is done in this process: starting others takes seconds."""

T = TypeVar("T")


def features_of(model: TaskModel, *, domain: bool) -> list[str]:
    """Names of the feature sets that predictions take, and the domain.

    Args:
        model: The model.
        domain: Whether molecules are compared with the training molecules.
    """
    return list(dict.fromkeys([*model.feature_names(), *([FINGERPRINT] if domain else [])]))


def featurised(
    parts: Iterable[tuple[T, list[str]]], featuriser: Featuriser, features: Sequence[str], *, n_jobs: int | None = None
) -> Iterator[tuple[T, ParsedRows]]:
    """The molecules of each part with the columns of some feature sets, in order.

    Args:
        parts: Anything that belongs to a part, and its SMILES, at most :data:`MOST_ROWS`.
        featuriser: Which graph features to compute.
        features: Names of feature sets.
        n_jobs: Processes; ``None`` for all cores. Few parts are done in this process.

    Yields:
        What belongs to the part, and its molecules.
    """
    computed = [name for name in features if not name.startswith(COLUMN_PREFIX)]  # others are columns of the table
    work = partial(_work, featuriser=featuriser, features=computed)
    pending, jobs = iter(parts), n_jobs or cpu_count()
    first = list(islice(pending, _ALONE + 1))
    if jobs > 1 and len(first) > _ALONE:
        yield from _elsewhere(chain(first, pending), work, jobs)
    else:
        for own, smiles in chain(first, pending):
            yield own, work(smiles)


def _elsewhere(
    parts: Iterable[tuple[T, list[str]]], work: "partial[ParsedRows]", jobs: int
) -> Iterator[tuple[T, ParsedRows]]:
    """The same in other processes, a few parts ahead of what is needed."""
    from joblib.externals.loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(max_workers=jobs)  # not the one that joblib keeps for itself
    waiting: deque[tuple[T, Any]] = deque()
    try:
        for own, smiles in parts:
            waiting.append((own, executor.submit(work, smiles)))
            if len(waiting) > jobs * _AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        executor.shutdown(kill_workers=True)


def _work(smiles: list[str], *, featuriser: Featuriser, features: Sequence[str]) -> ParsedRows:
    parsed = parse(smiles, featuriser)
    return ParsedRows(parsed.smiles, feature_columns(parsed.data, features), parsed.rows, parsed.rejects)
