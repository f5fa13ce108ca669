"""The results of a study as a Markdown page with figures: tables, tests, and their interpretation."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from molweight.benchmark._classical import MOST_SETTINGS
from molweight.benchmark._figures import plot_ranks, plot_scores
from molweight.benchmark._published import read_published
from molweight.benchmark._statistics import ROUNDING, Contrast, contrasts, critical_difference, mean_ranks, spreads
from molweight.benchmark._study import Study
from molweight.datasets.internal import higher_is_better
from molweight.storage import escape_controls, write_file

__all__ = ["format_page", "write_page"]

_LEVEL: Final = 0.05
_SPENT: Final = {"steps": 0, "gradients": 0, "seconds": 1}
"""Costs of a method, with their number of decimals."""
_INTERVALS: Final = (("low", "high"), ("expected_low", "expected_high"))
_EQUAL: Final = {
    "steps": "the number of steps",
    "gradients": "the number of gradient evaluations",
    "seconds": "the number of seconds (estimated from the measured time per step)",
}


def write_page(study: Study, results: pd.DataFrame, folder: Path, title: str) -> None:
    """Write ``README.md`` and its figures.

    Args:
        study: The study.
        results: Its rows, failures included.
        folder: The output folder.
        title: Title of the page.
    """
    good = results[results["error"].isna()]
    titles = {name: study.method(name).title for name in study.methods if name in set(good["method"])}
    if titles:
        write_file(folder / "scores.svg", plot_scores(good, _tables(study, good), titles))
    ranks = mean_ranks(results) if titles else None
    if ranks and len(ranks.means) > 1:
        limit = critical_difference(len(ranks.means), ranks.blocks)
        write_file(folder / "ranks.svg", plot_ranks(ranks.means, limit, titles))
    write_file(folder / "README.md", escape_controls(format_page(study, results, title)).encode())


def format_page(study: Study, results: pd.DataFrame, title: str) -> str:
    """The page.

    Args:
        study: The study.
        results: Its rows, failures included.
        title: Title of the page.
    """
    good = results[results["error"].isna()]
    if not len(good):
        return f"# {title}\n\nNo run has succeeded.\n\n{_failures(results)}\n"
    found = contrasts(results, study.reference) if study.reference in set(good["method"]) else []
    parts = [
        f"# {title}",
        _conditions(study, results),
        "## Test metric\n\nMean ± standard deviation over seeds; the arrow shows whether higher or lower is better. "
        "Steps and gradient evaluations are those of adaptive pretraining, seconds those of whole runs; all three are "
        "means over runs and include all trials and settings.\n\n" + _scores(study, good),
        f"![Test scores of {len(study.methods)} methods, each run a point](scores.svg)",
        *_noise(study, good),
        *_estimates(study, good),
        *_published(study),
        "## Paired comparisons\n\n" + _paired(study, found),
        "## Ranks\n\n" + _ranks(study, results),
        "## In words\n\n" + "\n".join(f"- {line}" for line in [*_words(study, found), *_costs(study, good)]),
    ]
    missing = len(study.cells()) - len(results)
    if missing:
        parts.append(f"## Runs that are missing\n\n{missing} of {len(study.cells())} have not been tried yet.")
    if results["error"].notna().any():
        parts.append(_failures(results))
    return "\n\n".join(parts) + "\n"


def _tables(study: Study, good: pd.DataFrame) -> list[str]:
    return [table for table in study.tables if table in set(good["table"])]


def _failures(results: pd.DataFrame) -> str:
    failed = results[results["error"].notna()]
    lines = [f"- {row.table}, {row.method}, seed {row.seed}: {row.error}" for row in failed.itertuples()]
    return "## Runs that failed\n\n" + "\n".join(lines)


def _conditions(study: Study, results: pd.DataFrame) -> str:
    versions = sorted({f"molweight {value}" for value in results["versions.molweight"].dropna()})
    machines = sorted(set(results["machine"].dropna()))
    commits = sorted(set(results["commit"].dropna())) if "commit" in results else []
    share = results["overhead_seconds"].sum() / results[["seconds", "general_seconds"]].sum().sum()
    return (
        f"{len(study.cells())} runs ({len(results)} in the results): {len(study.tables)} tables, {len(study.methods)} "
        f"methods, {len(study.seeds)} seeds. {study.split} split, protocol {study.protocol}; the test set is evaluated "
        f"once per run. The same for every weighting: {_EQUAL[study.match]} of adaptive pretraining. "
        f"{_settings(study)} {_trials(study)}Options: `{dict(study.job)}`, corpus "
        f"{study.corpus} ({study.corpus_size or 'all'}). Reading and splitting took {share:.1%} of the "
        f"training time. {', '.join(versions + machines + commits)}. Every number is computed from `results.csv`."
    )


def _trials(study: Study) -> str:
    methods = [study.method(name) for name in study.methods]
    counts = {method.trials or study.trials for method in methods if method.kind == "search"}
    if not counts:
        return ""
    return f"Searches try {' or '.join(map(str, sorted(counts)))} vectors of weights, each with its own finetuning. "


def _settings(study: Study) -> str:
    count, kinds = len(study.settings), {study.method(name).kind for name in study.methods}
    listed = "; ".join(f"`{dict(setting)}`" if setting else "the study's" for setting in study.settings)
    if count == 1:
        return f"Every method has one setting ({listed})."
    chosen = "best on select" + ("; an ensemble keeps the one that is best out of fold" if _has_ensemble(study) else "")
    words = [f"Every method with an encoder tries {count} settings ({listed}) and keeps the one that is {chosen}."]
    if "classical" in kinds:
        words.append(f"Models without a graph try {min(count, MOST_SETTINGS)} settings of their own.")
    if "peer" in kinds:
        words.append("Methods trained on all rows have one setting.")
    return " ".join(words)


def _has_ensemble(study: Study) -> bool:
    """Whether a method fits an ensemble, which has no role ``select``."""
    methods = [found for name in study.methods if (found := study.method(name)).kind not in ("classical", "peer")]
    own = [{**study.job, **method.changes, **setting} for method in methods for setting in study.settings]
    return any(options.get("members", 1) != 1 for options in own)


def _scores(study: Study, good: pd.DataFrame) -> str:
    tables = _tables(study, good)
    arrows = {table: _arrow(good, table) for table in tables}
    lines = ["| method | " + " | ".join(f"{table} {arrows[table]}" for table in tables)]
    lines[0] += " | steps | gradients | seconds |"
    lines.append("|---" * (len(tables) + 4) + "|")
    for method in study.methods:
        own = good[good["method"] == method]
        cells = [_cell(own[own["table"] == table]["test"]) for table in tables]
        spent = [f"{own[name].mean():.{digits}f}" if len(own) else "-" for name, digits in _SPENT.items()]
        lines.append(f"| {study.method(method).title} | " + " | ".join([*cells, *spent]) + " |")
    return "\n".join(lines)


def _arrow(good: pd.DataFrame, table: str) -> str:
    metric = good[good["table"] == table]["metric"].iloc[0]
    return f"({metric} {'↑' if higher_is_better(metric) else '↓'})"


def _cell(values: pd.Series) -> str:
    if not len(values):
        return "no run"
    if len(values) == 1:
        return f"{values.mean():.3g}"
    return _mean_and_spread(float(values.mean()), float(values.std(ddof=1)))


def _mean_and_spread(mean: float, spread: float) -> str:
    """A mean and its standard deviation, rounded to two significant digits of the latter.

    Example:
        >>> _mean_and_spread(0.81234, 0.0123), _mean_and_spread(402.1, 23.4), _mean_and_spread(0.5, 0.0)
        ('0.812 ± 0.012', '402 ± 23', '0.5 ± 0')
    """
    if not spread > ROUNDING * abs(mean):
        return f"{mean:.3g} ± 0"
    decimals = max(1 - math.floor(math.log10(spread)), 0)
    return f"{mean:.{decimals}f} ± {spread:.{decimals}f}"


def _estimates(study: Study, good: pd.DataFrame) -> list[str]:
    """How often the intervals of ensembles contain the test score; empty without ensembles."""
    if "expected_low" not in good or good["expected_low"].isna().all():
        return []
    own = good[good["expected_low"].notna()]
    over_rows, expected = (own["test"].between(own[low], own[high]) for low, high in _INTERVALS)
    lines = [
        "| table | runs | test | out of fold | interval over rows | expected on as many molecules |",
        "|---" * 6 + "|",
    ]
    for table in _tables(study, own):
        at = own["table"] == table
        scores = f"{_cell(own['test'][at])} | {_cell(own['out_of_fold'][at])}"
        lines.append(f"| {table} | {at.sum()} | {scores} | {over_rows[at].sum()} | {expected[at].sum()} |")
    lines.append(f"| all | {len(own)} | | | {over_rows.sum()} | {expected.sum()} |")
    about = (
        "Scores of ensembles on rows that a part has not seen, test molecules excluded, and the number of runs in "
        "which a 95 % interval contains the test score: the interval over rows, and the one expected for as many "
        "molecules as are in the test set."
    )
    return ["## Estimate out of fold\n\n" + about + "\n\n" + "\n".join(lines)]


def _noise(study: Study, good: pd.DataFrame) -> list[str]:
    """Whether the neural methods differ by more than expected from seeds; empty if undefined."""
    neural = good[[study.method(name).kind not in ("classical", "peer") for name in good["method"]]]
    found = spreads(neural)
    if not found:
        return []
    about = (
        "Standard deviation of the mean scores of the methods with an encoder, and its expected value if all methods "
        "were equal and only the seeds differed (methods share seeds, so it may be smaller). If the two are close, the "
        "order of the means is not informative."
    )
    lines = ["| table | observed | expected from seeds alone |", "|---|---|---|"]
    for table in [table for table in _tables(study, good) if table in found]:
        means, seeds = found[table]
        lines.append(f"| {table} | {means:.2g} | {seeds:.2g} |")
    return [f"## Signal and noise\n\n{about}\n\n" + "\n".join(lines)]


def _published(study: Study) -> list[str]:
    """Results from the literature on the tables of the study, if a file is named."""
    if study.published is None:
        return []
    rows = read_published(study.published)
    rows = rows[rows["table"].isin(study.tables)]
    lines = ["| method | table | metric | published | source |", "|---|---|---|---|---|"]
    for row in rows.to_dict("records"):
        spread = "" if pd.isna(row["sd"]) else f" ± {row['sd']:g}"
        cells = (row["method"], row["table"], row["metric"], f"{row['mean']:g}{spread}", row["source"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    about = (
        "Scores as published, with the encoders, corpora, splits and budgets of their authors: for orientation only."
    )
    return [f"## In the literature\n\n{about}\n\n" + "\n".join(lines)]


def _paired(study: Study, found: Sequence[Contrast]) -> str:
    title = study.method(study.reference).title
    about = (
        f"{title} against each of the other methods, paired by table and seed. Differences are in standard deviations "
        f"of the table's scores; positive: {title} is better. Wilcoxon signed-rank test, two-sided, Holm's correction; "
        "95 % bootstrap interval of the mean difference. Pairs of a table share test molecules: p values are "
        "optimistic."
    )
    head = "| against | pairs | wins | tables ahead | effect (d_z) | 95 % interval | p (Holm) |"
    lines = [about, "", head, "|---" * 7 + "|"]
    for item in found:
        interval = f"{item.low:+.2f} to {item.high:+.2f}"
        effect = "-" if math.isnan(item.effect) else f"{item.effect:+.2f}"
        lines.append(
            f"| {study.method(item.method).title} | {item.pairs} | {item.wins:.0%} | {item.ahead} of {item.tables} "
            f"| {effect} | {interval} | {item.p:.2g} |"
        )
    return "\n".join([*lines, *_too_few(found)])


def _too_few(found: Sequence[Contrast]) -> list[str]:
    """A warning if the number of pairs is too small for a p value below the level, whatever the scores are."""
    least = {item.method: 2.0 ** (1 - item.pairs) * len(found) for item in found}  # one sign only, Holm
    if not found or min(least.values()) < _LEVEL:
        return []
    pairs = max(item.pairs for item in found)
    smallest = min(1.0, *least.values())
    counted = f"{pairs} pairs and {len(found)} comparison{'s' if len(found) > 1 else ''}"
    words = (
        f"With {counted}, no corrected p value can be below {_LEVEL:g} (the smallest is {smallest:.2g}): run more "
        "seeds or tables before drawing conclusions."
    )
    return ["", words]


def _ranks(study: Study, results: pd.DataFrame) -> str:
    ranks = mean_ranks(results)
    listed = ", ".join(f"{study.method(name).title} {rank:.2f}" for name, rank in ranks.means.items())
    text = f"Mean rank over {ranks.blocks} pairs of table and seed (1 is best): {listed or 'no complete row'}."
    if len(ranks.means) < 2:  # noqa: PLR2004 - nothing to rank
        return text
    limit = critical_difference(len(ranks.means), ranks.blocks)
    friedman = "" if math.isnan(ranks.p) else f" Friedman's test: p = {ranks.p:.2g}."
    return (
        f"{text}{friedman} Nemenyi's critical difference at 5 %: {limit:.2f}.\n\n"
        "![Critical-difference diagram: methods joined by a bar do not differ significantly](ranks.svg)"
    )


def _words(study: Study, found: Sequence[Contrast]) -> list[str]:
    title = study.method(study.reference).title
    lines = []
    for item in found:
        other = study.method(item.method).title
        if item.p < _LEVEL:
            verb = "better" if item.direction > 0 else "worse"
            lines.append(
                f"{title} is {verb} than {other} (Wilcoxon, Holm, p = {item.p:.2g}, {item.wins:.0%} of pairs won)."
                f"{_contrary(item)}"
            )
        else:
            lines.append(
                f"No significant difference between {title} and {other} (Wilcoxon, Holm, p = {item.p:.2g}); "
                f"{_range(item)}."
            )
    return lines or ["Nothing can be compared yet."]


def _contrary(item: Contrast) -> str:
    """A sentence if the mean difference contradicts the test, as one run that has diverged can make it do."""
    if not item.mean_disagrees:
        return ""
    word = "worse" if item.direction > 0 else "better"
    return f" In the mean it is {word}, because of a few large differences ({_range(item)})."


def _range(item: Contrast) -> str:
    """The range of differences in the interval: a difference that is not significant need not be zero."""
    ends = [f"{abs(end):.2f} {'better' if end > 0 else 'worse'}" for end in (item.low, item.high)]
    return f"95 % CI from {ends[0]} to {ends[1]}, in standard deviations"


def _costs(study: Study, good: pd.DataFrame) -> list[str]:
    """Cost of the reference relative to each search, over the pairs of table and seed common to both."""
    spent = {name: own.set_index(["table", "seed"])[["gradients", "seconds"]] for name, own in good.groupby("method")}
    reference, lines = spent.get(study.reference), []
    for name in study.methods:
        if study.method(name).kind != "search" or reference is None or name not in spent:
            continue
        both = reference.index.intersection(spent[name].index)
        shares = reference.loc[both].sum() / spent[name].loc[both].sum()
        lines.append(
            f"{study.method(study.reference).title} took {shares['gradients']:.2f} of the gradient evaluations and "
            f"{shares['seconds']:.2f} of the seconds that this search took: {study.method(name).title}."
        )
    return lines
