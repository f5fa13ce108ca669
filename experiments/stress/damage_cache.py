"""Damage files of the cache at random, and check that no wrong data is read silently and nothing crashes.

    python -m experiments.stress.damage_cache [--attacks 300] [--seed 0] [--output ...]

A table of 100 molecules, a part of it, a corpus read in shards, and target columns of both kinds are cached. An attack
flips a bit, truncates a file, or overwrites 64 bytes in one file; then a separate process reads everything again.
Results are correct if they equal the arrays before the attack. The outcomes:

- ``mended``: all is right, and the log names a damaged file of the cache;
- ``unharmed``: all is right and nothing was logged, e.g. if one whitespace character of a JSON file replaced another;
- ``refused``: an error of molweight that names the file;
- ``silent``: something is wrong without a message; ``crashed``: a signal, or any other exception. Both must be 0.
"""

import argparse
import collections
import json
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import numpy as np

from experiments._provenance import provenance, write_result
from molweight.datasets import load_corpus
from molweight.errors import MolweightError
from molweight.graphs import Molecules, attach_targets, build_dataset
from molweight.graphs.internal import build_streamed
from molweight.objectives.building_blocks import CONFORMERS, FUNCTIONAL_GROUPS

ANSWERS: Final = ("mended", "unharmed", "refused", "silent", "crashed")
Arrays = dict[str, np.ndarray]


def everything() -> Arrays:
    """All that the cache serves, as plain arrays."""
    zinc = list(load_corpus("zinc", 150, n_jobs=1).smiles)
    table = build_dataset([*zinc[:100], "no molecule"], np.arange(101.0), task="regression", n_jobs=1)
    part = table.subset(range(20))
    corpus = build_streamed(lambda: enumerate(zinc), [b"damage"], n_jobs=1)
    found: Arrays = {}
    for name, data, specs in (
        ("table", table, [FUNCTIONAL_GROUPS]),
        ("part", part, [FUNCTIONAL_GROUPS, CONFORMERS]),
        ("corpus", corpus, [FUNCTIONAL_GROUPS]),
    ):
        found |= _arrays(name, data.molecules)
        found |= {f"{name}.{key}": np.array(value) for key, value in attach_targets(data, specs).columns.items()}
        found[f"{name}.batch"] = data.graphs(range(0, len(data), 3)).x.numpy()
    return found


def _arrays(name: str, molecules: Molecules) -> Arrays:
    return {f"{name}.{key}": np.array(value) for key, value in vars(molecules).items()}


class Heard(logging.Handler):
    """Log handler that stores messages."""

    def __init__(self) -> None:
        """Start without messages."""
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Store a message."""
        self.text += record.getMessage() + "\n"


def judge(expected: Arrays, file: str, answer: Connection) -> None:
    """Read everything in a separate process."""
    heard = Heard()
    logging.getLogger("molweight").addHandler(heard)
    try:
        found = everything()
    except MolweightError as error:
        answer.send("refused" if file in str(error) else "crashed")
        return
    same = found.keys() == expected.keys() and all(np.array_equal(found[k], expected[k], equal_nan=True) for k in found)
    said = Path(file).name in heard.text
    answer.send(("mended" if said else "unharmed") if same else "silent")


def damage(path: Path, rng: np.random.Generator) -> str:
    """Damage a file, and return a description of the damage."""
    content = bytearray(path.read_bytes())
    at = int(rng.integers(len(content)))
    kind = str(rng.choice(["flip", "flip", "flip", "cut", "overwrite"]))
    if kind == "flip":
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del content[at:]
    else:
        content[at : at + 64] = rng.bytes(len(content[at : at + 64]))
    path.write_bytes(content)
    return f"{kind} at byte {at}"


def attack(cache: Path, whole: Path, expected: Arrays, rng: np.random.Generator) -> tuple[str, str]:
    """Damage one file, and return the outcome; the cache is restored afterwards."""
    files = sorted(path for path in whole.rglob("*") if path.is_file() and path.suffix in (".npy", ".json"))
    chosen = files[int(rng.integers(len(files)))].relative_to(whole)
    what = damage(cache / chosen, rng)
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=judge, args=(expected, str(chosen), theirs))
    process.start()
    theirs.close()
    try:
        answer = str(ours.recv())
    except EOFError:
        answer = "crashed"
    process.join()
    shutil.rmtree(cache)
    shutil.copytree(whole, cache)
    return answer, f"{chosen}: {what}"


def main() -> None:
    """Attack, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/damage_cache.json"))
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as place:
        cache, whole = Path(place) / "cache", Path(place) / "whole"
        os.environ["MOLWEIGHT_CACHE"] = str(cache)
        expected = everything()
        shutil.copytree(cache, whole)
        answers = [attack(cache, whole, expected, rng) for _ in range(options.attacks)]
    counts = collections.Counter(answer for answer, _ in answers)
    bad = [what for answer, what in answers if answer in ("silent", "crashed")]
    print(json.dumps({name: counts[name] for name in ANSWERS}), *bad, sep="\n")
    result = {**provenance([options.seed]), "attacks": options.attacks, **{name: counts[name] for name in ANSWERS}}
    write_result(options.output, {**result, "failures": bad})
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
