"""Does a weighting rule find the single useful objective, and avoid the useless one?

    python -m experiments.studies.planted run [--tables freesolv esol bbbp] [--rules ...] [--seeds 0 1 2 3 4]
    python -m experiments.studies.planted table

Four objectives on the training molecules of a table: ``oracle`` is the task itself, ``noise`` regresses random numbers,
``attribute_masking`` and ``functional_groups`` are ordinary ones. GIN 3x64, batches 128 / 64 / 64, 400 steps from a
random encoder, no finetuning afterwards. A run is right if the oracle ends above the noise.

Each finished run is appended to ``experiments/results/planted.jsonl`` immediately, with its provenance; existing runs
are not repeated, so a stopped study resumes.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import shuffled
from experiments._provenance import provenance
from molweight import datasets
from molweight.datasets import Splits
from molweight.graphs import GraphBatch, MoleculeDataset, attach_targets
from molweight.models.internal import label_statistics
from molweight.objectives import FunctionalGroups, Objective, register
from molweight.objectives.building_blocks import Encode
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training.internal import adaptive_pretraining

RESULTS: Final = Path(__file__).parents[1] / "results" / "planted.jsonl"
NAMES: Final = ("planted_oracle", "planted_noise", "attribute_masking", "functional_groups")
STEPS: Final = 400


def _solving(solver: str, **options: float) -> dict[str, Any]:
    """A solve of both systems with 5 products each, so rarely that a run costs about as much as with the identity."""
    return {"solver": solver, "solver_options": options, "hypergradient_interval": 20}


_LAST_ITERATE: Final[dict[str, Any]] = {"track_encoder": False, "average": 0.0}

RULES: Final[dict[str, dict[str, Any]]] = {
    "identity": {},
    "cg": _solving("cg", iterations=5, damping=10.0),
    "neumann": _solving("neumann", iterations=5, damping=10.0),
    "nystrom": _solving("nystrom", rank=5, damping=10.0),
    "alignment": {"weighting": "alignment"},
    "identity, last iterate": _LAST_ITERATE,
    "identity, last iterate, adam": {**_LAST_ITERATE, "weighting_options": {"rule": "adam"}},
    "cg, last iterate, adam": {
        **_solving("cg", iterations=5, damping=10.0),
        **_LAST_ITERATE,
        "weighting_options": {"rule": "adam", "lr": 0.1},
    },
}
"""Options of each rule that differ from the defaults; the first is the default."""


@dataclass(frozen=True)
class Labelled:
    """A batch with the labels to learn."""

    graphs: GraphBatch
    labels: Tensor


class _Planted(Objective):
    """The loss of a task on the column named like the objective: cross-entropy or squared error.

    Args:
        width: Size of the encoder's vectors.
        outputs: Number of labels.
        binary: Whether the labels are classes.
    """

    family, paper, column = "property", "this experiment", ""

    def __init__(self, width: int, *, outputs: int = 1, binary: bool = False) -> None:
        """Create a linear head."""
        super().__init__(width)
        self.head = nn.Linear(width, outputs)
        self.binary = binary

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> Labelled:
        """The batch, unchanged."""
        del generator
        return Labelled(batch, batch.columns[self.column])

    def loss(self, encoder: Encode, views: Labelled) -> Tensor:
        """Mean over the known labels."""
        known = ~views.labels.isnan()
        outputs, labels = self.head(encoder(views.graphs).graphs), views.labels.nan_to_num()
        errors = (outputs - labels).square()
        if self.binary:
            errors = nn.functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
        mean: Tensor = (errors * known).sum() / known.sum().clamp_min(1)
        return mean


@register("planted_oracle")
class Oracle(_Planted):
    """The task itself, on the training molecules."""

    column = "planted_oracle"


@register("planted_noise")
class Noise(_Planted):
    """Random labels of the same kind and distribution."""

    column = "planted_noise"


def job_of(rule: str, data: MoleculeDataset, seed: int) -> Job:
    """The options of one run."""
    planted = {"outputs": len(data.target_names), "binary": data.task == "classification"}
    return Job(
        encoder_options={"layers": 3, "width": 64},
        objectives=NAMES,
        objective_options={"planted_oracle": planted, "planted_noise": planted},
        init="scratch",
        batch_size=128,
        seed=seed,
        device="cpu",
        steps=STEPS,
        **RULES[rule],
    )


def planted_corpus(data: MoleculeDataset, splits: Splits, seed: int) -> MoleculeDataset:
    """The training molecules with their labels in standard units, and with labels drawn from other molecules."""
    mean, scale = (item.numpy() for item in label_statistics(data, splits.train))
    groups = attach_targets(data, FunctionalGroups.targets)  # of the whole table, to be cached for all seeds
    corpus = groups.subset(splits.train)
    labels = ((corpus.targets - mean) / scale).astype(np.float32)
    return corpus.with_columns({"planted_oracle": labels, "planted_noise": shuffled(labels, seed)})


def run_one(table: str, rule: str, seed: int) -> dict[str, Any]:
    """One run of the study, as JSON values."""
    data = datasets.load(table)
    splits = datasets.split(data)
    job = job_of(rule, data, seed)
    device = torch.device("cpu")
    model, corpus = generic_pretraining(job, planted_corpus(data, splits, seed), device)
    setup = adaptive_pretraining(job, model, corpus, data, splits, device=device)
    started = time.perf_counter()
    history = setup.run(job.steps)
    return {
        "table": table,
        "rule": rule,
        "seed": seed,
        "weights": setup.loop.weighting.as_dict(),
        "along": {str(row["step"] + 1): row["weights"] for row in history if (row["step"] + 1) % 50 == 0},
        "seconds": time.perf_counter() - started,
        "steps": job.steps,
        "provenance": provenance([seed]),
    }


def study(tables: list[str], rules: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = ((table, rule, seed) for seed in seeds for table in tables for rule in rules)
    for row in go_on(RESULTS, ("table", "rule", "seed"), jobs, run_one):
        shown = " ".join(f"{name.split('_')[1]} {weight:.2f}" for name, weight in row["weights"].items())
        print(f"{row['table']:10s} {row['rule']:24s} seed {row['seed']}  {shown}  {row['seconds']:.0f} s", flush=True)


def summary() -> str:
    """The study as a Markdown table: right runs, mean end weights, seconds."""
    rows = finished(RESULTS)
    tables = list(dict.fromkeys(row["table"] for row in rows))
    lines = []
    for rule in dict.fromkeys(row["rule"] for row in rows):
        cells = [_cell([row for row in rows if row["rule"] == rule and row["table"] == table]) for table in tables]
        seconds = [row["seconds"] for row in rows if row["rule"] == rule]
        lines.append([rule, *cells, f"{np.median(seconds):.0f}"])
    return markdown(["rule", *tables, "seconds a run"], lines)


def _cell(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "not run"
    pairs = [(row["weights"]["planted_oracle"], row["weights"]["planted_noise"]) for row in rows]
    right = sum(oracle > noise for oracle, noise in pairs)
    mean = np.mean(pairs, axis=0)
    return f"{right} of {len(rows)} ({mean[0]:.2f} / {mean[1]:.2f})" if not math.isnan(mean[0]) else "not finite"


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "esol", "bbbp"])
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    if options.action == "run":
        study(options.tables, options.rules, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
