"""Do the predicted labels of auxiliary tables help the partners of an ensemble? Out of fold; test sets stay closed.

    python -m experiments.studies.source_profile run [--cases adme_hlm freesolv ...] [--rows 300] [--seeds 0]
    python -m experiments.studies.source_profile table

Rows are drawn from those outside the test set, and predicted in five random folds by all default partners without a
graph, combined as in a fit, with and without the partner ``profile``. The auxiliary tables lack all compounds of the
drawn rows. The ADME tables need MOLWEIGHT_OFFICIAL (see ``official_tables.py``). Each result is appended to
``experiments/results/source_profile.jsonl`` immediately; existing ones are not repeated.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments._journal import finished, go_on
from experiments._markdown import markdown
from experiments._provenance import provenance
from experiments.studies import official_tables  # noqa: F401 - registers the ADME tables
from molweight import datasets
from molweight.datasets.internal import read_sources
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble._partner_kinds import partner_features
from molweight.ensemble._profile import PROFILE, fit_profile, profile_tables
from molweight.ensemble._stacking import combine, convex_weights
from molweight.ensemble.internal import cross_folds, default_partners
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset

RESULTS: Final = Path(__file__).parents[1] / "results" / "source_profile.jsonl"
DENSE: Final = ("descriptors", "functional_groups")
SHRINKAGE: Final = 0.2
ADME: Final = ("adme_hlm", "adme_rlm", "adme_mdr1_er", "adme_sol", "adme_hppb", "adme_rppb")
CASES: Final[dict[str, tuple[str, ...]]] = {
    **{table: (*(other for other in ADME if other != table), "lipophilicity") for table in ADME},
    "freesolv": ("esol", "lipophilicity", "bbbp"),
    "esol": ("freesolv", "lipophilicity", "bbbp"),
    "bbbp": ("esol", "lipophilicity", "bace"),
    "bace": ("esol", "lipophilicity", "bbbp"),
}
"""For each table, the auxiliary tables: for ADME endpoints related assays, for the others less related ones."""

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def drawn(table: str, rows: int, seed: int) -> MoleculeDataset:
    """Some rows outside the test set."""
    whole = datasets.load(table)
    splits = datasets.split(whole, "column" if table in ADME else "scaffold")
    known = np.concatenate([splits.train, splits.meta, splits.select])
    return whole.subset(np.sort(np.random.default_rng(seed).permutation(known)[:rows]))


def mixed(parts: dict[str, Array], truth: Array, folds: list[Index]) -> Array:
    """The parts of each fold, combined with weights from the other folds."""
    found = np.full(truth.shape, np.nan)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(truth)), fold)
        weights = convex_weights([part[rest] for part in parts.values()], truth[rest], shrinkage=SHRINKAGE)
        found[fold] = combine([part[fold] for part in parts.values()], weights)
    return found


def helps(parts: dict[str, Array], truth: Array) -> bool:
    """Whether the profile has a weight without shrinkage; a fit leaves it out otherwise."""
    weights = convex_weights(list(parts.values()), truth)
    return dict(zip(parts, weights, strict=True))[PROFILE] > 0


def run_one(table: str, rows: int, seed: int) -> dict[str, Any]:
    """One row of the results."""
    started, data = time.process_time(), drawn(table, rows, seed)
    folds = cross_folds(data.targets, 5, np.random.default_rng(seed))
    tables = profile_tables(read_sources(CASES[table], data), data)
    found = fit_profile(tables, [*DENSE, "minimol"], data, np.arange(len(data)))
    sets = {name: partner_features(name, DENSE) for name in default_partners(len(data))}
    matrices: dict[str, Array] = {name: feature_matrix(data, own) for name, own in sets.items()}
    columns: tuple[str, ...] = ()
    if found is not None:
        sets[PROFILE], matrices[PROFILE], columns = (PROFILE,), found.values, found.profile.spec.columns
    truth = data.targets.astype(np.float64)
    models = PartnerData(sets, matrices, truth, None, str(data.task), absolute=False, seed=0)
    kind = models.kind_of("none")
    parts = {name: models.out_of_fold(name, kind, folds) for name in models.names}
    without = {name: part for name, part in parts.items() if name != PROFILE}
    used = parts if PROFILE in parts and helps(parts, truth) else without
    values = {**parts, "combined without": mixed(without, truth, folds), "combined": mixed(used, truth, folds)}
    return {
        "table": table,
        "rows": rows,
        "seed": seed,
        "metric": data.metric,
        "columns": columns,
        "used": PROFILE in used,
        "scores": {name: datasets.score(str(data.metric), truth, value).value for name, value in values.items()},
        "cpu_seconds": time.process_time() - started,
        "provenance": provenance([seed]),
    }


def run(cases: list[str], rows: int, seeds: list[int]) -> None:
    """Run all unfinished measurements."""
    jobs = [(table, rows, seed) for seed in seeds for table in cases]
    for found in go_on(RESULTS, ("table", "rows", "seed"), jobs, run_one):
        print(found["table"], {name: round(value, 4) for name, value in found["scores"].items()}, flush=True)


def table() -> str:
    """The results as a table."""
    rows = [
        [
            f"{row['table']} ({row['rows']} rows, seed {row['seed']})",
            row["metric"],
            *(f"{row['scores'][name]:.3f}" if name in row["scores"] else "" for name in ("minimol", PROFILE)),
            f"{row['scores']['combined without']:.3f}",
            f"{row['scores']['combined']:.3f}" if row["used"] else "left out",
        ]
        for row in finished(RESULTS)
    ]
    titles = ["table", "metric", "Gaussian process, MiniMol", "Gaussian process, sources", "without sources", "with"]
    return markdown(titles, rows)


def main() -> None:
    """Run measurements, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("run")
    measuring.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    measuring.add_argument("--rows", type=int, default=300)
    measuring.add_argument("--seeds", type=int, nargs="+", default=[0])
    commands.add_parser("table")
    options = parser.parse_args()
    if options.command == "run":
        run(options.cases, options.rows, options.seeds)
    else:
        print(table())


if __name__ == "__main__":
    main()
