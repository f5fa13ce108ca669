"""Molecules with all inputs of a model, computed in other processes while the model predicts in this one."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from molweight.features.internal import COLUMN_PREFIX, feature_columns
from molweight.graphs import Featuriser
from molweight.models import TaskModel
from molweight.runs._ahead import ahead
from molweight.runs._parsed import ParsedRows, parse
from molweight.runs._reference import FINGERPRINT

__all__ = ["MOST_ROWS", "features_of", "featurised"]

MOST_ROWS: Final = 500
"""Maximum number of rows per part: from 512 on, features would be computed in further processes."""

T = TypeVar("T")


def features_of(model: TaskModel, *, domain: bool) -> list[str]:
    """Names of the feature sets needed for predictions, and for the domain if requested.

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
        parts: Pairs of arbitrary data and at most :data:`MOST_ROWS` SMILES.
        featuriser: Which graph features to compute.
        features: Names of feature sets.
        n_jobs: Processes; ``None`` for all cores. Few parts are done in this process.

    Returns:
        An iterator over the data of each part and its molecules.
    """
    computed = [name for name in features if not name.startswith(COLUMN_PREFIX)]  # the others are columns of the table
    return ahead(parts, partial(_work, featuriser=featuriser, features=computed), n_jobs=n_jobs)


def _work(smiles: list[str], *, featuriser: Featuriser, features: Sequence[str]) -> ParsedRows:
    parsed = parse(smiles, featuriser)
    return ParsedRows(parsed.smiles, feature_columns(parsed.data, features), parsed.rows, parsed.rejects)
