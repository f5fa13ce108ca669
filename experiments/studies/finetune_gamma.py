"""Strength of the proximal term that holds the encoder near the pretrained one in the final finetuning.

    python -m experiments.studies.finetune_gamma run [--tables freesolv esol bbbp] [--seeds 0 1 2]
    python -m experiments.studies.finetune_gamma table

The job of ``make demo`` (GIN 3x64, 2,000 molecules of ZINC, 200 steps of general and 150 of adaptive pretraining),
then the same pretrained encoder finetuned once per strength of the proximal term. The strength is judged on ``meta``,
which neither trains nor stops the finetuning; ``test`` is not used. Learned weights depend on ``meta``, so equal
weights are run as well.

Each finished run is appended to ``experiments/results/finetune_gamma.jsonl`` immediately; existing runs are not
repeated.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from molweight import datasets
from molweight.models.internal import predict_positions
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training.internal import adaptive_pretraining, finetune, new_predictor

RESULTS: Final = Path(__file__).parents[1] / "results" / "finetune_gamma.jsonl"
GAMMAS: Final = (0.0, 0.01, 0.1, 1.0)
WEIGHTINGS: Final = ("equal", "tapweight")
CPU: Final = torch.device("cpu")


def job_of(weighting: str, seed: int) -> Job:
    """The options of one pretraining."""
    return Job(
        encoder_options={"layers": 3, "width": 64},
        weighting=weighting,
        pretrain_steps=200,
        steps=150,
        batch_size=128,
        seed=seed,
        device="cpu",
    )


def run_one(table: str, weighting: str, seed: int) -> dict[str, Any]:
    """One pretraining and a finetuning per strength, as JSON values."""
    data = datasets.load(table)
    splits, job = datasets.split(data), job_of(weighting, seed)
    model, corpus = generic_pretraining(job, datasets.load_corpus("zinc", size=2000), CPU)
    adaptive_pretraining(job, model, corpus, data, splits, device=CPU).run(job.steps)
    tuned: dict[str, dict[str, float]] = {}
    for gamma in GAMMAS:
        started, predictor = time.perf_counter(), new_predictor(job, model, data, splits, CPU)
        result = finetune(replace(job, finetune_proximal_strength=gamma), predictor, data, splits, CPU)
        predicted = predict_positions(predictor, data, splits.meta, CPU)
        meta = datasets.score(data.metric or "", data.targets[splits.meta], predicted).value
        seconds = time.perf_counter() - started
        tuned[str(gamma)] = {"meta": meta, "select": result.best, "epoch": result.best_epoch, "seconds": seconds}
    return {
        "table": table,
        "weighting": weighting,
        "seed": seed,
        "metric": data.metric,
        "gammas": tuned,
        "provenance": provenance([seed]),
    }


def study(tables: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = ((table, weighting, seed) for seed in seeds for table in tables for weighting in WEIGHTINGS)
    for row in go_on(RESULTS, ("table", "weighting", "seed"), jobs, run_one):
        shown = "  ".join(f"{gamma} {found['meta']:.4f}" for gamma, found in row["gammas"].items())
        print(f"{row['table']:10s} {row['weighting']:10s} seed {row['seed']}  meta: {shown}", flush=True)


def summary() -> str:
    """Mean and standard deviation over seeds of the metric on ``meta``, as a Markdown table."""
    rows = finished(RESULTS)
    lines = ["| table, metric | weights | " + " | ".join(f"gamma {gamma}" for gamma in GAMMAS) + " |"]
    lines.append("|---" * (len(GAMMAS) + 2) + "|")
    for table, weighting in sorted({(row["table"], row["weighting"]) for row in rows}):
        chosen = [row for row in rows if (row["table"], row["weighting"]) == (table, weighting)]
        values = [[row["gammas"][str(gamma)]["meta"] for row in chosen] for gamma in GAMMAS]
        cells = [f"{np.mean(column):.3f} ± {np.std(column):.3f}" for column in values]
        lines.append(f"| {table}, {chosen[0]['metric']} | {weighting} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "esol", "bbbp"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.action == "run":
        study(options.tables, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
