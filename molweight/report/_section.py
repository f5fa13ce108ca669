"""The building blocks of a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

__all__ = ["Card", "Figure", "Lead", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Lead:
    """The main number of a page, with its verdict and the next command.

    Args:
        label: Name of the number.
        value: The number.
        detail: Its interval and sample size.
        facts: Further numbers, as pairs of name and value.
        verdict: One or two sentences.
        command: Next command to type; may be empty.
    """

    label: str
    value: str
    detail: str
    facts: Sequence[tuple[str, str]]
    verdict: str
    command: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption.

    Args:
        svg: An ``svg`` element with its own alternative text.
        caption: Contents of the drawing and how to read it.
    """

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Args:
        caption: Contents of the table.
        header: Titles of the columns; the first column names the row.
        rows: Cells, one per column in each row.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def narrow(self) -> bool:
        """Whether the table fits next to a figure."""
        return len(self.header) <= 4  # noqa: PLR2004 - columns in half the width of a page


@dataclass(frozen=True)
class Card:
    """A molecule with its description.

    Args:
        svg: An ``svg`` element with its own alternative text; empty if the molecule cannot be drawn.
        lines: Lines of text below it.
    """

    svg: Markup
    lines: Sequence[str]


@dataclass(frozen=True)
class Text:
    """A long text, collapsed by default.

    Args:
        title: Title of the text.
        content: The text, shown unchanged.
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
        lead: The main number of the page, in the first section.
        notes: Paragraphs below the drawings and tables.
    """

    key: str
    title: str
    words: Sequence[str] = field(default_factory=list)
    figures: Sequence[Figure] = field(default_factory=list)
    tables: Sequence[Table] = field(default_factory=list)
    cards: Sequence[Card] = field(default_factory=list)
    texts: Sequence[Text] = field(default_factory=list)
    lead: Lead | None = None
    notes: Sequence[str] = field(default_factory=list)
