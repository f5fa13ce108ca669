"""How much code a reader meets from a table to the first update of the weights.

    python -m experiments.tools.trace_first_update [--list] [--output experiments/results/trace_first_update.json]

A table of 64 molecules is read, split and fitted with the options of a job that starts from the checkpoint of the
package, until the weighting has been updated once. Counted are the functions of the package that ran, each once, and
the files that hold them; generated code (dataclass constructors) and comprehensions are left out. ``--list`` prints
them by file, ``--output`` writes the counts, by package and by stage (where a function is met first) too.
"""

import argparse
import functools
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import molweight as mw
from experiments._provenance import provenance, write_result
from molweight.mlo import weightings

ROOT = Path(mw.__file__).resolve().parents[1]
FOLDERS = tuple(str(ROOT / name) for name in ("molweight", "objectives", "datasets"))


@functools.cache
def resolved(name: str) -> str:
    """A source file by its real path: two packages are links."""
    return str(Path(name).resolve()) if name.endswith(".py") else ""


class FirstUpdateError(Exception):
    """Raised to leave a fit after the first update."""


class Tracer:
    """Records each function of the package that is entered."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.stage = ""
        self.stages: dict[str, int] = defaultdict(int)
        self.depth = self.deepest = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Count one entry or return; see :func:`sys.setprofile`."""
        code = frame.f_code
        path = resolved(code.co_filename)
        if not path.startswith(FOLDERS) or code.co_name in ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"):
            return
        if code.co_name == "<module>":  # importing a file is not a step of the walk
            return
        self.depth += {"call": 1, "return": -1}.get(event, 0)
        self.deepest = max(self.deepest, self.depth)
        self.stages[self.stage] += code.co_qualname not in self.seen[path]
        self.seen[path].add(code.co_qualname)


def table(folder: Path) -> Path:
    """A small table on the disk."""
    data = mw.datasets.load("freesolv")
    rows = [f"{smiles},{label[0]}" for smiles, label in zip(data.smiles[:64], data.targets[:64], strict=True)]
    path = folder / "my.csv"
    path.write_text("\n".join(["smiles,y", *rows]), encoding="utf-8")
    return path


def walk(path: Path, corpus: mw.graphs.MoleculeDataset, tracer: Tracer) -> None:
    """From the table to the first update."""
    tracer.stage = "read the table"
    data = mw.datasets.from_csv(path)
    tracer.stage = "split it"
    splits = mw.datasets.split(data, "random")
    tracer.stage = "state the job"
    job = mw.Job(steps=1, batch_size=32, device="cpu")
    tracer.stage = "fit, to the first update"
    mw.fit(job, data, splits, corpus)


def stop_after_the_first_update() -> None:
    """Leave as soon as the weights have been updated."""
    update = weightings.TapWeight.update

    def updated(self: Any, signals: Any) -> None:
        update(self, signals)
        raise FirstUpdateError

    weightings.TapWeight.update = updated  # type: ignore[method-assign]  # this process ends with it


def main() -> None:
    """Trace, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the functions by file")
    parser.add_argument("--output", type=Path, help="file to write the counts to")
    options = parser.parse_args()
    tracer, corpus = Tracer(), mw.datasets.load_corpus("zinc", size=64)
    mw.objectives.available(), mw.encoders.available(), mw.training.fit  # imported before: a walk is what runs
    stop_after_the_first_update()
    with tempfile.TemporaryDirectory() as folder:
        path = table(Path(folder))
        sys.setprofile(tracer)
        try:
            walk(path, corpus, tracer)
        except FirstUpdateError:
            sys.setprofile(None)
    for name, functions in sorted(tracer.seen.items()) if options.list else ():
        print(f"{Path(name).relative_to(ROOT)}: {', '.join(sorted(functions))}")
    count = sum(map(len, tracer.seen.values()))
    print(f"{count} functions in {len(tracer.seen)} files, at most {tracer.deepest} deep")
    print("met first in each stage:", ", ".join(f"{number} ({stage})" for stage, number in tracer.stages.items()))
    if options.output is not None:
        total = {"functions": count, "files": len(tracer.seen), "depth": tracer.deepest}
        parts = {"stages": dict(tracer.stages), "packages": by_package(tracer.seen)}
        write_result(options.output, {**provenance([0]), **total, **parts})


def by_package(seen: Mapping[str, set[str]]) -> dict[str, dict[str, int]]:
    """Functions and files of each package.

    Args:
        seen: Functions by file.
    """
    counts: dict[str, dict[str, int]] = {}
    for name, functions in sorted(seen.items()):
        parts = Path(name).relative_to(ROOT).parts
        package = parts[0] if parts[0] != "molweight" else "/".join(parts[: min(2, len(parts) - 1)])
        found = counts.setdefault(package, {"functions": 0, "files": 0})
        found["functions"] += len(functions)
        found["files"] += 1
    return counts


if __name__ == "__main__":
    main()
