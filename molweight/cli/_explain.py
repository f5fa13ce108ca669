"""``molweight explain``: attribution of predictions to atoms, as drawings and as numbers."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace

from molweight._progress import with_progress
from molweight.cli._molecules import (
    InputColumn,
    feature_places,
    open_input,
    refuse_other_formats,
    standard,
    table_writer,
    with_numbers,
)
from molweight.cli._output import begin, result, say
from molweight.cli._standard_form import with_standard_form
from molweight.ensemble import Ensemble
from molweight.errors import DataError, OptionError
from molweight.graphs.internal import tasks_of
from molweight.report.internal import Explained, render_explanation
from molweight.runs import Attribution, Run, load
from molweight.storage import write_file

__all__ = ["run"]

_SMALL: Final = 0.5


def run(options: Namespace) -> None:
    """Read, attribute, draw, write.

    Raises:
        OptionError: If the requested number of molecules is less than 1.
        DataError: If the file contains no molecule.
    """
    begin(options)
    if options.limit < 1:
        raise OptionError("limit", options.limit, "must be at least 1")
    refuse_other_formats(options, "atoms")
    model = load(options.run, options.device)
    options = with_standard_form(options, model)
    _say_of_which_part(options, model)
    table = open_input(options, model)
    rows, cells = zip(*islice(table.rows, options.limit), strict=True)
    smiles = standard([record[table.smiles].strip() for record in cells], options.standardize)
    records = list(zip(rows, smiles, cells, strict=True))
    found = list(_explained(options, model, records, feature_places(options, model, table)))
    if not found:
        raise DataError(f"{options.input}: none of the first {len(records)} rows has a valid molecule.")
    items = [Explained(row, item.smiles, item.target, item.output, item.reference, item.atoms) for row, item in found]
    name, unit = Path(options.run).resolve().name, _unit(model, found[0][1].target)
    page = render_explanation(name, items, unit, graph_only=not model.model.feature_names())
    write_file(Path(options.output), page.encode())
    with table_writer(
        options.atoms, ["row", "smiles", "target", "atom", "share", "error"], default=None, safe=options.safe_csv
    ) as write:
        write(line for row, item in found for line in _lines(row, item))
    shown = {"page": options.output, "molecules": len(found), "rejected": len(records) - len(found)}
    result(options, shown, f"{len(found)} of {len(records)} rows drawn and written to {options.output}")


def _unit(model: Run, target: str) -> str:
    """Unit of the shares of a target."""
    tasks = dict(zip(model.target_names, tasks_of(model.model.task, len(model.target_names)), strict=True))
    return "logits" if tasks[target] == "classification" else "units of the label"


def _say_of_which_part(options: Namespace, model: Run) -> None:
    """For an ensemble, the weight of its graph members: the other parts do not respond to single atoms."""
    if isinstance(model.model, Ensemble) and (share := model.model.spec.weights[0]) < 1:
        about = (
            f"attributions are those of the graph members, whose weight in the ensemble is {share:.2f} of 1."
            if share > 0
            else "The graph members have no weight, so all attributions are 0."
        )
        remedy = " To attribute all of a prediction, explain a run with --members 1." if share < _SMALL else ""
        say(options, f"{about}{remedy}")


def _explained(
    options: Namespace, model: Run, records: list[tuple[int, str, list[str]]], places: dict[str, InputColumn]
) -> Iterator[tuple[int, Attribution]]:
    """Row and attributions of each molecule; rows without a molecule are reported."""
    for row, smiles, cells in with_progress(
        records, None if options.quiet else "attributing", "molecules", total=len(records)
    ):
        parsed = with_numbers(model.parse([smiles]), [cells], places)
        if not parsed.rejects:
            (found,) = model.attribute(parsed, options.target, pairs=options.pairs, seed=options.seed)
            if found is not None:
                yield row, found
        else:
            say(options, f"row {row} has no valid molecule: {parsed.rejects[0].reason}")


def _lines(row: int, item: Attribution) -> Iterator[list[Any]]:
    for atom, (share, error) in enumerate(zip(item.atoms, item.errors, strict=True)):
        yield [row, item.smiles, item.target, atom, f"{share:.7g}", f"{error:.3g}"]
