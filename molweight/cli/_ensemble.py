"""The mean over several runs, each of which gets the molecules as it gets them alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch
from jsonargparse import Namespace

from molweight.arrays import Float32Matrix
from molweight.cli._molecules import Chunk, InputColumn, feature_places, imputed, standard, with_decimals, with_numbers
from molweight.cli._standard_form import standard_form
from molweight.datasets.internal import MoleculeRows, conflicting_classes, format_classes, same_unit
from molweight.errors import ConfigError
from molweight.runs import ParsedRows, Run, load
from molweight.runs.internal import spread_of

__all__ = ["Average", "Member", "members_of", "other_runs"]


@dataclass(frozen=True, eq=False)
class Member:
    """A further run of an ensemble.

    Args:
        run: The run.
        smiles: Position of the SMILES column in the input.
        steps: Standard form of its molecules; ``None`` if it is that of the first run.
        places: The columns of the input that it reads as features.
    """

    run: Run
    smiles: int
    steps: Sequence[str] | None
    places: Mapping[str, InputColumn]

    def read(self, chunk: Chunk) -> ParsedRows:
        """The molecules in the standard form of the run, with the columns that it reads.

        Args:
            chunk: Rows of the input, with the molecules of the first run.
        """
        parsed = chunk.parsed
        if self.steps is not None:
            parsed = self.run.parse(standard([record[self.smiles].strip() for record in chunk.cells], self.steps))
        return with_numbers(parsed, chunk.cells, self.places)


@dataclass(frozen=True, eq=False)
class Average:
    """The mean over several runs, and their spread.

    Args:
        first: The run that the input was read for.
        members: The further runs.
        uncertain: Whether the spread is wanted, too.
        blank: Number of imputed cells in each column that only further runs read; counted while predicting.
    """

    first: Run
    members: Sequence[Member]
    uncertain: bool
    blank: Counter[str] = field(default_factory=Counter)

    def of(self, chunk: Chunk) -> Float32Matrix:
        """Mean predictions, and the spread if requested.

        Args:
            chunk: Rows of the input, with the molecules of the further runs.
        """
        found, counts = [self.first.predict(chunk.parsed)], imputed(chunk.parsed)
        known = set(counts)
        for member, parsed in zip(self.members, chunk.others, strict=True):
            counts |= imputed(parsed)
            found.append(member.run.predict(parsed))
        self.blank.update({name: count for name, count in counts.items() if name not in known})
        spread = spread_of(found)
        return np.concatenate([spread.prediction, spread.deviation], axis=1) if self.uncertain else spread.prediction


def members_of(
    given: Namespace, first: Namespace, others: Sequence[Run], table: MoleculeRows
) -> tuple[list[Member], MoleculeRows]:
    """The further runs with what each reads of the input.

    Args:
        given: The options of the command, as they were given.
        first: The same options, with the standard form of the first run.
        others: The further runs, in the order of ``--ensemble``.
        table: The rows, of which none was read.

    Returns:
        The members, and the table, still with all rows.

    Raises:
        ConfigError: If the input lacks a column that a run reads.
    """
    found = []
    for run in others:
        own = with_decimals(given, run, table)
        table = table._replace(rows=own.rows)
        usual = list(first.standardize or [])
        steps = standard_form(given, run, usual)
        places = feature_places(given, run, own)
        found.append(Member(run, table.smiles, None if steps == usual else steps, places))
    return found, table


def other_runs(options: Namespace, model: Run) -> list[Run]:
    """The further runs of the ensemble.

    Args:
        options: Those of ``molweight predict``.
        model: The first run.

    Raises:
        ConfigError: If one of them predicts something else, or is the same model as another one.
    """
    others = [load(folder, options.device) for folder in options.ensemble]
    for folder, other in zip(options.ensemble, others, strict=True):
        if (other.target_names, other.model.task) != (model.target_names, model.model.task):
            raise ConfigError(
                f"--ensemble {folder} predicts {', '.join(other.target_names)} ({other.model.task}), but {options.run} "
                f"predicts {', '.join(model.target_names)} ({model.model.task}). Name runs of the same table."
            )
    folders, runs = [options.run, *options.ensemble], [model, *others]
    for one, another in combinations(zip(folders, runs, strict=True), 2):
        _refuse_other_classes(one, another)
        _refuse_other_units(one, another)
    _refuse_same(folders, runs)
    return others


def _refuse_other_classes(first: tuple[str, Run], second: tuple[str, Run]) -> None:
    """Refuse a run whose class 1 means something else; runs of earlier versions do not store it."""
    cards = [run.trained_on for _, run in (first, second)]
    if not all("codes" in card for card in cards):
        return
    target = conflicting_classes(cards[0]["codes"], cards[1]["codes"])
    if target is not None:
        one, other = (format_classes({"codes": {target: card["codes"].get(target, {"1": 1})}}) for card in cards)
        raise ConfigError(
            f"--ensemble {second[0]}: {other}, but in {first[0]} {one}, so a mean of their probabilities means "
            "nothing. Name runs with the same classes, or fit again with --positive."
        )


def _refuse_other_units(first: tuple[str, Run], second: tuple[str, Run]) -> None:
    """Refuse a run trained on labels in another unit; runs of earlier versions do not store it."""
    one, other = (run.trained_on.get("units", {}) for _, run in (first, second))
    for target in one.keys() & other.keys():
        if not same_unit(one[target], other[target]):
            raise ConfigError(
                f"--ensemble {second[0]} was trained on {target!r} in {other[target]}, {first[0]} in {one[target]}: "
                "averaging their predictions is meaningless. Name runs trained in the same unit."
            )


def _refuse_same(folders: list[str], runs: list[Run]) -> None:
    """Refuse members that are copies of each other: their spread would be zero."""
    for (one, run), (other, further) in combinations(zip(folders, runs, strict=True), 2):
        mine, theirs = run.model.state_dict(), further.model.state_dict()
        if mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine):
            raise ConfigError(
                f"--ensemble: {one} and {other} are the same model, so their spread means nothing. Name runs with "
                "different seeds."
            )
