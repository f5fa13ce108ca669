"""Two pretrained encoders finetuned side by side, scored on ``select``; the test role is never opened.

    python -m experiments.studies.compare_checkpoints run [--inits gin_zinc gin_zinc_cip] [--tables ...] [--seeds 0 1]
    python -m experiments.studies.compare_checkpoints table

Scaffold splits; no adaptive pretraining, so that only the encoder differs. Each row is appended to the journal when
finished, and a second call resumes after the last one.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._provenance import provenance
from molweight import datasets, fit
from molweight.options import Job

JOURNAL: Final = Path("experiments/results/compare_checkpoints.jsonl")
TABLES: Final = ("freesolv", "bace", "sider", "lipophilicity")


def row(init: str, name: str, seed: int, epochs: int) -> dict[str, Any]:
    """Finetune once."""
    data = datasets.load(name)
    job = Job(init=init, weighting="none", epochs=epochs, seed=seed, device="cpu")
    run = fit(job, data, datasets.split(data, "scaffold", seed=seed))
    result = run.finetuning
    about = {"init": init, "table": name, "seed": seed, "epochs": epochs, "features": str(run.featuriser)}
    return {**about, "metric": result.metric, "select": result.best, "seconds": run.seconds, **provenance([seed])}


def rows() -> list[dict[str, Any]]:
    """The rows of the journal."""
    return [json.loads(line) for line in JOURNAL.read_text().splitlines()] if JOURNAL.exists() else []


def table() -> None:
    """Means over seeds and differences, pair by pair."""
    found = rows()
    for name in sorted({item["table"] for item in found}):
        scores = {(item["init"], item["seed"]): item["select"] for item in found if item["table"] == name}
        inits = sorted({init for init, _ in scores})
        seeds = [seed for seed in sorted({seed for _, seed in scores}) if all((init, seed) in scores for init in inits)]
        means = {init: float(np.mean([scores[init, seed] for seed in seeds])) for init in inits}
        print(name, next(item["metric"] for item in found if item["table"] == name), f"{len(seeds)} seeds", means)


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--inits", nargs="+", default=["gin_zinc", "gin_zinc_cip"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    if options.what == "run":
        done = {(item["init"], item["table"], item["seed"], item["epochs"]) for item in rows()}
        for name in options.tables:
            for seed in options.seeds:
                for init in options.inits:
                    if (init, name, seed, options.epochs) not in done:
                        JOURNAL.parent.mkdir(parents=True, exist_ok=True)
                        with JOURNAL.open("a") as stream:
                            stream.write(json.dumps(row(init, name, seed, options.epochs)) + "\n")
    table()


if __name__ == "__main__":
    main()
