"""Threads and processes that share a cache: all of them must get the same arrays.

    python -m experiments.stress.shared_cache [--rounds 50] [--processes 3] [--threads 3] [--journal ...] [--output ...]

In each round several processes with several threads each read everything from the cache at the same time (a table, a
part of it, a corpus read in shards, target columns of both kinds). The cache is empty in even rounds; in odd ones one
of its files is damaged. The reference is the result of one thread with a separate cache. The counts of a round, all of
which must be 0: ``different`` arrays, ``errors``, ``crashed`` processes, and ``left`` partial files.
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
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final

import numpy as np

from experiments._provenance import provenance, write_result
from experiments.stress._journal import Journal
from experiments.stress.damage_cache import Arrays, damage, everything

PROBLEMS: Final = ("different", "errors", "crashed", "left")


def same(found: Arrays, expected: Arrays) -> bool:
    """Whether all arrays are equal."""
    keys = found.keys() == expected.keys()
    return keys and all(np.array_equal(found[key], expected[key], equal_nan=True) for key in found)


def ask(expected: Arrays, threads: int, start: Barrier, answer: Connection) -> None:
    """Read everything in several threads, at the same time as the other processes."""
    together = threading.Barrier(threads)

    def one(_: int) -> Arrays:
        together.wait()
        return everything()

    start.wait()
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(one, number) for number in range(threads)]
    errors = [item.exception() for item in waiting]
    found = [item.result() for item, error in zip(waiting, errors, strict=True) if error is None]
    texts = [f"{type(error).__name__}: {error}" for error in errors if error is not None]
    answer.send((sum(not same(item, expected) for item in found), texts))


def play(cache: Path, expected: Arrays, processes: int, threads: int) -> tuple[dict[str, int], list[str]]:
    """One round: counts of problems, and the error messages."""
    fork = multiprocessing.get_context("fork")
    start, counts = fork.Barrier(processes), collections.Counter[str]()
    started, texts = [], []
    for _ in range(processes):
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=ask, args=(expected, threads, start, theirs))
        process.start()
        theirs.close()
        started.append((process, ours))
    for process, ours in started:
        try:
            different, errors = ours.recv()
        except EOFError:
            different, errors = 0, []
            counts["crashed"] += 1
        process.join()
        counts["different"] += different
        counts["errors"] += len(errors)
        texts += errors
    counts["left"] = sum(path.suffix == ".part" for path in cache.rglob("*"))
    return {name: counts[name] for name in PROBLEMS}, texts


def prepare(cache: Path, whole: Path, number: int, seed: int) -> str:
    """An empty cache, or a complete one with a damaged file; returns which."""
    shutil.rmtree(cache, ignore_errors=True)
    if number % 2 == 0:
        return "empty"
    shutil.copytree(whole, cache)
    rng = np.random.default_rng([seed, number])
    files = sorted(path for path in cache.rglob("*") if path.is_file() and path.suffix in (".npy", ".json"))
    chosen = files[int(rng.integers(len(files)))]
    return f"{chosen.relative_to(cache)}: {damage(chosen, rng)}"


def main() -> None:
    """Play, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--journal", type=Path, default=None, help="JSON lines of the rounds, to resume from")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the result")
    options = parser.parse_args()
    logging.getLogger("molweight").setLevel(logging.ERROR)
    journal, numbers = Journal(options.journal), range(options.rounds)
    with tempfile.TemporaryDirectory() as place:
        cache, whole = Path(place) / "cache", Path(place) / "whole"
        os.environ["MOLWEIGHT_CACHE"] = str(cache)
        expected = everything()
        cache.rename(whole)
        for number in [number for number in numbers if str(number) not in journal]:
            begun = prepare(cache, whole, number, options.seed)
            counts, texts = play(cache, expected, options.processes, options.threads)
            journal.add(str(number), {"cache": begun, **counts, "texts": texts})
            print(f"round {number}: {begun}: {counts}", *texts, sep="\n  ", flush=True)
    rounds = [journal.answers[str(number)] for number in numbers]
    totals = {name: sum(item[name] for item in rounds) for name in PROBLEMS}
    texts = [text for item in rounds for text in item["texts"]]
    about = {"rounds": len(rounds), "processes": options.processes, "threads": options.threads}
    print(json.dumps(totals))
    if options.output is not None:
        write_result(options.output, {**provenance([options.seed]), **about, **totals, "texts": texts})
    sys.exit(any(totals.values()))


if __name__ == "__main__":
    main()
