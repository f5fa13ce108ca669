"""``molweight audit``: what to know of a table before a number computed on it is believed."""

import json
import sys
from typing import Final

from jsonargparse import Namespace

from molweight import datasets
from molweight.cli._data_options import add_data_options, load_corpus, load_table, split_table
from molweight.cli._parser import Parser
from molweight.graphs import MoleculeDataset

__all__ = ["parser", "run"]

_MOST: Final = 20
"""Rows and labels that cannot be used, as far as they are printed without ``--json``."""


def parser() -> Parser:
    """Options of the command: those of the data."""
    made = Parser(
        prog="molweight audit",
        description="Look for duplicates, undefined stereochemistry, unbalanced labels, leakage between roles, and "
        "molecules of the table in the corpus.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_data_options(made, corpus=None)
    made.add_argument("--seed", type=int, default=0, help="seed of the split, where it draws")
    made.add_argument(
        "--json", action="store_true", help="print JSON, with the rows of duplicates, all labels and all rejects"
    )
    made.add_argument("--quiet", action="store_true", help="no progress bars")
    return made


def run(options: Namespace) -> None:
    """Load, split, look, print."""
    data = load_table(options)
    splits = split_table(options, data)
    corpus = None if options.corpus is None else load_corpus(options, data, splits)
    found = datasets.audit(data, splits, corpus, progress=not options.quiet)
    if options.json:
        rejects = [{**reject.stored(), "kind": reject.kind, "place": reject.place} for reject in data.rejects]
        text = json.dumps({**found.to_dict(), "rejects": rejects}, indent=2)
    else:
        text = "\n".join([datasets.format_audit(found), *_unusable(data)])
    sys.stdout.write(f"{text}\n")


def _unusable(data: MoleculeDataset) -> list[str]:
    """One line for each row or label that cannot be used."""
    lines = [str(reject) for reject in data.rejects[:_MOST]]
    hidden = len(data.rejects) - len(lines)
    if hidden:
        lines.append(f"and {hidden} more; --json prints all of them")
    return [f"{'' if place else 'unusable':<12}{line}" for place, line in enumerate(lines)]
