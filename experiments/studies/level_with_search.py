"""Are learned weights level with a search of ten times their cost? Four remedies, and the weights without the search.

    python -m experiments.studies.level_with_search run [--kinds ...] [--seeds 0 1 2 3 4] [--draws 4] [--workers 2]
    python -m experiments.studies.level_with_search table

Continues a first CPU study: tables, options and seeds of ``experiments/configs/cpu.yaml``, with an encoder that is
pretrained again for each seed (and cached). Its rows of TPE with ten trials, of TapWeight and
of equal weights are in ``experiments/results/level_with_search_study.jsonl``. The same comparison in the CPU study as
it is now, ``experiments/results/cpu``, is at the end of the table. Added to these rows, with no more gradients of
pretraining than that TapWeight has:

- ``ten_finetunings``: the study's TapWeight, finetuned ten times, the best on ``select`` kept, as TPE keeps the best of
  ten finetuned models.
- ``equal_ten_finetunings``: the same with equal weights, to see how much of that is choosing among ten.
- ``scale_losses``: objectives divided by their size before they are weighted.
- ``bold``: twice the logit per standard error of evidence, no threshold that evidence must pass, and full evidence from
  the fifth step on in place of the twentieth.
- ``restart``: half of the gradients to learn weights as ``bold`` does, half to pretrain again with them, fixed.

Three further kinds measure the weights alone. ``learning`` is TapWeight with at most a tenth of the search's gradients;
it ends once the weights are learned, without finetuning. ``tapweight_again`` uses these weights and ``tpe_again`` those
of TPE's best trial: each pretrains again with the weights held fixed, for as many steps as a trial, and finetunes once,
with every other seed of the study. The scores are averaged, and neither kind chooses among several models. Weights are
called level if the 95 % interval of the mean difference lies above ``-MARGIN``: half of the standard deviation of
single runs on a table, set before all seeds except the next one were run.

Each finished run is appended to ``experiments/results/level_with_search.jsonl`` immediately, with its provenance;
existing runs are not repeated. ``table`` writes ``experiments/results/level_with_search.md``.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from math import isnan
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch

from experiments._journal import finished, go_on
from experiments._provenance import provenance
from molweight import datasets
from molweight.benchmark import Contrast, ProcessPool, Study, contrasts, read_study
from molweight.benchmark.internal import gradients_per_step, matched
from molweight.datasets import Splits
from molweight.datasets.internal import higher_is_better
from molweight.graphs import MoleculeDataset
from molweight.models.internal import build_pretrainer, predict_positions
from molweight.options import Job
from molweight.runs import Run
from molweight.training import fit, variant
from molweight.training.internal import finetune, new_predictor

HERE: Final = Path(__file__).parents[1]
RESULTS: Final = HERE / "results" / "level_with_search.jsonl"
STUDY: Final = HERE / "configs" / "cpu.yaml"
ROWS: Final = RESULTS.with_name("level_with_search_study.jsonl")
LATER: Final = HERE / "results" / "cpu" / "results.jsonl"
SEARCHES: Final = {
    "tpe": "TPE with ten trials, ten times the gradients",
    "tpe_4": "TPE with four trials, the gradients of one run",
    "random_search_4": "random search with four trials, the gradients of one run",
}
CPU: Final = torch.device("cpu")
FINETUNINGS: Final = 10
FEWER: Final = (2, 5)
TENTH: Final = 10
MARGIN: Final = 0.5
BOLD: Final = {"lr": 1.0, "confidence": 0.0, "warmup": 5}
CHANGES: Final[dict[str, dict[str, Any]]] = {
    "ten_finetunings": {},
    "equal_ten_finetunings": {"weighting": "equal"},
    "scale_losses": {"scale_losses": True},
    "bold": {"weighting_options": BOLD},
}
TEN: Final = ("ten_finetunings", "equal_ten_finetunings")
LEARNING: Final = "learning"
AGAIN: Final = {"tapweight_again": LEARNING, "tpe_again": "tpe"}
Found = dict[tuple[str, str, int], dict[str, Any]]
KINDS: Final = (LEARNING, *AGAIN, "restart", "bold", "scale_losses", *TEN)


@lru_cache(maxsize=1)
def study_of() -> Study:
    """The CPU study, with an encoder for each seed."""
    study = read_study(STUDY)
    return replace(study, job={**study.job, "pretrain_seed": None})


def job_of(found: Found, table: str, kind: str, seed: int, drawn: int) -> tuple[Job, float]:
    """The options of one run, and the gradients that were spent before it."""
    study = study_of()
    if kind == LEARNING:
        base = study.base(seed)
        most = found["tpe", table, seed]["gradients"] // TENTH
        return variant(base, steps=int(most // gradients_per_step(base)), epochs=0), 0.0
    if kind in AGAIN:
        return fixed(study.base(drawn), found[AGAIN[kind], table, seed]["weights"]), 0.0
    if kind == "restart":
        half = variant(study.base(seed), steps=study.base(seed).steps // 2)
        learning = matched(study, variant(half, epochs=0, weighting_options=BOLD), *material(table))
        learned = fit(learning, *material(table)).weights
        return fixed(half, learned), learning.steps * gradients_per_step(learning)
    return matched(study, variant(study.base(seed), **CHANGES[kind]), *material(table)), 0.0


def fixed(job: Job, weights: Mapping[str, float]) -> Job:
    """The job with these weights from its first step to its last."""
    return variant(job, weighting="fixed", weighting_options={"weights": dict(weights)})


def found() -> Found:
    """Runs of that study and of this script whose weights are reused, by kind, table and seed."""
    study = {(row["method"], row["table"], row["seed"]): row for row in finished(ROWS) if row["error"] is None}
    own = {(row["kind"], row["table"], row["seed"]): row for row in finished(RESULTS) if row["kind"] == LEARNING}
    return {**study, **own}


@lru_cache(maxsize=1)  # what a run asks for more than once
def material(table: str) -> tuple[MoleculeDataset, Splits, MoleculeDataset]:
    """A table, its roles and the corpus."""
    study, data = study_of(), datasets.load(table)
    splits = datasets.split(data, study.split, study.protocol)
    return data, splits, datasets.load_corpus(study.corpus, study.corpus_size)


def run_one(found: Found, table: str, kind: str, seed: int, drawn: int) -> dict[str, Any]:
    """One run, as JSON values."""
    started = time.perf_counter()
    data, splits, corpus = material(table)
    job, before = job_of(found, table, kind, seed, drawn)
    run = fit(job, data, splits, corpus)
    tuned: list[dict[str, float]] = []
    if kind != LEARNING:
        others = range(1, FINETUNINGS if kind in TEN else 1)
        tuned += [{"select": run.finetuning.best, "test": run.evaluate("test").value}]
        tuned += [finetuned_anew(variant(job, seed=job.seed + 1000 * number), run, data, splits) for number in others]
    return {
        "table": table,
        "kind": kind,
        "seed": seed,
        "drawn": drawn,
        "metric": data.metric,
        "finetunings": tuned,
        "weights": run.weights,
        "steps": job.steps,
        "gradients": before + job.steps * gradients_per_step(job),
        "seconds": time.perf_counter() - started,
        "provenance": provenance([seed]),
    }


def finetuned_anew(job: Job, run: Run, data: MoleculeDataset, splits: Splits) -> dict[str, float]:
    """Another finetuning of the run's pretrained encoder: head, order and dropout of another seed."""
    pretrainer = build_pretrainer(job.encoder, job.encoder_options, job.objectives, job.objective_options)
    pretrainer.load_state_dict(run.pretrained)
    model = new_predictor(job, pretrainer, data, splits, CPU)
    result = finetune(job, model, data, splits, CPU)
    predicted = predict_positions(model, data, splits.test, CPU)
    test = datasets.score(data.metric or "", data.targets[splits.test], predicted).value
    return {"select": result.best, "test": test}


def jobs_of(kind: str, seeds: list[int], draws: int) -> Iterator[tuple[str, str, int, int]]:
    """Table, kind, seed, and the seed that is drawn with, draw after draw."""
    study = study_of()
    for draw in range(1, draws + 1) if kind in AGAIN else (0,):
        for seed in seeds:
            yield from ((table, kind, seed, (seed + draw) % len(study.seeds)) for table in study.tables)


def run_all(jobs: Iterator[tuple[str, str, int, int]], workers: int) -> None:
    """Run all unfinished runs."""
    work = partial(run_one, found())
    for row in go_on(RESULTS, ("table", "kind", "seed", "drawn"), jobs, work, ProcessPool(workers)):
        scores = "  ".join(f"{found['test']:.4f}" for found in row["finetunings"])
        named = f"{row['table']:10s} {row['kind']:18s} seed {row['seed']}, {row['drawn']}"
        print(f"{named}  {row['metric']} {scores}  {row['seconds']:.1f} s", flush=True)


def kept(row: Mapping[str, Any], most: int = FINETUNINGS) -> float:
    """The test score of the finetuning that is best on ``select``, among the first ``most``."""
    sign = 1 if higher_is_better(row["metric"]) else -1
    return float(max(row["finetunings"][:most], key=lambda found: sign * found["select"])["test"])


def first_of(kind: str, most: int) -> str:
    """Name of the choice among the first ``most`` finetunings; its seconds are not measured."""
    return f"{kind}, first {most} alone"


def scores() -> pd.DataFrame:
    """All runs of this script, and those of the study that they are compared with, as rows of a study.

    Reused weights have the cost of the run that found them; equal weights cost nothing.
    """
    finders = found()
    rows = [row for (method, _, _), row in finders.items() if method in ("tapweight", "tpe", "equal")]
    for row in (row for row in finished(RESULTS) if row["kind"] != LEARNING):
        finder = finders.get((AGAIN.get(row["kind"], ""), row["table"], row["seed"]), row)
        cost = {name: finder[name] for name in ("gradients", "seconds")}
        rows.append({**row, **cost, "method": row["kind"], "test": kept(row), "error": None})
        if row["kind"] in TEN:
            rows += [
                {**row, "method": first_of(row["kind"], most), "test": kept(row, most), "error": None, "seconds": None}
                for most in FEWER
            ]
        if row["kind"] == "tpe_again":  # equal weights with the same seed
            equal = finders["equal", row["table"], row["drawn"]]
            rows.append({**equal, "method": "equal_again", "seed": row["seed"], "gradients": 0.0, "seconds": 0.0})
    return pd.DataFrame(rows)[["table", "method", "seed", "metric", "test", "error", "gradients", "seconds"]]


def against(frame: pd.DataFrame, reference: str, methods: list[str]) -> list[str]:
    """A Markdown table: each method against the reference, on the pairs that both have."""
    chosen = frame[frame["method"].isin([reference, *methods])]
    means = chosen.groupby("method")[["gradients", "seconds"]].mean()
    shares = (means / means.loc[reference]).T.to_dict()
    seen = sorted(contrasts(chosen, reference), key=lambda contrast: methods.index(contrast.method))
    heads = [
        "| | pairs | wins | tables ahead | 95 % interval | level | p (Holm) | gradients | seconds |",
        "|---" * 9 + "|",
    ]
    return heads + [_line(contrast, shares[contrast.method]) for contrast in seen]


def _line(seen: Contrast, shares: Mapping[str, float]) -> str:
    cells = [seen.method, str(seen.pairs), *_turned(seen), f"{seen.p:.3f}"]
    cells += ["-" if isnan(shares[name]) else f"{shares[name]:.3f}" for name in ("gradients", "seconds")]
    return f"| {' | '.join(cells)} |"


def _turned(seen: Contrast) -> tuple[str, str, str, str]:
    """A contrast from the other side, positive where the method is better: wins, tables ahead, interval, level."""
    ahead, level = f"{seen.tables - seen.ahead} of {seen.tables}", "yes" if -seen.high > -MARGIN else "no"
    return f"{1 - seen.wins:.0%}", ahead, f"{-seen.high:+.2f} to {-seen.low:+.2f}", level


def later() -> list[str]:
    """The same comparison in the CPU study, whose runs all start from one encoder, with each of its searches."""
    frame = pd.DataFrame(finished(LATER))
    lines = []
    for search, what in SEARCHES.items():
        lines += ["", f"In the CPU study, one encoder for all seeds, against {what}:", ""]
        lines += against(frame, search, ["tapweight", "equal"])
    return lines


HEAD: Final = f"""\
By `python -m experiments.studies.level_with_search run`, whose rows are in `level_with_search.jsonl`.
Paired by table and seed;
differences in standard deviations of the table's scores, positive: better than the reference. Wilcoxon signed-rank test
with Holm's correction; bootstrap interval of the mean, which is not corrected; level: all of it above {-MARGIN}.
Gradients of pretraining and seconds of everything are shares of those of the reference; for weights alone, of what it
took to find them, for TapWeight without any finetuning, as its weights are there before."""


def summary() -> str:
    """All comparisons as Markdown."""
    frame = scores()
    finetuned = [name for kind in TEN for name in (*(first_of(kind, most) for most in FEWER), kind)]
    first = against(frame, "tpe", ["tapweight", "equal", *finetuned, "scale_losses", "bold", "restart"])
    second = against(frame, "tpe_again", ["tapweight_again", "equal_again"])
    titles = ("Against TPE with ten trials:", "Weights alone, all drawn again, against those of TPE's best trial:")
    return "\n".join([HEAD, "", titles[0], "", *first, "", titles[1], "", *second, *later()])


def main() -> None:
    """Run, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--draws", type=int, choices=[1, 2, 3, 4], default=4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.action == "run":
        for kind in options.kinds:  # one after the other, as the weights of one are used by another
            run_all(jobs_of(kind, options.seeds, options.draws), options.workers)
    else:
        text = summary()
        RESULTS.with_suffix(".md").write_text(f"{text}\n", encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
