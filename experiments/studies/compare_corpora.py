"""Comparison of corpora, ``zinc``, ``own``, ``own+near``, ..., with the same job; the test set is never evaluated.

    python -m experiments.studies.compare_corpora run [--corpora zinc own+near] [--tables ...] [--seeds 0 1]
    python -m experiments.studies.compare_corpora table

Scaffold splits, the checkpoint of the package, a single model, scored on ``select``. ``own+near/part`` gives every part
its own weights. ``near`` searches the corpora in ``MOLWEIGHT_DATA``. Each row is appended to the journal when finished,
and a second call resumes after the last one.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._provenance import provenance
from molweight import datasets, fit
from molweight.datasets import Splits
from molweight.datasets.internal import join_corpora
from molweight.graphs import MoleculeDataset
from molweight.options import Job

JOURNAL: Final = Path("experiments/results/compare_corpora.jsonl")
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


def row(name: str, table: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fit once; ``none`` skips adaptive pretraining."""
    data = datasets.load(table)
    splits = datasets.split(data, "scaffold", seed=seed)
    weights = "part" if name.endswith("/part") else "joint"
    weighting = "none" if name == "none" else "tapweight"
    steps, epochs = options.steps, options.epochs
    job = Job(weighting=weighting, corpus_weights=weights, steps=steps, epochs=epochs, seed=seed, device="cpu")
    corpus = corpus_of("zinc" if name == "none" else name, data, splits, options.size)
    run = fit(job, data, splits, corpus)
    result = run.finetuning
    about = {"corpus": name, "table": table, "seed": seed, "steps": steps, "epochs": epochs, "size": options.size}
    found = {"molecules": len(corpus), "metric": result.metric, "select": result.best, "seconds": run.seconds}
    return {**about, **found, "weights": run.weights, **provenance([seed])}


def rows() -> list[dict[str, Any]]:
    """The rows of the journal."""
    return [json.loads(line) for line in JOURNAL.read_text().splitlines()] if JOURNAL.exists() else []


def table() -> None:
    """Means over the seeds that all corpora have, table by table."""
    found = rows()
    for name in sorted({item["table"] for item in found}):
        scores = {(item["corpus"], item["seed"]): item["select"] for item in found if item["table"] == name}
        corpora = sorted({corpus for corpus, _ in scores})
        seeds = [seed for seed in {seed for _, seed in scores} if all((corpus, seed) in scores for corpus in corpora)]
        metric = next(item["metric"] for item in found if item["table"] == name)
        means = {corpus: round(float(np.mean([scores[corpus, seed] for seed in seeds])), 4) for corpus in corpora}
        print(name, metric, f"{len(seeds)} seeds", means if seeds else "")


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
        done = {tuple(item[key] for key in ("corpus", "table", "seed", "steps", "epochs", "size")) for item in rows()}
        for seed in options.seeds:
            for name in options.tables:
                for corpus in options.corpora:
                    if (corpus, name, seed, options.steps, options.epochs, options.size) not in done:
                        found = json.dumps(row(corpus, name, seed, options))
                        JOURNAL.parent.mkdir(parents=True, exist_ok=True)
                        with JOURNAL.open("a") as stream:
                            stream.write(found + "\n")
    table()


if __name__ == "__main__":
    main()
