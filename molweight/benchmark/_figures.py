"""The figures of a study: scores by method and table, and the critical-difference diagram of the mean ranks."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from molweight.benchmark._statistics import cliques

__all__ = ["plot_ranks", "plot_scores"]


def plot_scores(results: pd.DataFrame, tables: Sequence[str], titles: Mapping[str, str]) -> bytes:
    """Every run as a point, its method's mean as a bar, a panel per table.

    Args:
        results: Rows without an error.
        tables: Panels, from left to right.
        titles: Display name of each method, from top to bottom.

    Returns:
        An SVG file.
    """
    from matplotlib.figure import Figure

    size = (2.4 * len(tables) + 3.0, 0.28 * len(titles) + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, table in zip(panels, tables, strict=True):
        own = results[results["table"] == table]
        for place, method in enumerate(titles):
            scores = own[own["method"] == method]["test"].astype(float)
            axes.plot(scores, [place] * len(scores), "o", color="tab:blue", alpha=0.5, markersize=4)
            axes.plot([scores.mean()], [place], "|", color="black", markersize=12)
        axes.set(title=table, xlabel=f"test {own['metric'].iloc[0]}")
        axes.grid(axis="x", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(titles)), list(titles.values()))
    panels[0].invert_yaxis()
    return _svg(figure)


def plot_ranks(ranks: Mapping[str, float], difference: float, titles: Mapping[str, str]) -> bytes:
    """Mean ranks on a line; methods joined by a bar differ by less than the critical difference.

    Source: Demšar, *Statistical comparisons of classifiers over multiple data sets*, JMLR 7 (2006).

    Args:
        ranks: Mean rank of each method, the best first.
        difference: The critical difference.
        titles: Display name of each method.

    Returns:
        An SVG file.
    """
    from matplotlib.figure import Figure

    groups = cliques(ranks, difference)
    figure = Figure(figsize=(7.0, 0.26 * len(ranks) + 0.25 * len(groups) + 1.4), layout="constrained")
    axes = figure.subplots()
    for place, (method, rank) in enumerate(ranks.items()):
        depth = -1.0 - 0.25 * len(groups) - place * 0.6
        axes.plot([rank, rank, len(ranks) + 0.2], [0, depth, depth], color="0.4", linewidth=0.8)
        axes.text(len(ranks) + 0.3, depth, f"{titles[method]} ({rank:.2f})", va="center")
    for place, (low, high) in enumerate(groups):
        axes.plot([low - 0.04, high + 0.04], [-0.3 - 0.25 * place] * 2, color="black", linewidth=3)
    axes.plot([1, 1 + difference], [0.7, 0.7], color="tab:red", linewidth=2)
    axes.text(1, 0.85, f"critical difference {difference:.2f}", color="tab:red")
    axes.xaxis.set_ticks_position("top")
    axes.set(xlim=(0.8, len(ranks) + 0.2), xticks=range(1, len(ranks) + 1), yticks=[], xlabel="mean rank")
    axes.xaxis.set_label_position("top")
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    return _svg(figure)


def _svg(figure: Any) -> bytes:
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "molweight"}):  # identical figures give identical bytes
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()
