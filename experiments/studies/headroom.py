"""How much the weights matter: spread over fixed weightings of labelled sources, against the spread over seeds.

    python -m experiments.studies.headroom run [--tables freesolv bace] [--seeds 0 1 2]
    python -m experiments.studies.headroom table

The eight sources of ``experiments/_source_runs.py`` under fixed weights: equal, each source alone (corners), each left
out, four pairs and four random weightings. A run is 100 steps of 64 molecules with a GIN 2x32 from random weights, then
the encoder is judged on meta and select by a solved linear head and by finetuning; the test role is not opened. Within
a seed everything but the weights is the same, so differences of weightings are taken within seeds.

Each finished run is appended to ``experiments/results/headroom.jsonl`` immediately; existing ones are not repeated.
"""

import argparse
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._planted import IRRELEVANT
from experiments._provenance import provenance
from experiments._source_runs import SourceRuns
from molweight.training.internal import generator_for

RESULTS: Final = Path(__file__).parents[1] / "results" / "headroom.jsonl"
STEPS: Final = 100
COUNT: Final = 8
_SOME: Final = 4
JUDGED: Final = ("frozen_select", "finetuned_select")


def weightings() -> dict[str, list[float]]:
    """Weights by name of the weighting; the same for every table and seed."""
    rng, corners = generator_for(0, "headroom"), np.eye(COUNT)
    pairs = rng.permutation(list(combinations(range(COUNT), 2)))[:_SOME]
    found = {"equal": np.full(COUNT, 1 / COUNT)}
    found |= {f"corner {place}": corners[place] for place in range(COUNT)}
    found |= {f"without {place}": (1 - corners[place]) / (COUNT - 1) for place in range(COUNT)}
    found |= {f"pair {one} {other}": (corners[one] + corners[other]) / 2 for one, other in pairs}
    found |= {f"random {number}": rng.dirichlet(np.ones(COUNT)) for number in range(_SOME)}
    return {name: [float(weight) for weight in weights] for name, weights in found.items()}


@lru_cache(maxsize=1)
def _runs(table: str, seed: int) -> SourceRuns:
    return SourceRuns.of(table, seed, steps=STEPS)


def run_one(table: str, seed: int, weighting: str) -> dict[str, Any]:
    """One run of the study, as JSON values."""
    runs, weights = _runs(table, seed), weightings()[weighting]
    return {
        "table": table,
        "seed": seed,
        "weighting": weighting,
        "weights": dict(zip(runs.names, weights, strict=True)),
        "losses": runs.losses(weights),
        "steps": STEPS,
        "provenance": provenance([seed]),
    }


def study(tables: list[str], seeds: list[int]) -> None:
    """Run all unfinished runs, seed by seed."""
    jobs = ((table, seed, name) for seed in seeds for table in tables for name in weightings())
    for row in go_on(RESULTS, ("table", "seed", "weighting"), jobs, run_one):
        shown = " ".join(f"{name} {loss:.3f}" for name, loss in row["losses"].items())
        print(row["table"], row["seed"], row["weighting"], shown, flush=True)


def matrix(rows: list[dict[str, Any]], table: str, loss: str) -> np.ndarray[Any, Any]:
    """Logarithms of a loss, seeds x weightings, of the seeds that have every weighting."""
    names = list(weightings())
    found = {(row["seed"], row["weighting"]): row["losses"][loss] for row in rows if row["table"] == table}
    seeds = sorted({seed for seed, _ in found})
    whole = [seed for seed in seeds if all((seed, name) in found for name in names)]
    return np.log([[found[seed, name] for name in names] for seed in whole]).reshape(len(whole), len(names))


def spreads(values: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Standard deviations of weightings, of seeds and of the residual, from a two-way layout."""
    seeds, names = values.shape
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    noise = float((rest**2).sum() / max((seeds - 1) * (names - 1), 1))
    # The mean of a weighting over the seeds contains a share of the noise, which is subtracted; the same holds for
    # seeds.
    by_weighting = float(values.mean(axis=0).var(ddof=1)) - noise / seeds
    by_seed = float(values.mean(axis=1).var(ddof=1)) - noise / names if seeds > 1 else float("nan")
    return tuple(float(np.sqrt(max(part, 0.0))) for part in (by_weighting, by_seed, noise))  # type: ignore[return-value]  # three


def chosen(rows: list[dict[str, Any]], table: str, kind: str) -> float:
    """Mean log ratio on meta of the weighting that is best on select to equal weights; negative is better."""
    select, meta = (matrix(rows, table, f"{kind}_{role}") for role in ("select", "meta"))
    return float(np.mean([judged[np.argmin(by)] - judged[0] for by, judged in zip(select, meta, strict=True)]))


def summary() -> str:
    """The study as a Markdown table."""
    rows = finished(RESULTS)
    header = ["table", "judged", "seeds", "SD of weightings", "SD of seeds", "SD of the rest"]
    header += ["best source alone", "worst source alone", "best on select, against equal on meta"]
    lines = []
    for table in dict.fromkeys(row["table"] for row in rows):
        for loss in JUDGED:
            values = matrix(rows, table, loss)
            if len(values) > 1:
                lines.append([table, loss, str(len(values)), *_cells(rows, table, loss, values)])
    return markdown(header, lines)


def _cells(rows: list[dict[str, Any]], table: str, loss: str, values: np.ndarray[Any, Any]) -> list[str]:
    sources = next(list(row["weights"]) for row in rows if row["table"] == table)
    corners = (values - values[:, :1]).mean(axis=0)[1 : COUNT + 1]  # against equal weights, within seeds
    ends = [f"{sources[place]} {corners[place]:+.2f}" for place in (np.argmin(corners), np.argmax(corners))]
    gain = chosen(rows, table, loss.split("_", maxsplit=1)[0])
    return [*(f"{spread:.2f}" for spread in spreads(values)), *ends, f"{gain:+.2f}"]


def main() -> None:
    """Run the study or print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--tables", nargs="+", default=["freesolv", "bace"], choices=list(IRRELEVANT))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.action == "run":
        study(options.tables, options.seeds)
    print(summary())


if __name__ == "__main__":
    main()
