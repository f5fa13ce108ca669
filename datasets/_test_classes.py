"""Labels of a test file as classes of the training table."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from molweight.arrays import Int64Array
from molweight.datasets._class_words import class_words, is_inconclusive, known_pair
from molweight.datasets._columns import listed
from molweight.datasets._label_columns import source_column
from molweight.datasets._numbers import Decimal, is_missing, is_number, read_numbers
from molweight.datasets._parse import parsable
from molweight.datasets._row_numbers import row_numbers
from molweight.datasets._table import TextTable
from molweight.datasets._train_labels import Codes, TrainLabels
from molweight.errors import DataError, mention
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of

__all__ = ["check_test_classes", "class_targets", "conflicting_classes", "with_train_classes", "without_truth_values"]

_LOG: Final = logging.getLogger(__name__)
_PLAIN: Final[Mapping[str, int]] = {"0": 0, "1": 1, "false": 0, "true": 1}
"""Classes of a training table that is written without words or other numbers."""
_TRUTH: Final = ("true", "false")
_REMEDY: Final = (
    "Correct it, leave the cell empty where the label is missing, or treat such labels as missing with "
    f"{mention('on_error', 'nan')}."
)


def class_targets(data: MoleculeDataset | TrainLabels) -> list[str]:
    """The targets of a table that are classes.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> class_targets(from_smiles(["C", "CC"], [[0, 1.5], [1, 2.5]], target_names=["a", "b"], cache=False))
        ['a']
    """
    kinds = zip(data.target_names, tasks_of(data.task, len(data.target_names)), strict=True)
    return [name for name, kind in kinds if kind == "classification" or name in data.codes]


def with_train_classes(
    table: TextTable,
    smiles: str,
    train: MoleculeDataset | TrainLabels,
    decimal: Decimal | None = None,
    *,
    lenient: bool = False,
) -> TextTable:
    """A test table with its classes as 0 and 1, by the words and numbers of the training table.

    Args:
        table: The test table.
        smiles: Its SMILES column; labels in rows without a molecule are left out.
        train: The training table, or its labels.
        decimal: The decimal sign of numbers; ``None`` to find it.
        lenient: Whether labels outside the classes of ``train`` are missing labels instead of being refused.

    Returns:
        The table with a column of 0, 1 and empty cells for each target of ``train`` that is a class.

    Raises:
        DataError: If a label is not a class of ``train``; the message names row and column.
    """
    frame, cells = table.frame.copy(), table.cells(smiles)
    for target in class_targets(train):
        column = source_column(table, target)
        if column not in table.columns:
            continue
        codes, texts = table.distinct(column)
        # The column of a multiclass table holds words; one that is called like a target holds 0 and 1.
        stated = None if column == target and train.task == "multiclass" else train.codes.get(target)
        found = _coded(texts, _classes(stated, texts), decimal)
        wrong = np.flatnonzero(np.array([text is None for text in found])[codes])
        wrong = wrong[[cells[record] != "" for record in wrong]]
        wrong = wrong[parsable([cells[record] for record in wrong])]
        if len(wrong):
            message = _complaint(table, train, column, wrong, stated)
            if not lenient:
                raise DataError(f"{message}. {_REMEDY}")
            _LOG.warning("%s; such labels are treated as missing", message)
        frame[target] = np.array([text or "" for text in found], dtype=object)[codes]
    return replace(table, frame=frame)


def without_truth_values(table: TextTable, train: MoleculeDataset | TrainLabels, *, lenient: bool = False) -> TextTable:
    """A test table in which no target that is a number holds ``true`` or ``false``, which would be read as 1 and 0.

    Args:
        table: The test table.
        train: The training table, or its labels.
        lenient: Whether such labels are missing labels instead of being refused.

    Returns:
        The table, with empty cells in place of such labels.

    Raises:
        DataError: If there is such a label; the message names row and column.
    """
    frame, classes = table.frame.copy(), class_targets(train)
    for target in train.target_names:
        column = source_column(table, target)
        if target in classes or column not in table.columns:
            continue
        texts = np.array(table.cells(column), dtype=object)
        truth = np.array([text.strip().lower() in _TRUTH for text in texts], dtype=bool)
        if truth.any():
            first = int(truth.argmax())
            message = (
                f"{table.source}, {table.place(first, column)}: {texts[first]!r} is no label, because the target "
                f"{target!r} of {train.name} is a number"
            )
            if not lenient:
                raise DataError(f"{message}. {_REMEDY}")
            _LOG.warning("%s; such labels are treated as missing", message)
            frame[column] = np.where(truth, "", texts)
    return replace(table, frame=frame)


def _classes(codes: Mapping[str, int] | None, texts: Sequence[str]) -> Mapping[str, int]:
    """The class of each text: by the training table or, if that has 0 and 1 or a known pair of words, by meaning."""
    if codes is not None and not _means_itself(codes):
        return codes
    given = {**_PLAIN, **(codes or {})}
    lower = {word.casefold() for word in given}
    words = [text for text in texts if not is_missing(text) and not is_number(text) and text.casefold() not in lower]
    return {**given, **_by_meaning(words)}


def _by_meaning(words: Sequence[str]) -> dict[str, int]:
    """The classes of a known pair of words, such as active and inactive; empty for other words."""
    return {word: code for code, word in enumerate(class_words(words).words)} if known_pair(words) else {}


def _means_itself(codes: Mapping[str, int]) -> bool:
    """Whether classes are those of a known pair of words."""
    return {word.casefold(): code for word, code in codes.items()} == _by_meaning(list(codes))


def conflicting_classes(codes: Codes, others: Codes) -> str | None:
    """The first target whose class 1 has another meaning in another table; ``None`` if all agree.

    Args:
        codes: Classes of a table, by target; a target without them is written as 0 and 1.
        others: Those of the other one.

    Example:
        >>> conflicting_classes({"y": {"lean": 0, "fat": 1}}, {"y": {"Fat": 1, "lean": 0}})
        >>> conflicting_classes({"y": {"lean": 0, "fat": 1}}, {"y": {"lean": 0, "obese": 1}})
        'y'
    """
    return next((name for name in {**codes, **others} if _conflict(codes.get(name), others.get(name))), None)


def _conflict(codes: Mapping[str, int] | None, others: Mapping[str, int] | None) -> bool:
    """Whether a text has another class, or no text of class 1 is common to both."""
    one, other = ({_plain(text): code for text, code in (own or _PLAIN).items()} for own in (codes, others))
    shared = one.keys() & other.keys()
    apart = codes and others and not any(one[text] == 1 for text in shared)
    same_meaning = apart and _means_itself(codes or {}) and _means_itself(others or {})
    return any(one[text] != other[text] for text in shared) or bool(apart and not same_meaning)


def _plain(text: str) -> str:
    """A text for comparisons: case is ignored, as are trailing zeros of numbers."""
    return f"{float(text):g}" if is_number(text) else text.casefold()


def _coded(texts: Sequence[str], classes: Mapping[str, int], decimal: Decimal | None) -> list[str | None]:
    """Each text as ``"0"`` or ``"1"``, empty if the label is missing, and ``None`` if it is not a class."""
    by_word = {word.casefold(): str(code) for word, code in classes.items()}
    by_number = {float(word): str(code) for word, code in classes.items() if is_number(word)}
    found: list[str | None] = []
    for text, number in zip(texts, read_numbers(texts, decimal).values.tolist(), strict=True):
        word = by_word.get(text.casefold(), by_number.get(number))  # "none" may be a class of the training table
        empty = np.isnan(number) or is_inconclusive(text)
        found.append("" if word is None and empty else word)
    return found


def _complaint(
    table: TextTable,
    train: MoleculeDataset | TrainLabels,
    column: str,
    wrong: Int64Array,
    codes: Mapping[str, int] | None,
) -> str:
    """A message about labels that are not classes of the training table."""
    text = table.cells(column)[int(wrong[0])]
    known = listed(list(codes)) if codes else "0 and 1"
    more = f" ({len(wrong)} such cells in this column)" if len(wrong) > 1 else ""
    return (
        f"{table.source}, {table.place(int(wrong[0]), column)}: {text[:60]!r} is not one of the classes of "
        f"{train.name}, which are {known}{more}"
    )


def check_test_classes(train: MoleculeDataset, test: MoleculeDataset) -> None:
    """Refuse a test table with labels other than 0 and 1 of a target that is a class.

    Args:
        train: The training table.
        test: The test table, with the same targets.

    Raises:
        DataError: If there is such a label; the message names row and column.
    """
    for name in class_targets(train):
        values = test.targets[:, train.target_names.index(name)]
        wrong = np.flatnonzero(~np.isnan(values) & ~np.isin(values, (0, 1)))
        if len(wrong):
            codes = ", ".join(f"{code} for {text!r}" for text, code in train.codes.get(name, {}).items())
            raise DataError(
                f"{test.name}, row {row_numbers(test, wrong[:1])[0]}, column {name!r}: the label "
                f"{values[wrong[0]]:g} is not a class. The classes of {train.name} are 0 and 1"
                f"{f' ({codes})' if codes else ''}. Write those of {test.name} in the same way."
            )
