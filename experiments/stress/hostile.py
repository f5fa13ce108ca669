"""Every operation on single molecules, with molecules constructed to be slow: none may exceed its budget.

Each operation is called as in the package, i.e. with its guard. The CPU time for a single molecule, of this process and
of its forked worker, is compared with the budget; one second is allowed for starting and ending the worker.

With ``--journal`` each measurement is kept, and the same command resumes at the next one.

    python -m experiments.stress.hostile --journal hostile.jsonl --output experiments/results/hostile.json
"""

import argparse
import os
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from experiments._provenance import provenance, write_result
from experiments.stress._hostile_molecules import hostile_molecules
from experiments.stress._journal import Journal
from molweight import datasets, features, objectives
from molweight.datasets._replicates import all_canonical
from molweight.datasets._scaffold import group_by_scaffold
from molweight.graphs import Reject, TargetSpec, featurize
from molweight.graphs.internal import guarded_target
from molweight.report._rdkit_draw import draw_molecule

FAST: Final = 2.0
"""CPU seconds of an operation."""
SLOW: Final = 10.0
"""The same for conformers and tautomers."""
_START: Final = 1.0
_PLAIN: Final = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O")
Operation = Callable[[str], object]


def main() -> None:
    """Measure, print, write."""
    options = _options()
    journal = Journal(options.journal)
    names = list(hostile_molecules())
    if options.count is not None:
        names = sorted(random.Random(options.seed).sample(names, options.count))  # noqa: S311 (a sample, no secret)
    found = {"reading": _measured("reading", _read, FAST, names, journal)}
    readable = [name for name in names if not journal.answers[f"reading: {name}"]["refused"]]
    for name, (operation, budget) in _operations().items() if readable else ():
        found[name] = _measured(name, operation, budget, readable, journal)  # no other operation is given the others
    over = [name for name, row in found.items() if row["seconds"] > row["budget"] + _START]
    for name, row in found.items():
        print(f"{name:<28} {row['seconds']:6.2f} s of CPU time at most, budget {row['budget']:g} s ({row['slowest']})")
    print(
        f"{len(names)} molecules ({len(readable)} readable), {len(found)} operations, {len(over)} beyond their budget"
    )
    if options.output is not None:
        counts = {"molecules": len(names), "readable": len(readable)}
        write_result(options.output, {**provenance([options.seed]), **counts, "operations": found, "beyond": over})
    if over:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=None, help="molecules, drawn at random; all by default")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("--journal", type=Path, default=None, help="JSON lines of what was measured, to resume from")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the result")
    return parser.parse_args()


def _measured(doing: str, operation: Operation, budget: float, names: list[str], journal: Journal) -> dict[str, Any]:
    """The maximum CPU time of the operation, and the molecule."""
    molecules = hostile_molecules()
    missing = [name for name in names if f"{doing}: {name}" not in journal]
    for smiles in _PLAIN if missing else ():
        operation(smiles)  # one-time imports and set-up are not counted
    for name in missing:
        seconds = _seconds(operation, molecules[name])
        refused = doing == "reading" and bool(_read(molecules[name]))
        journal.add(f"{doing}: {name}", {"seconds": round(seconds, 3), "refused": refused})
    taken = {name: journal.answers[f"{doing}: {name}"]["seconds"] for name in names}
    slowest = max(taken, key=taken.__getitem__)
    return {"seconds": taken[slowest], "slowest": slowest, "budget": budget}


def _seconds(operation: Operation, smiles: str) -> float:
    before = sum(os.times()[:4])
    operation(smiles)
    return sum(os.times()[:4]) - before


def _operations() -> dict[str, tuple[Operation, float]]:
    """Each operation, with its budget in seconds."""
    found: dict[str, tuple[Operation, float]] = {
        "canonical SMILES": (lambda smiles: list(all_canonical([smiles], 1)), FAST),
        "scaffold": (lambda smiles: group_by_scaffold([smiles]), FAST),
        "drawing": (lambda smiles: draw_molecule(smiles, "a", ""), FAST),
        "salts and charges": (lambda smiles: datasets.standardize([smiles], ["salts", "charges"]), FAST),
        "tautomers": (lambda smiles: datasets.standardize([smiles], ["tautomers"]), SLOW),
    }
    for spec in _targets():
        found[spec.name] = (partial(_column, guarded_target(spec)), SLOW if spec.slow else FAST)
    return found


def _read(smiles: str) -> list[Reject]:
    return featurize([smiles])[1]


def _column(guarded: Callable[[list[str]], object], smiles: str) -> object:
    return guarded([smiles])


def _targets() -> list[TargetSpec]:
    """Targets of all objectives, and all feature sets that need no other package."""
    known = {spec.name: spec for name in objectives.available() for spec in objectives.get(name).targets}
    own = (features.get(name).spec for name in features.available() if name != "minimol")
    return list({**known, **{spec.name: spec for spec in own}}.values())


if __name__ == "__main__":
    main()
