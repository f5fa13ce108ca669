"""``molweight list``: the registered names."""

import inspect
from collections.abc import Callable, Sequence
from typing import Final

from jsonargparse import Namespace

from molweight import datasets, encoders, objectives
from molweight.cli._help import plain
from molweight.cli._output import show
from molweight.datasets.internal import LOADERS, TABLES, ogb_entries
from molweight.mlo import solvers, weightings
from molweight.runs import read_checkpoint
from molweight.runs.internal import checkpoints_at_hand

__all__ = ["run"]

_KINDS: Final[dict[str, Callable[[], Sequence[str]]]] = {
    "objectives": objectives.available,
    "encoders": encoders.available,
    "weightings": weightings.available,
    "solvers": solvers.available,
    "checkpoints": checkpoints_at_hand,
    "datasets": lambda: [*datasets.available(), *datasets.available_ogb()],
}
_CLASSES: Final[dict[str, Callable[[str], object]]] = {
    "encoders": encoders.get,
    "weightings": weightings.get,
    "solvers": solvers.get,
}

_COST: Final = """\
cost: number of passes of a batch through a graph network per step. The two graphmvp objectives also run SchNet over
conformers, which is much slower: experiments/results/objectives_cost.json has seconds per 1,000 molecules."""


def run(options: Namespace) -> None:
    """Print one name per line, or a paragraph per kind."""
    if options.kind is None:
        for kind, names in _KINDS.items():
            show(f"{kind}: {', '.join(names())}")
        return
    lines = [_line(options.kind, name) for name in _KINDS[options.kind]()]
    if options.kind == "objectives":
        lines = [_columns("objective", "family", "cost", "needs", "paper"), *lines, "", _COST]
    if options.kind == "encoders":
        lines.append(f"{'schnet':<14} {_first_line(encoders.SchNet)} Inside graphmvp_*; no --encoder.")
    show("\n".join(lines))


def _line(kind: str, name: str) -> str:
    if kind == "objectives":
        return _objective(name)
    if kind == "checkpoints":
        found = read_checkpoint(name)
        return f"{name:<14} {found.encoder} {found.encoder_options}: {', '.join(found.objectives)}"
    if kind != "datasets":
        return f"{name:<14} {_first_line(_CLASSES[kind](name))}"
    if name in TABLES:
        table = TABLES[name]
        return f"{name:<16} {table.task:<15} {table.metric:<8} {table.title}"
    if name in ogb_entries():
        entry = ogb_entries()[name]
        metric = entry.metric.partition(":")[2]
        return f"{name:<16} {entry.task:<15} {metric:<8} {entry.num_tasks} targets, of the Open Graph Benchmark"
    return f"{name:<16} {_first_line(LOADERS.get(name))}"


def _first_line(item: object) -> str:
    return plain((inspect.getdoc(item) or "").partition("\n")[0])


def _objective(name: str) -> str:
    """Name, family, cost, requirements and paper of an objective."""
    found = objectives.get(name)
    needs = (
        [spec.name for spec in found.targets]
        + list(found.tables)
        + ["combine with another objective"] * found.collapses
    )
    return _columns(name, found.family, f"{found.cost:.1f} x", ", ".join(needs) or "-", found.paper)


def _columns(name: str, family: str, cost: str, needs: str, paper: str) -> str:
    return f"{name:<22} {family:<12} {cost:>6}  {needs:<32} {paper}"
