"""Do learned weights find an oracle among auxiliary tables, and avoid noise, negated and irrelevant labels?

    python -m experiments.studies.planted_sources run [--tables freesolv esol bbbp] [--rules ...] [--seeds 5 6 7]
    python -m experiments.studies.planted_sources table

The train role of a table is halved at random. One half stays the task's; the molecules of the other half are sources:
``oracle`` has their labels of the task, ``negated`` the same labels with the other sign (or class), ``noise`` the same
labels in another order; ``irrelevant`` is another table. Each has its own head, so ``negated`` teaches the encoder the
same as ``oracle``: it harms only methods that share heads, and is counted separately. Eight ordinary objectives on
2,000 molecules of ZINC compete. GIN 2x32 from random weights, 200 steps of batches 64 / 64 / 64, the default options
otherwise; no finetuning afterwards, and the test role is not opened.

Each finished run is appended to ``experiments/results/planted_sources.jsonl`` immediately, with its provenance;
existing runs are not repeated.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import IRRELEVANT, PLANTED, halved, planted_sources
from experiments._provenance import provenance
from molweight import datasets
from molweight.options import Job
from molweight.report.internal import weigh_evidence
from molweight.training import generic_pretraining
from molweight.training.internal import HeldOut, adaptive_pretraining, with_sources

RESULTS: Final = Path(__file__).parents[1] / "results" / "planted_sources.jsonl"
ORDINARY: Final = (
    "attribute_masking",
    "brics_motifs",
    "descriptors",
    "edge_prediction",
    "fingerprint",
    "functional_groups",
    "graph_mae",
    "infomax",
)
_RANDOM: Final = {"source_heads": "random"}
RULES: Final[dict[str, dict[str, Any]]] = {
    "identity": _RANDOM,
    "cg": {"solver": "cg", "hypergradient_interval": 5, **_RANDOM},
    "alignment": {"weighting": "alignment", **_RANDOM},
    "closed_form": {"task_level": "closed_form", "hypergradient_interval": 5, **_RANDOM},
    "closed_form, cg": {"task_level": "closed_form", "hypergradient_interval": 5, "solver": "cg", **_RANDOM},
    "identity, solved heads": {},
    "closed_form, solved heads": {"task_level": "closed_form", "hypergradient_interval": 5},
}
"""Options of each rule. Without ``solved heads``, the heads of sources start at random, as in the first rows."""
USELESS: Final = ("noise", "irrelevant")


def run_one(table: str, rule: str, seed: int, steps: int = 200) -> dict[str, Any]:
    """One run of the study, as JSON values."""
    data = datasets.load(table)
    splits, other = halved(data, datasets.split(data), seed)
    job = Job(
        encoder_options={"layers": 2, "width": 32},
        objectives=list(ORDINARY),
        init="scratch",
        batch_size=64,
        steps=steps,
        seed=seed,
        **RULES[rule],
    )
    job, sources = with_sources(job, data, splits, planted_sources(data, other, seed))
    device = torch.device("cpu")
    corpus = datasets.load_corpus("zinc", size=2000)
    model, prepared = generic_pretraining(job, corpus, device, held=HeldOut(data, splits, sources))
    setup = adaptive_pretraining(job, model, prepared, data, splits, device=device)
    started = time.perf_counter()
    history = setup.run(job.steps)
    return {
        "table": table,
        "rule": rule,
        "seed": seed,
        "weights": {name.removeprefix("source:"): w for name, w in setup.loop.weighting.as_dict().items()},
        "evidence": {
            item.name.removeprefix("source:"): [item.errors, item.verdict] for item in weigh_evidence(history)
        },
        "along": {str(row["step"] + 1): row["weights"] for row in history if (row["step"] + 1) % 50 == 0},
        "sources": {source.data.name: source.use.to_dict() for source in sources},
        "seconds": time.perf_counter() - started,
        "steps": job.steps,
        "provenance": provenance([seed]),
    }


def study(tables: list[str], rules: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = ((table, rule, seed) for seed in seeds for table in tables for rule in rules)
    for row in go_on(RESULTS, ("table", "rule", "seed"), jobs, run_one):
        planted_weights = {name: row["weights"][name] for name in PLANTED}
        shown = " ".join(f"{name} {weight:.3f}" for name, weight in planted_weights.items())
        print(f"{row['table']:13s} {row['rule']:10s} seed {row['seed']}  {shown}  {row['seconds']:.0f} s", flush=True)


def summary() -> str:
    """The study as a Markdown table."""
    header = ["rule", "table", "oracle above noise", "oracle above irrelevant", "noise below mean"]
    header += ["negated above mean", "oracle / negated / noise / irrelevant in units of the mean weight"]
    header += ["wrong verdicts", "seconds a run"]
    rows = finished(RESULTS)
    pairs = dict.fromkeys((row["rule"], row["table"]) for row in rows)
    return markdown(
        header, (_cells(*pair, [row for row in rows if (row["rule"], row["table"]) == pair]) for pair in pairs)
    )


def _cells(rule: str, table: str, rows: list[dict[str, Any]]) -> list[str]:
    count, weights = len(rows), [row["weights"] for row in rows]
    share = len(weights[0])
    means = [np.mean([item[name] for item in weights]) * share for name in PLANTED]
    wrong = sum(
        verdict == ("helps" if name in USELESS else "hurts")
        for row in rows
        for name, (_, verdict) in row["evidence"].items()
        if name in PLANTED
    )
    return [
        rule,
        table,
        f"{sum(item['oracle'] > item['noise'] for item in weights)} of {count}",
        f"{sum(item['oracle'] > item['irrelevant'] for item in weights)} of {count}",
        f"{sum(item['noise'] < 1 / share for item in weights)} of {count}",
        f"{sum(item['negated'] > 1 / share for item in weights)} of {count}",
        " / ".join(f"{mean:.2f}" for mean in means),
        f"{wrong} of {4 * sum(bool(row['evidence']) for row in rows)}",
        f"{np.median([row['seconds'] for row in rows]):.0f}",
    ]


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "esol", "bbbp"], choices=list(IRRELEVANT))
    parser.add_argument("--rules", nargs="+", default=["identity", "cg"], choices=list(RULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[5, 6, 7])
    options = parser.parse_args()
    if options.action == "run":
        study(options.tables, options.rules, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
