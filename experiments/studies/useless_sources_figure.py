"""The figure of the registered study of useless sources: what learned weights gain, run by run.

    python -m experiments.studies.useless_sources_figure

Writes ``docs/assets/useless_sources.svg`` from ``experiments/results/useless_sources.jsonl``.
"""

import io
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from experiments.studies.useless_sources import errors_of, registered
from molweight.arrays import AnyArray
from molweight.storage import write_file

OUTPUT: Final = Path(__file__).parents[2] / "docs" / "assets" / "useless_sources.svg"
TITLES: Final = {
    "no sources": "against no sources",
    "equal": "against equal weights,\nas many steps",
    "equal, three times the steps": "against equal weights,\nthree times the steps (equal cost)",
}
TASKS: Final = {
    "hlm": "HLM clearance",
    "rlm": "RLM clearance",
    "hppb": "human PPB",
    "rppb": "rat PPB",
    "sol": "solubility",
    "mdr1_er": "MDR1 efflux",
}
_COLOUR: Final = "#0b62b8"


def draw() -> Figure:
    """A panel for each comparison; a point is one seed, a bar the mean of an endpoint."""
    plan = registered()
    errors = errors_of(plan)
    shape = (len(plan["seeds"]), len(plan["tables"]))
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    panels = figure.subplots(1, len(TITLES), sharex=True, sharey=True)
    for axes, (method, title) in zip(panels, TITLES.items(), strict=True):
        _panel(axes, (errors[method] - errors["learned"]).reshape(shape))
        axes.set_title(title, fontsize=10)
    panels[0].set_yticks(range(len(plan["tables"])), [TASKS[table] for table in plan["tables"]])
    panels[0].invert_yaxis()
    figure.supxlabel("RMSE saved by learned weights, in standard deviations of the labels", fontsize=10)
    return figure


def _panel(axes: Any, gains: AnyArray) -> None:
    """The gains of one comparison, seeds x endpoints."""
    axes.axvline(0, color="0.3", linewidth=0.8)
    for place, gain in enumerate(gains.T):
        axes.plot(gain, np.full(len(gain), place), "o", color=_COLOUR, alpha=0.5, markersize=4, markeredgewidth=0)
        axes.plot([gain.mean()], [place], "|", color="black", markersize=14, markeredgewidth=2)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def main() -> None:
    """Write the figure."""
    with mpl.rc_context({"svg.hashsalt": "molweight"}):
        buffer = io.BytesIO()
        draw().savefig(buffer, format="svg", metadata={"Date": None})
    write_file(OUTPUT, buffer.getvalue())
    print(OUTPUT)


if __name__ == "__main__":
    main()
