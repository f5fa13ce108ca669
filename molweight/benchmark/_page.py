"""The results of a study as a page of Markdown: tables, tests, and what they say in words."""

from collections.abc import Sequence

import pandas as pd

from molweight.benchmark._methods import method_of
from molweight.benchmark._statistics import Contrast, contrasts, mean_ranks
from molweight.benchmark._study import Study
from molweight.datasets import higher_is_better

__all__ = ["format_page"]

_LEVEL = 0.05


def format_page(study: Study, results: pd.DataFrame, title: str) -> str:
    """The page.

    Args:
        study: What was run.
        results: Its rows, failures included.
        title: Of the page.
    """
    good = results[results["error"].isna()]
    if not len(good):
        return f"# {title}\n\nNo run has succeeded.\n\n{_failures(results)}\n"
    found = contrasts(results, study.reference) if study.reference in set(good["method"]) else []
    parts = [
        f"# {title}",
        _conditions(study, results),
        "## Test metric\n\nMean ± standard deviation over seeds; arrows say which way is better.\n\n"
        + _scores(study, good),
        "## Paired comparisons\n\n" + _paired(study, found),
        "## Ranks\n\n" + _ranks(results),
        "## In words\n\n" + "\n".join(f"- {line}" for line in _words(study, found)),
    ]
    if results["error"].notna().any():
        parts.append(_failures(results))
    return "\n\n".join(parts) + "\n"


def _failures(results: pd.DataFrame) -> str:
    failed = results[results["error"].notna()]
    lines = [f"- {row.table}, {row.method}, seed {row.seed}: {row.error}" for row in failed.itertuples()]
    return "## Runs that failed\n\n" + "\n".join(lines)


def _conditions(study: Study, results: pd.DataFrame) -> str:
    equal = "the same number of steps" if study.match == "steps" else "the same number of gradient evaluations"
    versions = sorted({f"molweight {value}" for value in results["versions.molweight"].dropna()})
    machines = sorted(set(results["machine"].dropna()))
    commits = sorted(set(results["commit"].dropna())) if "commit" in results else []
    return (
        f"{len(study.jobs())} runs ({len(results)} in the results): {len(study.tables)} tables, {len(study.methods)} "
        f"methods, {len(study.seeds)} seeds. {study.split} split, protocol {study.protocol}; the test set is opened "
        f"once per run. Every weighting gets {equal} of continued pretraining; settings of models without a graph are "
        f"chosen on select, neural methods have those of the study. Searches try {study.trials} weights. Options: "
        f"`{dict(study.job)}`, corpus {study.corpus} ({study.corpus_size or 'all'}). "
        f"{', '.join(versions + machines + commits)}."
    )


def _scores(study: Study, good: pd.DataFrame) -> str:
    tables = [table for table in study.tables if table in set(good["table"])]
    arrows = {table: _arrow(good, table) for table in tables}
    lines = ["| method | " + " | ".join(f"{table} {arrows[table]}" for table in tables) + " | steps | seconds |"]
    lines.append("|---" * (len(tables) + 3) + "|")
    for method in study.methods:
        own = good[good["method"] == method]
        cells = [_cell(own[own["table"] == table]["test"]) for table in tables]
        spent = f"{own['steps'].mean():.0f} | {own['seconds'].mean():.1f}" if len(own) else "- | -"
        lines.append(f"| {method_of(method).title} | " + " | ".join(cells) + f" | {spent} |")
    return "\n".join(lines)


def _arrow(good: pd.DataFrame, table: str) -> str:
    metric = good[good["table"] == table]["metric"].iloc[0]
    return f"({metric} {'↑' if higher_is_better(metric) else '↓'})"


def _cell(values: pd.Series) -> str:
    if not len(values):
        return "no run"
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def _paired(study: Study, found: Sequence[Contrast]) -> str:
    title = method_of(study.reference).title
    about = (
        f"{title} against each other method, paired by table and seed, differences in standard deviations of the "
        "table's scores; positive: it is better. Wilcoxon signed-rank test, two-sided, Holm's correction; 95 % "
        "bootstrap interval of the mean difference. Pairs of a table share test molecules: p values are optimistic."
    )
    head = "| against | pairs | wins | effect (d_z) | 95 % interval | p (Holm) |"
    lines = [about, "", head, "|---|---|---|---|---|---|"]
    for item in found:
        interval = f"{item.low:+.2f} to {item.high:+.2f}"
        lines.append(
            f"| {method_of(item.method).title} | {item.pairs} | {item.wins:.0%} | {item.effect:+.2f} | {interval} "
            f"| {item.p:.3f} |"
        )
    return "\n".join(lines)


def _ranks(results: pd.DataFrame) -> str:
    ranks, p = mean_ranks(results)
    listed = ", ".join(f"{method_of(name).title} {rank:.2f}" for name, rank in ranks.items())
    return f"Mean rank over tables and seeds, 1 the best: {listed or 'no complete row'}. Friedman's test: p = {p:.3f}."


def _words(study: Study, found: Sequence[Contrast]) -> list[str]:
    title = method_of(study.reference).title
    lines = []
    for item in found:
        other = method_of(item.method).title
        if item.p < _LEVEL:
            verb = "better" if item.low + item.high > 0 else "worse"
            lines.append(
                f"{title} is {verb} than {other} (Wilcoxon, Holm, p = {item.p:.3f}, {item.wins:.0%} of pairs won)."
            )
        else:
            lines.append(f"No difference between {title} and {other} is supported (Wilcoxon, Holm, p = {item.p:.3f}).")
    return lines or ["Nothing can be compared yet."]
