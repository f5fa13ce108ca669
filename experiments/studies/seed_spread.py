"""Do seeds agree? The spread of the test score over seeds: the default fit against a single finetuned encoder.

    MOLWEIGHT_DATA=... python -m experiments.studies.seed_spread run [--tables freesolv bace] [--seeds 0 1 2 3 4]
    python -m experiments.studies.seed_spread table

The scaffold split and the corpus are the same for all seeds; everything else differs: batches, dropout, folds and
trees. ``single`` is the job that the ensemble has replaced: the encoder is finetuned on ``train`` alone, and the epoch
is chosen on ``select``. The test set serves for comparing spreads, never for a choice. Each result is appended to
``experiments/results/seed_spread.jsonl`` immediately; existing ones are not repeated.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._provenance import provenance
from molweight import datasets
from molweight.options import Job
from molweight.training import fit

RESULTS: Final = Path(__file__).parents[1] / "results" / "seed_spread.jsonl"
MEMBERS: Final[dict[str, int | None]] = {"default": None, "single": 1}
TABLES: Final = ("freesolv", "esol", "bace", "bbbp", "clintox", "sider", "lipophilicity")
CORPUS: Final = 2000


def run_one(table: str, method: str, seed: int) -> dict[str, Any]:
    """The test score of one fit, as JSON values."""
    torch.set_num_threads(1)
    started, data = time.process_time(), datasets.load(table)
    job = Job(init="gin_zinc", batch_size=64, steps=100, members=MEMBERS[method], seed=seed, device="cpu")
    run = fit(job, data, datasets.split(data, "scaffold", seed=0), datasets.load_corpus("zinc", size=CORPUS))
    return {
        "table": table,
        "method": method,
        "seed": seed,
        "metric": data.metric,
        "test": run.evaluate("test").value,
        "cpu_seconds": round(time.process_time() - started, 1),
        **provenance([seed]),
    }


def summary() -> str:
    """Mean and standard deviation by table and method, and the ratio of the deviations, as a table of Markdown."""
    rows = finished(RESULTS)
    lines = []
    for table in dict.fromkeys(row["table"] for row in rows):
        scores = {
            method: np.array([row["test"] for row in rows if (row["table"], row["method"]) == (table, method)])
            for method in MEMBERS
        }
        spread = {method: values.std(ddof=1) if len(values) > 1 else np.nan for method, values in scores.items()}
        cells = [f"{scores[method].mean():.3f} ± {spread[method]:.3f} ({len(scores[method])})" for method in MEMBERS]
        lines.append([table, *cells, f"{spread['default'] / spread['single']:.2f}"])
    return markdown(["table", *(f"{method} (seeds)" for method in MEMBERS), "ratio of deviations"], lines)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    if options.what == "table":
        print(summary())
        return
    jobs = [(table, method, seed) for seed in options.seeds for table in options.tables for method in MEMBERS]
    for row in go_on(RESULTS, ("table", "method", "seed"), jobs, run_one):
        print(row["table"], row["method"], row["seed"], row["test"], row["cpu_seconds"], flush=True)


if __name__ == "__main__":
    main()
