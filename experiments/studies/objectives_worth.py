"""Value of each objective alone: pretraining with a single objective, against an encoder from scratch.

    python -m experiments.studies.objectives_worth run [--tables freesolv bbbp bace] [--objectives ...] [--seeds 0 1 2]
    python -m experiments.studies.objectives_worth table

GIN 3x64, 150 steps of generic pretraining on batches of 128 of 2,000 molecules of ZINC with one objective (the SchNet
of GraphMVP: 3 layers of 64), then 12 epochs of finetuning, on the table's own split (scaffold). The checkpoint is
chosen on ``select``; the figures are the table's metric on ``test``. ``scratch`` is the same finetuning of a random
encoder with the same seed. So few epochs show an initial advantage, not the final one. Targets are computed before
timing starts; times are CPU seconds of one thread, to which other processes do not contribute.

Each finished run is appended to ``experiments/results/objectives_worth.jsonl`` immediately, with its provenance;
existing runs are not repeated, so a stopped study resumes. ``table`` writes
``experiments/results/objectives_worth.md``. With three seeds and about 60 to 200 test molecules, differences below
about two standard deviations are not significant.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from molweight import datasets, objectives
from molweight.datasets.internal import higher_is_better
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run
from molweight.training import Session, fit, generic_pretraining, variant
from molweight.training.internal import HeldOut

RESULTS: Final = Path(__file__).parents[1] / "results" / "objectives_worth.jsonl"
SCRATCH: Final = "scratch"
CPU: Final = torch.device("cpu")
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "graphmvp_contrastive": {"layers": 3, "filters": 64},
    "graphmvp_generative": {"layers": 3, "filters": 64},
    "assay_labels": {"table": "tox21", "labels": 12},  # named, so that a fit finds the pretrained encoder in the cache
}
TABLES: Final = ("freesolv", "bbbp", "bace")


class Counter:
    """Counts the steps that were taken: none where generic pretraining was found in the cache."""

    def __init__(self) -> None:
        """Start at 0."""
        self.steps = 0

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Count a step."""
        del stage, step, values
        self.steps += 1


def job_of(objective: str, seed: int) -> Job:
    """The options of one run."""
    return Job(
        encoder_options={"layers": 3, "width": 64},
        objectives=["attribute_masking" if objective == SCRATCH else objective],
        weighting="none",
        objective_options={objective: OPTIONS[objective]} if objective in OPTIONS else {},
        init="scratch" if objective == SCRATCH else "pretrained",
        pretrain_steps=150,
        batch_size=128,
        epochs=12,
        seed=seed,
        device="cpu",
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and the result of a call."""
    started = time.process_time()
    value = work()
    return time.process_time() - started, value


def pretraining_seconds(job: Job, corpus: MoleculeDataset, held: HeldOut) -> float | None:
    """Pretrain into the cache for the following fit; ``None`` if it is cached already."""
    if job.init == "scratch":
        return None
    generic_pretraining(variant(job, pretrain_steps=0), corpus, CPU, held=held)  # computes the targets
    counter = Counter()
    session = Session(callbacks=[counter])
    seconds, _ = timed(lambda: generic_pretraining(job, corpus, CPU, session=session, held=held))
    return seconds if counter.steps == job.pretrain_steps else None


def run_one(table: str, objective: str, seed: int) -> dict[str, Any]:
    """One run of the study, as JSON values."""
    data, corpus = datasets.load(table), datasets.load_corpus("zinc", size=2000)
    job, splits = job_of(objective, seed), datasets.split(data)
    pretraining = pretraining_seconds(job, corpus, HeldOut(data, splits))
    seconds, run = timed(lambda: fit(job, data, splits, corpus))
    return {
        "table": table,
        "objective": objective,
        "seed": seed,
        "metric": data.metric,
        "test": _test(run),
        "select": run.finetuning.best,
        "epoch": run.finetuning.best_epoch,
        "pretraining_seconds": pretraining,
        "finetuning_seconds": seconds,
        "molecules_pretrained_on": 0 if objective == SCRATCH else job.pretrain_steps * job.batch_size,
        "provenance": provenance([seed]),
    }


def _test(run: Run) -> float:
    value: float = run.evaluate("test").value
    return value


def study(tables: list[str], names: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = ((table, name, seed) for seed in seeds for name in names for table in tables)
    for row in go_on(RESULTS, ("table", "objective", "seed"), jobs, run_one):
        spent = f"{row['pretraining_seconds'] or 0:.1f} + {row['finetuning_seconds']:.1f} s"
        names_of = f"{row['table']:10s} {row['objective']:22s} seed {row['seed']}"
        print(f"{names_of}  {row['metric']} {row['test']:.3f}  {spent}", flush=True)


def summary() -> str:
    """The study as a Markdown table: mean and deviation over seeds, seeds better than scratch, seconds."""
    rows = finished(RESULTS)
    tables = list(dict.fromkeys(row["table"] for row in rows))
    heads = [f"{table}, {next(row['metric'] for row in rows if row['table'] == table)}" for table in tables]
    lines = ["| objective | " + " | ".join(heads) + " | seconds per 1,000 molecules |"]
    lines.append("|---" * (len(tables) + 2) + "|")
    for name in dict.fromkeys([SCRATCH, *sorted(row["objective"] for row in rows)]):
        chosen = [row for row in rows if row["objective"] == name]
        cells = [_cell(rows, name, table) for table in tables]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {_seconds(chosen)} |")
    return "\n".join(lines)


def _cell(rows: list[dict[str, Any]], name: str, table: str) -> str:
    """Mean ± SD (seeds better than scratch)."""
    own, scratch = (
        {row["seed"]: row["test"] for row in rows if (row["objective"], row["table"]) == (which, table)}
        for which in (name, SCRATCH)
    )
    if not own:
        return "not run"
    values = list(own.values())
    spread = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"
    shown = f"{statistics.mean(values):.3f} ± {spread}"
    shared = own.keys() & scratch.keys()
    if name == SCRATCH or not shared:
        return shown
    sign = 1 if higher_is_better(next(row["metric"] for row in rows if row["table"] == table)) else -1
    better = sum(sign * (own[seed] - scratch[seed]) > 0 for seed in shared)
    return f"{shown} ({better} of {len(shared)})"


def _seconds(rows: list[dict[str, Any]]) -> str:
    """Of pretraining, the median of the runs that did not find it in the cache."""
    each = [
        1000 * row["pretraining_seconds"] / row["molecules_pretrained_on"] for row in rows if row["pretraining_seconds"]
    ]
    return f"{statistics.median(each):.2f}" if each else "-"


def main() -> None:
    """Run the study or write its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--objectives", nargs="+", default=[SCRATCH, *objectives.available()])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.action == "run":
        study(options.tables, options.objectives, options.seeds)
    else:
        head = (
            "Test metric with one objective alone, mean ± standard deviation over seeds (seeds better than scratch); "
            "by `python -m experiments.studies.objectives_worth run`, whose rows are in `objectives_worth.jsonl`."
        )
        RESULTS.with_suffix(".md").write_text(f"{head}\n\n{summary()}\n", encoding="utf-8")
    print(summary())


if __name__ == "__main__":
    main()
