"""Which pretraining objectives are worth their time: one alone and one left out, at a tenth of the budget.

    python -m experiments.studies.ablate_objectives run --corpus corpus.smi.gz --state FOLDER [--visits 2]
    python -m experiments.studies.ablate_objectives table

Every set of objectives is pretrained by ``experiments/tools/pretrain_checkpoint.py`` and judged by finetuning on
development tables, out of fold (``experiments/studies/compare_checkpoints.py``). Pretraining resumes where it
was interrupted, and each row is appended to the results when it is done.
"""

import argparse
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._journal import finished, go_on
from experiments.studies import compare_checkpoints
from experiments.tools.pretrain_checkpoint import OBJECTIVES

RESULTS: Final = Path(__file__).parents[1] / "results" / "ablate_objectives.jsonl"
KEYS: Final = ("set", "table", "seed", "visits", "folds")


def sets() -> dict[str, tuple[str, ...]]:
    """Objectives by the name of the set."""
    alone = {f"only {name}": (name,) for name in OBJECTIVES}
    without = {f"without {name}": tuple(other for other in OBJECTIVES if other != name) for name in OBJECTIVES}
    return {"all": OBJECTIVES, **without, **alone}


def pretrained(name: str, options: argparse.Namespace) -> Path:
    """The checkpoint of a set, made now if it is not there."""
    folder = options.state / name.replace(" ", "_")
    if not (folder / options.visits / "checkpoint.safetensors").exists():
        command = [sys.executable, "-m", "experiments.tools.pretrain_checkpoint", "--corpus", options.corpus]
        command += ["--output", str(folder), "--objectives", ",".join(sets()[name])]
        subprocess.run([*command, "--visits", options.visits, "--points", options.visits], check=True)
    return Path(folder / options.visits)


def judged(options: argparse.Namespace, name: str, table: str, seed: int, *_: Any) -> dict[str, Any]:
    """Scores of a set on one table, as JSON values; the rest of the job is in the options."""
    found = compare_checkpoints.row(str(pretrained(name, options)), table, seed, options.folds)
    return {**found, "init": "pretrain_checkpoint", "set": name, "visits": options.visits}


def run(options: argparse.Namespace) -> None:
    """Pretrain and judge what the results lack."""
    jobs = [
        (name, table, seed, options.visits, options.folds)
        for name, table, seed in product(sets(), options.tables, options.seeds)
    ]
    for found in go_on(RESULTS, KEYS, jobs, partial(judged, options)):
        print({key: found[key] for key in (*KEYS, "finetuned")}, flush=True)


def table() -> None:
    """Mean score of every set over its seeds, for each table, number of molecules and number of folds."""
    kept = finished(RESULTS)
    for name, visits, folds in sorted({(item["table"], item["visits"], item["folds"]) for item in kept}):
        print(f"{name}, {visits} million molecules, {folds} folds:")
        for group in sets():
            wanted = {"table": name, "visits": visits, "folds": folds, "set": group}
            scores = [item["finetuned"] for item in kept if wanted.items() <= item.items()]
            if scores:
                print(f"  {group:<28} {np.mean(scores):.4f}  ({len(scores)} seeds)")


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--corpus", default="zinc")
    parser.add_argument("--state", type=Path, default=Path("ablation"))
    parser.add_argument("--visits", default="2", help="millions of molecules")
    parser.add_argument("--tables", nargs="+", default=list(compare_checkpoints.TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    if options.what == "run":
        run(options)
    table()


if __name__ == "__main__":
    main()
