"""Drawings as elements of a page, in the page's colours and self-contained."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from molweight.storage import escape_controls

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GRID", "INK", "SERIES", "as_element", "drawing", "figure_element", "series_style"]

INK: Final = "#010101"
"""Placeholder for the text colour; like the others, it is replaced by the page's colours for light and dark mode."""
GRID: Final = "#020202"
SERIES: Final = tuple(f"#03{place:02d}03" for place in range(1, 9))

_COLOURS: Final = {INK: "currentColor", GRID: "var(--line)"} | {
    colour: f"var(--s{place})" for place, colour in enumerate(SERIES, start=1)
}
_DASHES: Final = ("-", "--", ":", "-.")
_WIDTH: Final = 4.6
"""Width in inches: about that of a phone, so that the text of a drawing has its intended size there."""


def series_style(place: int) -> dict[str, str]:
    """Colour and dashes of a line; the first 32 styles differ, the first 4 also in black and white."""
    return {
        "color": SERIES[place % len(SERIES)],
        "linestyle": _DASHES[(place + place // len(SERIES)) % len(_DASHES)],
    }


@contextmanager
def drawing(height: float = 2.9) -> Iterator[tuple["Figure", "Axes"]]:
    """An empty drawing with axes, in the style of the page.

    Args:
        height: Height in inches.

    Yields:
        The figure and its axes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style = {
        "axes.axisbelow": True,
        "axes.edgecolor": INK,
        "axes.grid": True,
        "axes.labelcolor": INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 9,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.labelcolor": INK,
        "lines.linewidth": 1.6,
        "svg.fonttype": "none",
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with rc_context(style):  # type: ignore[arg-type]  # names of settings are literals there
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        yield figure, figure.subplots()


def figure_element(figure: "Figure", key: str, title: str, description: str) -> Markup:
    """A matplotlib figure as an SVG element; to be called inside :func:`drawing`.

    Args:
        figure: The drawing.
        key: Name of the drawing, unique on its page.
        title: Its alternative text.
        description: Long description of the drawing.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    canvas: Any = FigureCanvasSVG(figure)  # not typed by matplotlib
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    for text in figure.findobj(Text):
        text.set(text=escape_controls(text.get_text()))
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": key}):
        canvas.print_svg(buffer)  # figure.savefig would draw everything twice
    return as_element(buffer.getvalue(), key, title, description, _COLOURS)


def as_element(svg: str, key: str, title: str, description: str, colours: dict[str, str]) -> Markup:
    """An SVG file as an element of a page.

    The element has a ``title`` and a ``desc``, takes the available width, and has unique ids.

    Args:
        svg: The file.
        key: Name of the drawing, unique on its page.
        title: Its alternative text.
        description: Long description of the drawing.
        colours: Replacements of colours, for example ``{"#010101": "currentColor"}``.
    """
    box = re.search(r"viewBox=['\"]([^'\"]+)['\"]", svg)
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{key}-\1"', body)
    body = re.sub(r"(?:xlink:)?href=\"#([^\"]+)\"", rf'href="#{key}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", body)
    for colour, name in colours.items():
        body = re.sub(re.escape(colour), name, body, flags=re.IGNORECASE)
    labels = f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(description)}</desc>'
    opening = (
        f'<svg viewBox="{box[1] if box else "0 0 1 1"}" role="img" aria-labelledby="{key}-title" '
        f'aria-describedby="{key}-desc">'
    )
    # The body is written by matplotlib or RDKit, which escape their input.
    return Markup(f"{opening}{labels}{body}</svg>")  # noqa: S704 - see above
