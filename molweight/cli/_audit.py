"""``molweight audit``: problems of a table that would make a score computed on it unreliable."""

import json
import logging
import shlex
import sys
from typing import Any, Final

from jsonargparse import Namespace

from molweight import datasets
from molweight.cli._data_options import load_corpus, load_table, reading_of, split_table, split_with_test
from molweight.cli._options._audit import parser
from molweight.cli._options._fit import parser as fit_parser
from molweight.cli._output import show
from molweight.cli._parser import as_words
from molweight.cli._plugins import add_plugin_option
from molweight.datasets import Splits
from molweight.datasets.internal import (
    ColumnReport,
    LabelOptions,
    Reading,
    format_audit,
    groups_of,
    read_any,
    understand,
)
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

__all__ = ["run"]

_LOG: Final = logging.getLogger(__name__)
_MOST: Final = 20
"""Maximum number of unusable rows and labels that are printed without ``--json``."""
_OWN: Final = ("config", "targets", "split", "split_options", "quiet", "json", "trust")
"""Options of the audit that the proposed command does not repeat as given."""
_WORDS: Final = {
    "smiles": "SMILES",
    "molecule": "unused",
    "reaction": "unused",
    "numbers": "numbers",
    "classes": "classes",
    "suspicious": "doubtful",
    "identifier": "identifier",
    "split": "split",
    "relation": "relation",
    "unit": "units",
    "weight": "weights",
    "text": "text",
    "empty": "empty",
    "repeated": "repeated",
}


def run(options: Namespace) -> None:
    """Show the columns, load, split, audit, print."""
    columns = [] if options.table is None else _columns(options)
    if columns and not options.json:
        show("\n".join(_column_lines(columns)))
        sys.stdout.flush()
    asked = options.clone()
    data, splits = _split(options, load_table(options))
    remarks = [] if options.stereo == "use" else [_stereoisomers(data)]
    corpus = None if options.corpus is None else load_corpus(options, data, splits)
    found = datasets.audit(data, splits, corpus, forms=True, progress=not options.quiet)
    command = "" if options.table is None else _proposal(asked, data, splits)
    if options.json:
        show(_as_json(found.to_dict(), data, columns, command))
        return
    lines = [format_audit(found), *remarks, *_unusable(data)]
    show("\n".join([*lines, *([f"{'next':<12}{command}"] if command else [])]))


def _split(options: Namespace, data: MoleculeDataset) -> tuple[MoleculeDataset, Splits]:
    """The table, including the molecules of a test file, and its roles; a random split if the default one fails."""
    by_default = options.split == "auto"
    try:
        return split_with_test(options, data)[:2]
    except DataError as error:
        if not by_default or options.split != "scaffold" or options.table is None or options.split_file is not None:
            raise
        _LOG.warning("%s Auditing with --split random instead.", error.message)
        options.split = "random"
        return data, split_table(options, data)


def _stereoisomers(data: MoleculeDataset) -> str:
    """Number of molecules that share a prediction with others if stereochemistry is ignored."""
    apart, alike = (sum(len(group) - 1 for group in groups_of(data, stereo=stereo)) for stereo in (True, False))
    words = "molecules differ from others only in stereochemistry; --stereo ignore gives them the same prediction"
    return f"{'':<12}{alike - apart} {words}"


def _columns(options: Namespace) -> list[ColumnReport]:
    table = read_any(options.table, Reading.of(reading_of(options)))
    reading = LabelOptions(options.positive, options.decimal)
    return understand(table, options.smiles, reading, options.sample_weight)[1]


def _column_lines(columns: list[ColumnReport]) -> list[str]:
    """One line for each column."""
    width = min(40, max(len(column.name) for column in columns))
    lines = [f"{column.name:<{width}}  {_WORDS[column.kind]:<10}  {column.detail}".rstrip() for column in columns]
    return [f"{'' if place else 'columns':<12}{line}" for place, line in enumerate(lines)]


def _proposal(options: Namespace, data: MoleculeDataset, splits: Splits) -> str:
    """The command to train with."""
    words = ["molweight", "fit", options.table, *_given(options), *as_words("targets", _scaled(data))]
    stated = any(options[name] is not None for name in ("test", "split_column", "split_file"))
    split = {"given": "column"}.get(splits.name, splits.name) if options.split == "auto" else options.split
    if not stated and (split, options.split) != ("scaffold", "auto"):
        words += as_words("split", split)
    return shlex.join([*words, *as_words("split_options", options.split_options)])


def _given(options: Namespace) -> list[str]:
    """The options that ``fit`` also has and whose value is not the default."""
    audit, fit = parser(), fit_parser()
    for made in (audit, fit):
        add_plugin_option(made)
    shared = set(fit.option_names()).difference(_OWN)
    return [word for name, words in audit.changed(options.as_dict()).items() if name in shared for word in words]


def _scaled(data: MoleculeDataset) -> list[str]:
    """The targets, as logarithms where the notes of the table suggested that."""
    offered = [note for note in data.notes if "the usual scale is" in note]
    return [f"p({name})" if any(f"'p({name})'" in note for note in offered) else name for name in data.target_names]


def _as_json(audit: dict[str, Any], data: MoleculeDataset, columns: list[ColumnReport], command: str) -> str:
    rejects = [
        {
            **item.stored(),
            "row": item.row if item.number is None else item.number,
            "kind": item.kind,
            "place": item.place,
        }
        for item in data.rejects
    ]
    understood = [{"name": item.name, "kind": item.kind, "detail": item.detail} for item in columns]
    more = {"columns": understood, "notes": data.notes, "next": command} if columns else {}
    return json.dumps({**audit, **more, "rejects": rejects}, indent=2)


def _unusable(data: MoleculeDataset) -> list[str]:
    """One line for each row or label that cannot be used."""
    lines = [str(reject) for reject in data.rejects[:_MOST]]
    hidden = len(data.rejects) - len(lines)
    if hidden:
        lines.append(f"and {hidden} more; --json prints all of them")
    return [f"{'' if place else 'unusable':<12}{line}" for place, line in enumerate(lines)]
