"""The parts that every page is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

__all__ = ["Card", "Figure", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Figure:
    """A drawing with its words.

    Args:
        svg: An ``svg`` element that carries its own alternative text.
        caption: What it shows and how to read it.
    """

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Args:
        caption: What stands in it.
        header: One word per column; the first column names the row.
        rows: Cells, as many per row as there are columns.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Card:
    """A molecule with what is said of it.

    Args:
        svg: An ``svg`` element that carries its own alternative text; empty where it cannot be drawn.
        lines: What stands below.
    """

    svg: Markup
    lines: Sequence[str]


@dataclass(frozen=True)
class Text:
    """Something long, folded away.

    Args:
        title: What it is.
        content: As it is.
    """

    title: str
    content: str


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Args:
        key: Its anchor.
        title: Its heading.
        words: Paragraphs.
        figures: Drawings.
        tables: Tables.
        cards: Molecules.
        texts: Long texts.
    """

    key: str
    title: str
    words: Sequence[str] = field(default_factory=list)
    figures: Sequence[Figure] = field(default_factory=list)
    tables: Sequence[Table] = field(default_factory=list)
    cards: Sequence[Card] = field(default_factory=list)
    texts: Sequence[Text] = field(default_factory=list)
