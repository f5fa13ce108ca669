"""Comparison of corpora, ``zinc``, ``own``, ``own+near``, ..., with the same job; the test set is never evaluated.

    python -m experiments.studies.compare_corpora run [--corpora zinc own+near] [--tables ...] [--seeds 0 1]
    python -m experiments.studies.compare_corpora table

Scaffold splits, the checkpoint of the package, a single model, scored on ``select``. ``own+near/part`` gives every part
its own weights. ``near`` searches the corpora in ``MOLWEIGHT_DATA``. Each row is appended to the results when finished,
and a second call resumes after the last one.
"""

import argparse
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from molweight import datasets, fit
from molweight.datasets import Splits
from molweight.datasets.internal import join_corpora
from molweight.graphs import MoleculeDataset
from molweight.options import Job

RESULTS: Final = Path(__file__).parents[1] / "results" / "compare_corpora.jsonl"
SETTING: Final = ("steps", "epochs", "size")
KEYS: Final = ("corpus", "table", "seed", *SETTING)
TABLES: Final = ("freesolv", "bace", "sider", "lipophilicity")
CORPORA: Final = ("none", "zinc", "own", "own+near", "own+near+zinc", "own+near+zinc/part")


def corpus_of(name: str, data: MoleculeDataset, splits: Splits, size: int) -> MoleculeDataset:
    """The corpus of that name, as in ``molweight fit --corpus``."""
    parts = []
    for part in name.partition("/")[0].split("+"):
        if part == "own":
            parts.append(join_corpora([data.subset(splits.train)]))
            parts[-1].name = "own"
        elif part == "near":
            parts.append(datasets.near_corpus(data, splits, size=size))
        else:
            parts.append(datasets.load_corpus(part, size))
    return join_corpora(parts)


def row(name: str, table: str, seed: int, *setting: int) -> dict[str, Any]:
    """Fit once; ``none`` skips adaptive pretraining."""
    steps, epochs, size = setting
    data = datasets.load(table)
    splits = datasets.split(data, "scaffold", seed=seed)
    weights = "part" if name.endswith("/part") else "joint"
    weighting = "none" if name == "none" else "tapweight"
    job = Job(weighting=weighting, corpus_weights=weights, steps=steps, epochs=epochs, seed=seed, device="cpu")
    corpus = corpus_of("zinc" if name == "none" else name, data, splits, size)
    run = fit(job, data, splits, corpus)
    result = run.finetuning
    about = dict(zip(KEYS, (name, table, seed, *setting), strict=True))
    found = {"molecules": len(corpus), "metric": result.metric, "select": result.best, "seconds": run.seconds}
    return {**about, **found, "weights": run.weights, **provenance([seed])}


def table() -> None:
    """Means over the seeds that all corpora have, for each table and setting."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for item in finished(RESULTS):
        groups[tuple(item[key] for key in ("table", *SETTING))].append(item)
    for (name, *values), own in sorted(groups.items()):
        scores = {(item["corpus"], item["seed"]): item["select"] for item in own}
        corpora = sorted({corpus for corpus, _ in scores})
        seeds = [seed for seed in {seed for _, seed in scores} if all((corpus, seed) in scores for corpus in corpora)]
        setting = ", ".join(f"{key} {value}" for key, value in zip(SETTING, values, strict=True))
        means = {corpus: float(np.mean([scores[corpus, seed] for seed in seeds])) for corpus in corpora if seeds}
        shown = {corpus: round(mean, 4) for corpus, mean in means.items()}
        print(f"{name} ({setting}): {own[0]['metric']}, {len(seeds)} seeds", shown or "")


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA))
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--size", type=int, default=10_000)
    options = parser.parse_args()
    if options.what == "run":
        jobs = [
            (corpus, name, seed, options.steps, options.epochs, options.size)
            for seed, name, corpus in product(options.seeds, options.tables, options.corpora)
        ]
        for found in go_on(RESULTS, KEYS, jobs, row):
            print({key: found[key] for key in (*KEYS, "select")}, flush=True)
    table()


if __name__ == "__main__":
    main()
