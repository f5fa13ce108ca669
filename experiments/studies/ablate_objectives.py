"""Which pretraining objectives are worth their time: one alone and one left out, at a tenth of the budget.

    python -m experiments.studies.ablate_objectives run --corpus corpus.smi.gz --state FOLDER [--visits 2]
    python -m experiments.studies.ablate_objectives table

Every set of objectives is pretrained by ``experiments/tools/pretrain_checkpoint.py`` and judged by finetuning on
development tables, out of fold (``experiments/studies/compare_checkpoints.py``). Pretraining resumes where it
was interrupted, and each row is appended to the journal when it is done.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np

from experiments.studies import compare_checkpoints
from experiments.tools.pretrain_checkpoint import OBJECTIVES

JOURNAL: Final = Path("experiments/results/ablate_objectives.jsonl")


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


def run(options: argparse.Namespace) -> None:
    """Pretrain and judge what the journal lacks."""
    kept = [json.loads(line) for line in JOURNAL.read_text().splitlines()] if JOURNAL.exists() else []
    done = {(item["set"], item["visits"], item["table"], item["seed"]) for item in kept}
    for name in sets():
        for table in options.tables:
            for seed in options.seeds:
                if (name, options.visits, table, seed) in done:
                    continue
                found = compare_checkpoints.row(str(pretrained(name, options)), table, seed, options.folds)
                line = {**found, "init": "pretrain_checkpoint", "set": name, "visits": options.visits}
                JOURNAL.parent.mkdir(parents=True, exist_ok=True)
                with JOURNAL.open("a") as stream:
                    stream.write(json.dumps(line) + "\n")


def table() -> None:
    """Mean score of every set, table by table."""
    kept = [json.loads(line) for line in JOURNAL.read_text().splitlines()] if JOURNAL.exists() else []
    for name in sorted({item["table"] for item in kept}):
        for group in sets():
            scores = [item["finetuned"] for item in kept if (item["table"], item["set"]) == (name, group)]
            if scores:
                print(f"{name:<16} {group:<28} {np.mean(scores):.4f}  ({len(scores)} seeds)")


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
