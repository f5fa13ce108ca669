"""Amount of code from a table to the first update of the weights, and in chemprop to its first step.

    python -m experiments.tools.trace_first_update [--of PROGRAM] [--list] [--output FILE]

A table of 64 molecules is read, split and fitted with the options of a job that starts from the checkpoint of the
package, until the weighting has been updated once. Counted are the functions of the package that ran, each once, the
files that hold them, their lines of code, and the lines and statements that were executed; generated code (dataclass
constructors) and comprehensions are left out. Targets of the corpus that are not in the cache are computed, which takes
more functions: run it twice. ``--list`` prints the functions by file, ``--output`` writes the counts,
by package and by stage (where a function is met first) too.

``--of smiles`` walks from a list of SMILES and labels, ``--of command`` from ``molweight fit my.csv`` instead of the
Python interface, ``--of chemprop`` from ``chemprop train`` to its first step of the optimiser, on a table of the same
molecules. The latter runs in an environment that holds chemprop and torch, without ours. A file that exists keeps the
counts of the other programs.
"""

import argparse
import importlib
import itertools
import json
import lzma
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from experiments._provenance import provenance, write_result
from experiments.tools._walk import StopWalkError, Tracer, bodies, sizes

ROOT = Path(__file__).resolve().parents[2]
OURS = ("molweight", "objectives", "datasets")
TABLE = ROOT / "datasets" / "embedded" / "freesolv.csv.xz"


def stop_after(owner: type, name: str) -> None:
    """End the walk, and this process, as soon as a method has run once.

    Args:
        owner: The class.
        name: Its method.
    """
    method: Callable[..., object] = getattr(owner, name)

    def stopping(*args: Any, **keywords: Any) -> None:
        method(*args, **keywords)
        raise StopWalkError

    setattr(owner, name, stopping)


def fit_in_python(path: Path, *, smiles: bool = False) -> tuple[Tracer, Callable[[], object]]:
    """The Python interface, to the first update.

    Args:
        path: The table.
        smiles: Whether to start from a list of SMILES and their labels; from the file if not.
    """
    mw: Any = importlib.import_module("molweight")
    tracer, corpus = Tracer(*(ROOT / name for name in OURS)), mw.datasets.load_corpus("zinc", size=64)
    mw.objectives.available(), mw.encoders.available(), mw.training.fit  # imported before the walk
    stop_after(importlib.import_module("molweight.mlo.weightings").TapWeight, "update")
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    listed = [text for text, _ in rows], [float(label) for _, label in rows]

    def walk() -> None:
        tracer.stage = "read the table"
        data = mw.datasets.from_smiles(*listed) if smiles else mw.datasets.from_csv(path)
        tracer.stage = "split it"
        splits = mw.datasets.split(data, "random")
        tracer.stage = "state the job"
        job = mw.Job(steps=1, batch_size=32, device="cpu")
        tracer.stage = "fit, to the first update"
        mw.fit(job, data, splits, corpus)

    return tracer, walk


def fit_by_command(path: Path) -> tuple[Tracer, Callable[[], object]]:
    """The command line, from the table to the first update.

    Args:
        path: The table.
    """
    fit_in_python(path)  # imports what a fit needs, and stops after the update
    command = importlib.import_module("molweight.cli").main
    importlib.import_module("molweight.cli._fit")
    options = {"split": "random", "members": 1, "steps": 1, "batch_size": 32, "corpus_size": 64, "device": "cpu"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    words += ["--runs", str(path.parent)]
    return Tracer(*(ROOT / name for name in OURS)), partial(command, ["fit", str(path), *words])


def train_chemprop(path: Path) -> tuple[Tracer, Callable[[], object]]:
    """``chemprop train``, from the table to the first step of its optimiser.

    Args:
        path: The table.
    """
    adam = importlib.import_module("torch.optim").Adam
    command = importlib.import_module("chemprop.cli.main")
    folder = Path(str(command.__file__)).parents[1]
    stop_after(adam, "step")
    sys.argv = ["chemprop", "train", "--data-path", str(path), "--task-type", "regression", "-qq"]
    sys.argv += ["--smiles-columns", "smiles", "--target-columns", "y", "--accelerator", "cpu"]
    sys.argv += ["--output-dir", str(path.parent / "run")]
    return Tracer(folder), command.main


PROGRAMS: dict[str, Callable[[Path], tuple[Tracer, Callable[[], object]]]] = {
    "smiles": partial(fit_in_python, smiles=True),
    "python": fit_in_python,
    "command": fit_by_command,
    "chemprop": train_chemprop,
}
VERSIONS = {"chemprop": ("chemprop", "torch", "lightning", "rdkit", "numpy")}


def table(folder: Path) -> Path:
    """A small table on the disk.

    Args:
        folder: Where to write it.
    """
    path = folder / "my.csv"
    with lzma.open(TABLE, "rt", encoding="utf-8") as text:
        rows = [line.strip() for line in itertools.islice(text, 1, 65)]
    path.write_text("\n".join(["smiles,y", *rows]), encoding="utf-8")
    return path


def by_package(seen: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Functions, files and code lines of the functions, of each package.

    Args:
        seen: Functions by file.
    """
    counts: dict[str, dict[str, int]] = {}
    for name, functions in sorted(seen.items()):
        parts = short(name).parts
        package = parts[0] if parts[0] in OURS[1:] else "/".join(parts[: min(2, len(parts) - 1)])
        found = counts.setdefault(package, {"functions": 0, "files": 0, "lines": 0})
        found["functions"] += len(functions)
        found["files"] += 1
        found["lines"] += len(set(chain.from_iterable(bodies(name, functions))))
    return counts


def short(name: str) -> Path:
    """A file by its path from the repository or from the environment's packages.

    Args:
        name: Its whole path.
    """
    path = Path(name)
    return (
        path.relative_to(ROOT) if ROOT in path.parents else Path(*path.parts[path.parts.index("site-packages") + 1 :])
    )


def main() -> None:
    """Trace, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=PROGRAMS, default="python", help="the program")
    parser.add_argument("--list", action="store_true", help="print the functions by file")
    parser.add_argument("--output", type=Path, help="file to write the counts to")
    options, command = parser.parse_args(), list(sys.argv)
    with tempfile.TemporaryDirectory() as folder:
        tracer, program = PROGRAMS[options.of](table(Path(folder)))
        tracer.walk(program)
    sys.argv = command
    for name, functions in sorted(tracer.seen.items()) if options.list else ():
        print(f"{short(name)}: {', '.join(sorted(functions))}")
    found = {**sizes(tracer.seen, tracer.lines), "depth": tracer.deepest}
    print(*(f"{name}: {value}" for name, value in found.items()), sep="\n")
    if options.output is not None:
        write(options.output, options.of, {**found, "stages": tracer.stages, "packages": by_package(tracer.seen)})


def write(path: Path, program: str, found: Mapping[str, Any]) -> None:
    """Add the counts of one program to a file.

    Args:
        path: The file.
        program: Name of the program.
        found: Its counts.
    """
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    source = provenance([0], VERSIONS[program]) if program in VERSIONS else provenance([0])
    write_result(path, {**known, program: {**source, **found}})


if __name__ == "__main__":
    main()
