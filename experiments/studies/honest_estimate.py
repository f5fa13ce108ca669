"""Coverage of the ensemble's intervals for the test score, and agreement between seeds.

    python -m experiments.studies.honest_estimate run [--tables freesolv bace] [--seeds 0 1 2 3 4] [--epochs 100]
    python -m experiments.studies.honest_estimate table

Every seed is another random split and another ensemble that starts from ``gin_zinc`` without adaptive pretraining.
The results are the out-of-fold score with its 95 % interval over rows, the interval for the score on as many other
molecules as the test set has, and the test score. The table shows how often each interval contains the test score, and
the standard deviation of the test score over seeds. Few ``--epochs`` make the run short and the members worse: the
intervals must hold for any model. Each result is appended to ``experiments/results/honest_estimate.jsonl`` immediately;
existing ones are not repeated.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from molweight import datasets
from molweight.ensemble.internal import Recipe, cross_fit, members_for
from molweight.models.internal import predict_positions
from molweight.runs import read_checkpoint
from molweight.runs.internal import estimate_of

RESULTS: Final = Path(__file__).parents[1] / "results" / "honest_estimate.jsonl"
CPU: Final = torch.device("cpu")
TABLES: Final = ("freesolv", "bace", "lipophilicity")


def run_one(table: str, seed: int, epochs: int) -> dict[str, Any]:
    """One ensemble on one split, as JSON values."""
    torch.set_num_threads(1)
    started, data = time.process_time(), datasets.load(table)
    splits = datasets.split(data, "random", seed=seed)
    rows = np.sort(np.concatenate([splits.train, splits.meta, splits.select]))
    checkpoint = read_checkpoint("gin_zinc")
    recipe = Recipe(
        checkpoint.encoder,
        checkpoint.encoder_options,
        members=members_for(len(rows)),
        epochs=epochs,
        seed=seed,
    )
    found = cross_fit(recipe, checkpoint.build(data.featuriser), data, rows, device=CPU)
    estimate = estimate_of(found, data, splits.test).cross_fitting
    whole = found.ensemble.with_features(data)
    predicted = predict_positions(found.ensemble, whole, splits.test, CPU)
    return {
        "table": table,
        "seed": seed,
        "epochs": epochs,
        "metric": data.metric,
        "test": datasets.score(str(data.metric), data.targets[splits.test], predicted).value,
        "rows": estimate["scores"]["ensemble"],
        "expected": estimate["test"],
        "cpu_seconds": round(time.process_time() - started, 1),
        **provenance([seed]),
    }


def summary() -> str:
    """The results as a table of Markdown."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in finished(RESULTS):
        groups[row["table"], row["epochs"]].append(row)
    lines = [
        "| table | epochs | seeds | test score | held by the interval over rows | by that of as many molecules |",
        "|---|---|---|---|---|---|",
    ]
    for (table, epochs), rows in groups.items():
        scores = np.array([row["test"] for row in rows])
        spread = scores.std(ddof=1) if len(rows) > 1 else np.nan
        held = [
            sum(row[name]["low"] <= row["test"] <= row[name]["high"] for row in rows) for name in ("rows", "expected")
        ]
        cells = [
            table,
            epochs,
            len(rows),
            f"{scores.mean():.3f} ± {spread:.3f}",
            *(f"{one} of {len(rows)}" for one in held),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    if options.what == "table":
        print(summary())
        return
    jobs = [(table, seed, options.epochs) for seed in options.seeds for table in options.tables]
    for row in go_on(RESULTS, ("table", "seed", "epochs"), jobs, run_one):
        print(row["table"], row["seed"], row["test"], row["expected"], flush=True)


if __name__ == "__main__":
    main()
