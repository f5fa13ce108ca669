"""Plot of a run's objective weights over the steps."""

import io

import pandas as pd

from molweight.errors import ConfigError
from molweight.storage import escape_controls

__all__ = ["plot_weights"]

_PREFIX = "weights."


def plot_weights(history: pd.DataFrame, title: str) -> bytes:
    """Trajectories of the objective weights, as a PNG file.

    Args:
        history: :attr:`molweight.runs.Run.history`, with at least one step.
        title: Title of the plot.

    Raises:
        ConfigError: If the history has no weights.
    """
    columns = [name for name in history.columns if name.startswith(_PREFIX)]
    if not columns:
        raise ConfigError("this run has no adaptive pretraining, so there are no weights to plot.")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.6), dpi=130, layout="constrained")
    axes = figure.subplots()
    for column in columns:
        axes.plot(history["step"], history[column], label=escape_controls(column.removeprefix(_PREFIX)), linewidth=1.8)
    axes.axhline(1 / len(columns), color="0.6", linewidth=0.8, linestyle="--", label="equal")
    axes.set(title=escape_controls(title), xlabel="step of adaptive pretraining", ylabel="weight")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
