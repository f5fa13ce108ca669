"""Line charts over the steps of a run."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from markupsafe import Markup

from molweight.arrays import Float64Array
from molweight.report._svg import INK, drawing, figure_element, series_style

__all__ = ["POINTS", "Series", "lines", "thinned"]

Series = tuple[Float64Array, Float64Array]
"""Positions and values, of the same length."""

POINTS: Final = 250
"""Maximum number of points of a line; more would not be visible, but enlarge the page."""
_LEGEND_ROW: Final = 0.19


def thinned(
    places: Sequence[float] | Float64Array, values: Sequence[float] | Float64Array, points: int = POINTS
) -> Series:
    """A line of at most ``points`` points; a longer one is averaged over blocks of equal length.

    Args:
        places: Positions, ascending.
        values: Values; those that are not finite are left out.
        points: Maximum number of points.

    Example:
        >>> thinned([0, 1, 2, 3], [1.0, 3.0, float("nan"), 5.0], points=2)
        (array([0.5, 3. ]), array([2., 5.]))
    """
    x, y = np.asarray(places, dtype=np.float64), np.asarray(values, dtype=np.float64)
    group = np.arange(len(x)) * min(points, len(x)) // max(len(x), 1)
    finite = np.isfinite(y)
    x, y, group = x[finite], y[finite], group[finite]
    count = np.maximum(np.bincount(group), 1)
    kept = np.bincount(group) > 0
    return (np.bincount(group, x) / count)[kept], (np.bincount(group, y) / count)[kept]


def lines(
    key: str,
    series: Mapping[str, Series],
    *,
    title: str,
    description: str,
    x: str,
    y: str,
    scale: Literal["linear", "log"] = "linear",
    level: tuple[float, str] | None = None,
    mark: tuple[float, float, str] | None = None,
    steps: bool = False,
    height: float = 2.5,
) -> Markup:
    """Lines over steps, with a legend below if there are several.

    Args:
        key: Name of the drawing, unique on its page.
        series: The lines by name.
        title: Alternative text.
        description: Long description of the drawing.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        scale: Scale of the vertical axis; logarithmic only if all values are positive.
        level: Value and name of a horizontal reference line.
        mark: Position, value and name of a marked point.
        steps: Whether to draw a step function.
        height: Height in inches, without the legend.
    """
    from matplotlib.ticker import LogFormatter, MaxNLocator

    class _Plain(LogFormatter):
        """Tick labels as 0.04 instead of 4e-02."""

        def _num_to_string(self, x: float, vmin: float, vmax: float) -> str:  # noqa: ARG002 - as it is called
            return f"{x:.4g}"

    entries = len(series) + (level is not None) + (mark is not None)
    rows = -(-entries // 2) if entries > 1 else 0
    with drawing(height + _LEGEND_ROW * rows) as (figure, axes):
        for place, (name, (places, values)) in enumerate(series.items()):
            style: dict[str, Any] = {**series_style(place), "drawstyle": "steps-post" if steps else "default"}
            axes.plot(places, values, label=name, marker="o" if len(places) == 1 else "", **style)
        if level is not None:
            axes.axhline(level[0], color=INK, linewidth=0.8, linestyle=(0, (1, 3)), label=level[1])
        if mark is not None:
            axes.plot(*mark[:2], marker="o", markersize=6, linestyle="", color=INK, label=mark[2])
        if scale == "log" and all((values > 0).all() for _, values in series.values()):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(_Plain())
            axes.yaxis.set_minor_formatter(_Plain(minor_thresholds=(1.5, 0.6)))
        if all(np.equal(np.mod(places, 1), 0).all() for places, _ in series.values()):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # steps and epochs are whole numbers
        axes.set(xlabel=x, ylabel=y)
        if rows:
            figure.legend(loc="outside lower center", ncols=2, fontsize=8, handlelength=2.6)
        return figure_element(figure, key, title, description)
