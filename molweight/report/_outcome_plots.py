"""Drawings of scores and predictions: intervals, ranking curves, reliability, parity, and a map of the vectors."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Final, Literal

import numpy as np
from markupsafe import Markup

from molweight.arrays import FloatArray, Int64Array
from molweight.report._bootstrap import Interval
from molweight.report._calibration import Bin
from molweight.report._format import padded
from molweight.report._svg import INK, SERIES, drawing, figure_element, series_style

__all__ = ["POINTS", "intervals_plot", "parity", "ranking_curve", "reliability_diagram", "vector_map"]


_SHADES: Final = 24
"""Colours of a scale; with more than 50, matplotlib would rasterise the colour bar."""
POINTS: Final = 1500
"""Maximum number of points of a drawing, evenly spaced in the list, to limit the size of the page."""


_ROW: Final = 0.32
"""Height in inches of a row in the plot of intervals."""
_AXIS_WIDTH: Final = 44
"""Number of characters of a label that fit below the axes."""


def intervals_plot(key: str, scores: Mapping[str, Interval], label: str, description: str) -> Markup:
    """Scores of methods as points with their intervals; the last one is the run itself, in the first colour.

    Args:
        key: Name of the drawing, unique on its page.
        scores: By title of the method.
        label: Label of the horizontal axis.
        description: Long description of the drawing.
    """
    with drawing(0.75 + _ROW * len(scores)) as (figure, axes):
        for place, found in enumerate(scores.values()):
            own = place == len(scores) - 1
            style: dict[str, Any] = {"color": SERIES[0] if own else SERIES[7], "linewidth": 2.2 if own else 1.6}
            axes.plot([found.low, found.high], [-place, -place], solid_capstyle="round", **style)
            axes.plot(found.value, -place, marker="o" if own else "D", markersize=7 if own else 5, **style)
            axes.annotate(padded(found.value), (found.value, -place), (0, 6), textcoords="offset points", ha="center")
        axes.set_yticks([-place for place in range(len(scores))], list(map(_plain, scores)))
        axes.set(ylim=(0.5 - len(scores), 0.8), xlabel=fill(label, _AXIS_WIDTH))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        return figure_element(figure, key, "Scores of the methods with their intervals", description)


def ranking_curve(
    key: str,
    labels: FloatArray,
    predicted: Mapping[str, FloatArray],
    name: str,
    description: str,
    *,
    kind: Literal["roc", "pr"],
) -> Markup:
    """ROC or precision-recall curves of several methods.

    Args:
        key: Name of the drawing, unique on its page.
        labels: Zeros and ones, both present, 1-D.
        predicted: Probabilities by method, the run itself last.
        name: Name of the target.
        description: Long description of the drawing.
        kind: Which curve.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    with drawing(3.6) as (figure, axes):
        ends = [0, 1] if kind == "roc" else [float(labels.mean())] * 2
        axes.plot([0, 1], ends, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        for place, (title, values) in enumerate(reversed(list(predicted.items()))):
            if kind == "roc":
                x, y, _ = roc_curve(labels, values)
            else:
                y, x, _ = precision_recall_curve(labels, values)
            style: dict[str, Any] = {"drawstyle": "steps-post", **series_style(place)}
            axes.plot(x, y, label=_plain(title), **style)
        words = ("false positive rate", "true positive rate") if kind == "roc" else ("recall", "precision")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=words[0], ylabel=words[1])
        axes.legend(loc="lower right" if kind == "roc" else "lower left", fontsize=8)
        title = "ROC curves" if kind == "roc" else "Precision-recall curves"
        return figure_element(figure, key, f"{title} of {name}", description)


def reliability_diagram(key: str, bins: Sequence[Bin], description: str) -> Markup:
    """Observed share of ones over predicted probability; the area of a point is the number of predictions.

    Args:
        key: Name of the drawing, unique on its page.
        bins: The bins to draw.
        description: Long description of the drawing.
    """
    largest = max(item.count for item in bins)
    with drawing(3.6) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        places, heights = [item.predicted for item in bins], [item.observed for item in bins]
        axes.plot(places, heights, color=SERIES[0])
        sizes = [12 + 110 * item.count / largest for item in bins]
        axes.scatter(places, heights, s=sizes, color=SERIES[0], alpha=0.85)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set(xlabel="predicted probability", ylabel="observed share of ones")
        return figure_element(figure, key, "Reliability diagram", description)


def parity(key: str, labels: FloatArray, predicted: FloatArray, name: str, description: str) -> Markup:
    """Predictions over labels, with the line on which they are equal.

    Args:
        key: Name of the drawing, unique on its page.
        labels: ``n`` labels, none missing.
        predicted: ``n`` predictions.
        name: Name of the target.
        description: Long description of the drawing.
    """
    kept = spread_out(len(labels))
    both = np.concatenate([labels, predicted])
    margin = 0.04 * float(np.ptp(both)) or 1.0
    ends = (float(both.min()) - margin, float(both.max()) + margin)
    with drawing(3.6) as (figure, axes):
        axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        axes.scatter(labels[kept], predicted[kept], s=14, color=SERIES[0], alpha=0.7, linewidths=0)
        axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"label: {_plain(name)}", ylabel="prediction")
        return figure_element(figure, key, f"Parity plot of {name}", description)


def vector_map(
    key: str, places: FloatArray, labels: FloatArray, name: str, *, classes: bool, description: str
) -> Markup:
    """Molecules as points in the plane, coloured by label; those without one are left out.

    Args:
        key: Name of the drawing, unique on its page.
        places: ``n x 2``.
        labels: ``n``, NaN where missing.
        name: Name of the target.
        classes: Whether labels are zeros and ones.
        description: Long description of the drawing.
    """
    from matplotlib import colormaps

    style: dict[str, Any]
    known = np.flatnonzero(~np.isnan(labels))
    known = known[spread_out(len(known))]
    with drawing(3.4) as (figure, axes):
        if classes:
            for value, marker, colour in ((0, "o", SERIES[0]), (1, "^", SERIES[1])):
                chosen = known[labels[known] == value]
                style = {"marker": marker, "color": colour, "s": 16, "alpha": 0.75, "linewidths": 0}
                axes.scatter(places[chosen, 0], places[chosen, 1], label=f"{_plain(name)} = {value}", **style)
            figure.legend(loc="outside lower center", ncols=2, fontsize=8)
        else:
            colours = colormaps["viridis"].resampled(_SHADES)
            style = {"cmap": colours, "s": 18, "edgecolors": INK, "linewidths": 0.3}
            points = axes.scatter(places[known, 0], places[known, 1], c=labels[known], **style)
            figure.colorbar(points, ax=axes, label=_plain(name))
        axes.set(xlabel="first principal component", ylabel="second")
        return figure_element(figure, key, "Map of the test molecules", description)


def spread_out(count: int, most: int = POINTS) -> Int64Array:
    """Positions of at most ``most`` of ``count`` items, evenly spaced.

    Example:
        >>> spread_out(3, most=2).tolist(), spread_out(3).tolist()
        ([0, 1], [0, 1, 2])
    """
    return np.arange(min(count, most), dtype=np.int64) * count // max(min(count, most), 1)


def _plain(name: str) -> str:
    """A name with dollar signs escaped, so that they are not parsed as mathematics."""
    return name.replace("$", r"\$")
