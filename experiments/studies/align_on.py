"""Do gradients on the task's own molecules, or on others, distinguish an oracle from noise?

    python -m experiments.studies.align_on run [--tables freesolv esol lipophilicity] [--seeds 0 1]
    python -m experiments.studies.align_on table

The task is Crippen's logP of the molecules of a table, the corpus 1,000 molecules of ZINC. Of four objectives
``oracle`` learns logP and ``noise`` the logP of another molecule; ``attribute_masking`` and ``functional_groups`` are
ordinary ones. A run is correct if the final weight of the oracle exceeds that of the noise. GIN 2x32 from random
weights, 200 steps of 64 molecules, the default solver and alignment by cosines, with ``align_on`` corpus, own and both.

According to arXiv 2604.07848, gradients on disjoint sets of molecules are no better than noise; if so, half of the runs
with ``corpus`` would be correct.
"""

import argparse
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rdkit import Chem, rdBase
from rdkit.Chem.rdMolDescriptors import CalcCrippenDescriptors

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import relabelled, shuffled
from experiments._provenance import provenance
from experiments.studies.planted import NAMES
from molweight import datasets
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.report.internal import weigh_evidence
from molweight.training import generic_pretraining
from molweight.training.internal import adaptive_pretraining

RESULTS: Final = Path(__file__).parents[1] / "results" / "align_on.jsonl"
WEIGHTINGS: Final = ("tapweight", "alignment")
PLACES: Final = ("corpus", "own", "both")
TABLES: Final = ("freesolv", "esol", "lipophilicity")
_STEPS: Final = 200
_CORPUS: Final = 1000


def _log_p(molecules: MoleculeDataset) -> np.ndarray[Any, Any]:
    with rdBase.BlockLogs():
        found = [CalcCrippenDescriptors(Chem.MolFromSmiles(smiles))[0] for smiles in molecules.smiles]
    return np.array(found, dtype=np.float32)[:, None]


@cache
def _task(table: str) -> MoleculeDataset:
    data = datasets.load(table)
    return relabelled(data, f"logP of {table}", _log_p(data))


def _planted(molecules: MoleculeDataset, seed: int, mean: float, scale: float) -> MoleculeDataset:
    labels = (_log_p(molecules) - mean) / scale
    return molecules.with_columns({"planted_oracle": labels, "planted_noise": shuffled(labels, seed)})


def run_one(table: str, weighting: str, align_on: str, seed: int) -> dict[str, Any]:
    """One run of the study, as JSON values."""
    data = _task(table)
    splits = datasets.split(data, "scaffold")
    labels = data.targets[splits.train]
    mean, scale = float(labels.mean()), float(labels.std())
    corpus = _planted(datasets.load_corpus("zinc", size=_CORPUS), seed, mean, scale)
    data = _planted(data, seed, mean, scale)
    job = Job(
        encoder_options={"layers": 2, "width": 32},
        objectives=list(NAMES),
        init="scratch",
        batch_size=64,
        steps=_STEPS,
        seed=seed,
        weighting=weighting,
        align_on=align_on,
        device="cpu",
    )
    device = torch.device("cpu")
    model, prepared = generic_pretraining(job, corpus, device)
    setup = adaptive_pretraining(job, model, prepared, data, splits, device=device)
    started = time.process_time()
    history = setup.run(job.steps)
    return {
        "table": table,
        "weighting": weighting,
        "align_on": align_on,
        "seed": seed,
        "weights": setup.loop.weighting.as_dict(),
        "evidence": {item.name: item.errors for item in weigh_evidence(history)},
        "cpu_seconds": time.process_time() - started,
        "steps": job.steps,
        "provenance": provenance([seed]),
    }


def summary() -> str:
    """The study as a Markdown table: right runs, mean end weights, CPU seconds."""
    rows = finished(RESULTS)
    lines = []
    for weighting in WEIGHTINGS:
        for place in PLACES:
            own = [row for row in rows if (row["weighting"], row["align_on"]) == (weighting, place)]
            cells = [_cell([row["weights"] for row in own if row["table"] == table]) for table in TABLES]
            seconds = f"{np.median([row['cpu_seconds'] for row in own]):.1f}" if own else "-"
            lines.append([weighting, place, *cells, seconds])
    return markdown(["weighting", "gradients on", *TABLES, "seconds"], lines)


def _cell(weights: list[dict[str, float]]) -> str:
    if not weights:
        return "not run"
    pairs = [(found["planted_oracle"], found["planted_noise"]) for found in weights]
    mean = np.mean(pairs, axis=0)
    return f"{sum(oracle > noise for oracle, noise in pairs)} of {len(pairs)} ({mean[0]:.2f} / {mean[1]:.2f})"


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    options = parser.parse_args()
    if options.action == "run":
        jobs = (
            (table, weighting, place, seed)
            for seed in options.seeds
            for table in options.tables
            for weighting in WEIGHTINGS
            for place in PLACES
        )
        for row in go_on(RESULTS, ("table", "weighting", "align_on", "seed"), jobs, run_one):
            print(row["table"], row["weighting"], row["align_on"], row["seed"], row["weights"], flush=True)
    print(summary())


if __name__ == "__main__":
    main()
