"""Flip single bits in every file of a finished run, and check that a changed run is never loaded silently.

    python -m experiments.stress.stress_run_files RUN [--flips 200] [--seed 0]

The card, the report, the plot and the list of rejects may be edited by users and are not read again, so they are left
out. The answers for each file: ``named`` is an error of molweight that names the file or the manifest, ``unnamed`` one
that does not, ``silent`` a run that loads. The last two must be 0. Any other exception ends the script.
"""

import argparse
import collections
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from experiments._provenance import provenance, write_result
from molweight import load
from molweight.errors import MolweightError

_FOR_PEOPLE: Final = ("README.md", "report.html", "weights.png", "rejects.csv")


def answer(folder: Path, name: str) -> str:
    """The outcome of loading a run with one damaged file."""
    try:
        load(folder, device="cpu")
    except MolweightError as error:
        return "named" if name in str(error) or "manifest.json" in str(error) else f"unnamed: {name}: {error}"
    return f"silent: {name}"


def flip(folder: Path, name: str, flips: int, rng: np.random.Generator) -> list[str]:
    """The outcomes for one file, which is restored afterwards."""
    path = folder / name
    content, found = path.read_bytes(), []
    for place in rng.integers(len(content), size=flips):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        found.append(answer(folder, name))
    path.write_bytes(content)
    return found


def main() -> None:
    """Flip, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/stress_run_files.json"))
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(options.run, Path(place) / "run"))
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in _FOR_PEOPLE)
        answers = {name: flip(folder, name, options.flips, rng) for name in names}
    counts = {name: dict(collections.Counter(found)) for name, found in answers.items()}
    print(json.dumps(counts, indent=2))
    write_result(options.output, {**provenance([options.seed]), "flips": options.flips, "answers": counts})
    sys.exit(any(found != ["named"] * options.flips for found in answers.values()))


if __name__ == "__main__":
    main()
