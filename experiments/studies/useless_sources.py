"""Do learned weights pay when many of the auxiliary tables are useless? Real assays, with shuffled ones among them.

    MOLWEIGHT_OFFICIAL=... python -m experiments.studies.useless_sources run [--tables hlm rlm] [--seeds 0 1 2]
    python -m experiments.studies.useless_sources table
    MOLWEIGHT_OFFICIAL=... python -m experiments.studies.useless_sources run --registered
    python -m experiments.studies.useless_sources table --registered

The task is one of the six ADME endpoints of ``experiments/studies/official_tables.py``: 300 molecules of its published
training part (180 train, 60 meta, 60 select) and its published test part. Sources are 600 molecules of the training
part of each other endpoint, and fifteen *useless* tables: three for each of these, with its molecules and its labels in
another order. A run is 300 steps of batches of 128 from ``gin_zinc`` without other objectives; then the encoder is
finetuned three times without molecule-level features, and the test score is that of the mean prediction.

Stated before the first run: the metric is the test RMSE divided by the standard deviation of the labels; ``cost`` is
what useless sources cost equal weights, ``avoided`` the share of it that another weighting avoids, over tables and
seeds, with ``useful`` (equal weights on the real sources, none on the useless ones) as the reference. p values are of
Wilcoxon's signed-rank test against equal weights, over pairs of table and seed.

``--registered`` confirms the result on fresh seeds: ``useless_sources.yaml`` states tables, seeds, methods, metric,
test and margin, and was committed before its first run.

Each finished run is appended to ``experiments/results/useless_sources.jsonl`` immediately; existing ones are not
repeated.
"""

import argparse
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml
from scipy.stats import wilcoxon

import experiments.studies.official_tables  # noqa: F401 - registers the tables
from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import relabelled
from experiments._provenance import provenance
from molweight import datasets
from molweight.arrays import AnyArray
from molweight.benchmark._statistics import holm
from molweight.datasets import Splits
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.models import Pretrainer
from molweight.models.internal import predict_positions
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training.internal import (
    HeldOut,
    adaptive_pretraining,
    finetune,
    generator_for,
    new_predictor,
    with_sources,
)

RESULTS: Final = Path(__file__).parents[1] / "results" / "useless_sources.jsonl"
REGISTERED: Final = Path(__file__).with_suffix(".yaml")
TABLES: Final = ("hlm", "rlm", "hppb", "rppb", "sol", "mdr1_er")
COPIES: Final = 3
ROWS: Final = 600
ROLES: Final = {"train": 180, "meta": 60, "select": 60}
FINETUNINGS: Final = 3
METHODS: Final[dict[str, dict[str, Any]]] = {
    "no sources": {"weighting": "none"},
    "useful": {"weighting": "fixed"},
    "equal": {"weighting": "equal"},
    "equal, twice the steps": {"weighting": "equal", "steps": 600},
    "equal, three times the steps": {"weighting": "equal", "steps": 900},
    "learned": {},
    "learned, every third step": {"hypergradient_interval": 3, "weighting_options": {"warmup": 7}},
    "learned, two standard errors": {"weighting_options": {"confidence": 2.0}},
    "learned, closed form": {"task_level": "closed_form"},
    "alignment": {"weighting": "alignment"},
}
"""Options of each method. ``useful`` knows which sources are useless; the others do not. The warm-up of the learned
weights is counted in hypergradients: seven at every third step are 20 steps, as by default. With ``two standard
errors`` a weight moves only by evidence above these; the default is one. Learned weights cost as much as three times
the steps: in seeds 0 and 1 a run took 113 CPU seconds, with equal weights 54 and, with twice the steps, 83."""
_CPU: Final = torch.device("cpu")


def roles_of(data: MoleculeDataset, seed: int) -> Splits:
    """The roles of 300 molecules of the published training part, and the published test part."""
    published = datasets.split(data)
    rows = np.concatenate([published.train, published.meta, published.select])
    order = generator_for(seed, "useless sources").permutation(rows)[: sum(ROLES.values())]
    parts = np.split(order, np.cumsum(list(ROLES.values()))[:-1])
    train, meta, select = map(np.sort, parts)
    return replace(published, train=train, meta=meta, select=select)


def tables_of(task: str, seed: int) -> list[MoleculeDataset]:
    """The other endpoints, and their copies with labels in another order."""
    found: list[MoleculeDataset] = []
    for name in TABLES:
        if name == task:
            continue
        data = datasets.load(f"adme_{name}")
        published = datasets.split(data)
        rows = generator_for(seed, f"rows of {name}").permutation(published.train)[:ROWS]
        part = data.subset(np.sort(rows))
        found.append(relabelled(part, name, part.targets))
        for copy in range(COPIES):
            labels = generator_for(seed, f"useless {name} {copy}").permutation(part.targets)
            found.append(relabelled(part, f"useless{copy}-{name}", labels))
    return found


@lru_cache(maxsize=1)
def _prepared(table: str, seed: int) -> tuple[Job, MoleculeDataset, Splits, tuple[Any, ...]]:
    data = datasets.load(f"adme_{table}")
    splits = roles_of(data, seed)
    job = Job(
        encoder_options={"layers": 3, "width": 128},
        objectives=[],
        init="gin_zinc",
        batch_size=128,
        steps=300,
        epochs=30,
        seed=seed,
        device="cpu",
    )
    job, sources = with_sources(job, data, splits, tables_of(table, seed))
    return job, data, splits, sources


def run_one(table: str, method: str, seed: int) -> dict[str, Any]:
    """One run of the study, as JSON values."""
    job, data, splits, sources = _prepared(table, seed)
    names = [name.removeprefix("source:") for name in job.objectives]
    job = replace(job, **METHODS[method])
    if method == "useful":
        useful = [float(not name.startswith("useless")) for name in names]
        job = replace(job, weighting_options={"weights": [weight / sum(useful) for weight in useful]})
    corpus = datasets.load_corpus("zinc", size=256)
    model, corpus = generic_pretraining(job, corpus, _CPU, held=HeldOut(data, splits, sources))
    started, weights = time.process_time(), None
    if method != "no sources":
        setup = adaptive_pretraining(job, model, corpus, data, splits, device=_CPU)
        setup.run(job.steps)
        model, weights = setup.model, list(setup.loop.weighting.as_dict().values())
    return {
        "table": table,
        "method": method,
        "seed": seed,
        **_scores(job, model, data, splits),
        "weights": None if weights is None else dict(zip(names, weights, strict=True)),
        "cpu_seconds": time.process_time() - started,
        "provenance": provenance([seed]),
    }


def _scores(job: Job, model: Pretrainer, data: MoleculeDataset, splits: Splits) -> dict[str, Any]:
    """Errors of the finetunings and of their mean, in standard deviations of the test labels."""
    found = []
    for number in range(FINETUNINGS):
        own = replace(job, seed=1000 * job.seed + number)
        predictor = new_predictor(own, model, data, splits, _CPU)
        finetune(own, predictor, data, splits, _CPU)
        found.append(predict_positions(predictor, data, splits.test, _CPU)[:, 0])
    labels = data.targets[splits.test, 0]
    errors = [float(np.sqrt(((each - labels) ** 2).mean()) / labels.std()) for each in (*found, np.mean(found, axis=0))]
    return {"single": errors[:-1], "nrmse": errors[-1]}


def study(tables: list[str], methods: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = ((table, method, seed) for seed in seeds for table in tables for method in methods)
    for row in go_on(RESULTS, ("table", "method", "seed"), jobs, run_one):
        share = "" if row["weights"] is None else f"  weight of useless sources {_useless(row):.2f}"
        print(f"{row['table']:8s} {row['method']:22s} seed {row['seed']}  {row['nrmse']:.4f}{share}", flush=True)


def _useless(row: dict[str, Any]) -> float:
    return float(sum(weight for name, weight in row["weights"].items() if name.startswith("useless")))


def summary() -> str:
    """The runs that have equal weights of the useful sources, as two Markdown tables: by method, and by task."""
    by = {(row["table"], row["seed"], row["method"]): row for row in finished(RESULTS)}
    always = ["no sources", "useful", "equal", "learned"]
    pairs = sorted({key[:2] for key in by if all((*key[:2], method) in by for method in always)})
    methods = [method for method in METHODS if any((*pair, method) in by for pair in pairs)]
    header = ["method", "runs", "RMSE / SD", "gain over equal (s.e.)", "lower in", "p", "avoided", "useless", "CPU s"]
    lines = (_line(method, by, [pair for pair in pairs if (*pair, method) in by]) for method in methods)
    tasks = [task for task in TABLES if any(pair[0] == task for pair in pairs)]
    rows = (_of_task(task, by, [pair for pair in pairs if pair[0] == task], always) for task in tasks)
    return f"{markdown(header, lines)}\n\n{markdown(['task', *always, 'largest learned weights'], rows)}"


def registered() -> dict[str, Any]:
    """The registered plan."""
    plan: dict[str, Any] = yaml.safe_load(REGISTERED.read_text(encoding="utf-8"))
    return plan


def errors_of(plan: dict[str, Any], field: str = "nrmse") -> dict[str, AnyArray]:
    """A field of the rows of each registered method, seed by seed and table by table.

    Args:
        plan: The result of :func:`registered`.
        field: Name of a number in each row.

    Raises:
        ConfigError: If a registered run is missing: the tests are of all pairs, once.
    """
    by = {(row["table"], row["seed"], row["method"]): row for row in finished(RESULTS)}
    pairs = [(table, seed) for seed in plan["seeds"] for table in plan["tables"]]
    missing = sum((*pair, method) not in by for pair in pairs for method in plan["methods"])
    if missing:
        raise ConfigError(
            f"{missing} of {len(pairs) * len(plan['methods'])} registered runs are missing. Run them first."
        )
    return {method: np.array([by[*pair, method][field] for pair in pairs]) for method in plan["methods"]}


def registered_summary() -> str:
    """The registered comparisons as a Markdown table."""
    plan = registered()
    error, seconds = errors_of(plan), errors_of(plan, "cpu_seconds")
    gains = {method: error[method] - error["learned"] for method in plan["learned_against"]}
    p = holm([float(wilcoxon(gain).pvalue) for gain in gains.values()])
    corrected = dict(zip(gains, p, strict=True))
    header = ["weights", "RMSE / SD", "learned weights lower by (s.e.)", "lower in", "p (Holm)", "CPU s"]
    lines = []
    for method in plan["methods"]:
        gain = gains.get(method)
        cells = ["", "", ""] if gain is None else [*_gain(gain), f"{corrected[method]:.2g}"]
        lines.append([method, f"{error[method].mean():.4f}", *cells, f"{seconds[method].mean():.0f}"])
    return markdown(header, lines)


def _gain(gain: AnyArray) -> list[str]:
    """The mean of paired differences with its standard error, and how many are positive."""
    return [f"{gain.mean():+.4f} ± {gain.std(ddof=1) / len(gain) ** 0.5:.4f}", f"{(gain > 0).sum()} of {len(gain)}"]


def _line(method: str, by: dict[Any, Any], pairs: list[tuple[str, int]]) -> list[str]:
    """Scores of a method against equal weights, on the pairs of table and seed that it has."""
    rows = [by[*pair, method] for pair in pairs]
    errors, equal, useful = (
        np.array([by[*pair, name]["nrmse"] for pair in pairs]) for name in (method, "equal", "useful")
    )
    gain = equal - errors
    p = "-" if not gain.any() else f"{wilcoxon(gain).pvalue:.2g}"
    return [
        method,
        str(len(rows)),
        f"{errors.mean():.4f}",
        *_gain(gain),
        p,
        f"{gain.mean() / (equal - useful).mean():.2f}",
        f"{np.mean([_useless(row) for row in rows]):.2f}" if rows[0]["weights"] else "-",
        f"{np.mean([row['cpu_seconds'] for row in rows]):.0f}",
    ]


def _of_task(task: str, by: dict[Any, Any], pairs: list[tuple[str, int]], methods: list[str]) -> list[str]:
    """Mean scores of a task, and the largest mean weights."""
    scores = [f"{np.mean([by[*pair, method]['nrmse'] for pair in pairs]):.3f}" for method in methods]
    found = [by[*pair, "learned"]["weights"] for pair in pairs]
    means = sorted(((float(np.mean([row[name] for row in found])), name) for name in found[0]), reverse=True)
    return [task, *scores, ", ".join(f"{name} {weight:.2f}" for weight, name in means[:2])]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--registered", action="store_true", help="the runs and tests of useless_sources.yaml")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "table":
        print(registered_summary() if options.registered else summary())
        return
    plan = registered() if options.registered else vars(options)
    study(plan["tables"], plan["methods"], plan["seeds"])


if __name__ == "__main__":
    main()
