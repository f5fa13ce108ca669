"""``molweight explain``: the atoms that predictions rest on, drawn and as numbers."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from tqdm import tqdm

from molweight.cli._molecules import add_safe_csv_option, table_writer
from molweight.cli._output import add_output_options, begin, result
from molweight.cli._parser import Parser
from molweight.datasets.internal import read_records
from molweight.errors import DataError, OptionError
from molweight.report.internal import Explained, render_explanation
from molweight.runs import Attribution, Run, load
from molweight.storage import write_file

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight explain", description="Share predictions out among the atoms, and draw them.")
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("run", type=str, help="folder of a run: runs/NAME")
    add("input", type=str, help="molecules: .csv, .tsv, .smi, .txt; gz, xz, bz2 or not")
    add("--smiles", type=str | None, default=None, help="SMILES column of a table; found if left out")
    add("--target", type=str | None, default=None, help="which target; may be left out if there is one")
    add("--limit", type=int, default=50, help="molecules at most, the first ones of the file")
    add("--pairs", type=int, default=16, help="orders of the atoms to draw; more give less noise")
    add("--seed", type=int, default=0, help="seed of the orders")
    add("--output", type=str, default="explanation.html", help="page with the molecules drawn")
    add("--atoms", type=str | None, default=None, help="CSV file: row,smiles,target,atom,share,error")
    add_safe_csv_option(made)
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made


def run(options: Namespace) -> None:
    """Read, share out, draw, write.

    Raises:
        OptionError: If no molecule is wanted.
        DataError: If the file holds none.
    """
    begin(options)
    if options.limit < 1:
        raise OptionError("limit", options.limit, "must be at least 1")
    model = load(options.run, options.device)
    records = list(islice(read_records(options.input, options.smiles), options.limit))
    found = list(_explained(options, model, records))
    if not found:
        raise DataError(f"{options.input}: none of the first {len(records)} rows holds a molecule.")
    items = [Explained(row, item.smiles, item.target, item.output, item.reference, item.atoms) for row, item in found]
    unit = "logits" if model.model.task == "classification" else "units of the label"
    write_file(Path(options.output), render_explanation(Path(options.run).resolve().name, items, unit).encode())
    with table_writer(
        options.atoms, ["row", "smiles", "target", "atom", "share", "error"], default=None, safe=options.safe_csv
    ) as write:
        write(line for row, item in found for line in _lines(row, item))
    shown = {"page": options.output, "molecules": len(found), "rejected": len(records) - len(found)}
    result(options, shown, f"{len(found)} of {len(records)} rows drawn, written to {options.output}")


def _explained(options: Namespace, model: Run, records: list[tuple[int, str]]) -> Iterator[tuple[int, Attribution]]:
    """Row and shares of each molecule; rows without one are told of."""
    for row, smiles in tqdm(records, unit=" molecules", disable=options.quiet or None, leave=False):
        (found,) = model.attribute([smiles], options.target, pairs=options.pairs, seed=options.seed)
        if found is not None:
            yield row, found
        elif not options.quiet:
            sys.stderr.write(f"row {row} holds no molecule: {model.parse([smiles]).rejects[0].reason}\n")


def _lines(row: int, item: Attribution) -> Iterator[list[Any]]:
    for atom, (share, error) in enumerate(zip(item.atoms, item.errors, strict=True)):
        yield [row, item.smiles, item.target, atom, f"{share:.7g}", f"{error:.3g}"]
