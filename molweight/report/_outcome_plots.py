"""Drawings of what a model answers: reliability, parity, and a map of its vectors."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from molweight.arrays import FloatArray
from molweight.report._calibration import Bin
from molweight.report._svg import INK, SERIES, drawing, figure_element

__all__ = ["POINTS", "parity", "reliability_diagram", "vector_map"]


_SHADES: Final = 24
"""Colours of a scale: with more than 50 matplotlib would put a picture of pixels into the drawing."""
POINTS: Final = 1500
"""Points of a drawing at most, at equal distances in the list, so that the page stays light."""


def reliability_diagram(key: str, bins: Sequence[Bin], description: str) -> Markup:
    """Observed share of ones over predicted probability; the area of a point is the number of predictions.

    Args:
        key: Name of the drawing, unique on its page.
        bins: What to draw.
        description: What there is to see.
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
        labels: None missing, 1-D.
        predicted: As many.
        name: Of the target.
        description: What there is to see.
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
        name: Of the target.
        classes: Whether labels are zeros and ones.
        description: What there is to see.
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


def spread_out(count: int, most: int = POINTS) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Positions of at most ``most`` of ``count`` items, at equal distances.

    Example:
        >>> spread_out(3, most=2).tolist(), spread_out(3).tolist()
        ([0, 1], [0, 1, 2])
    """
    return np.arange(min(count, most), dtype=np.int64) * count // max(min(count, most), 1)


def _plain(name: str) -> str:
    """A name whose dollar signs are no mathematics."""
    return name.replace("$", r"\$")
