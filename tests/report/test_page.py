"""The page: complete, whole in itself, with words for everything that is drawn, and safe against what it shows."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from molweight.report import RunSummary, render

Make = Callable[..., RunSummary]
VOID = {"meta", "link", "br", "hr", "img", "input"}
DRAWN = {"g", "path", "use", "rect", "circle", "ellipse", "stop", "line", "polygon", "polyline"}
SECTIONS = [
    "scores",
    "calibration",
    "uncertainty",
    "wrong",
    "schedule",
    "weights",
    "sources",
    "losses",
    "solver",
    "map",
    "audit",
    "summary",
    "configuration",
    "provenance",
]


class Page(HTMLParser):
    """Elements in their order, with their text; refuses what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.inside == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID | DRAWN, tag
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append((self.inside[-1] if self.inside else "", data.strip()))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, *tags: str) -> list[str]:
        return [text for tag, text in self.text if tag in tags]


@pytest.fixture(scope="module", params=["regression", "classification", "several"])
def text(request: pytest.FixtureRequest, make: Make) -> str:
    several = request.param == "several"
    return render(make("classification" if several else request.param, targets=6 if several else 1))


def test_every_part_is_there(text: str) -> None:
    page = Page(text)
    assert [section["id"] for section in page.of("section")] == SECTIONS
    links = [link["href"] for link in page.of("a")]
    assert links == [f"#{name}" for name in SECTIONS]
    assert len(page.words("h2")) == len(SECTIONS)


def test_nothing_comes_from_elsewhere(text: str) -> None:
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "image", "iframe", "object", "embed"}
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert attributes.get(name, "#").startswith("#")
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert "http://" not in text
    assert "https://" not in text
    policy = next(meta for meta in page.of("meta") if "http-equiv" in meta)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_drawing_has_an_alternative_text(text: str) -> None:
    page = Page(text)
    drawings = page.of("svg")
    assert len(drawings) >= 10
    named = {attributes["id"] for tag, attributes in page.elements if tag in ("title", "desc") and "id" in attributes}
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert drawing["aria-labelledby"] in named
        assert drawing["aria-describedby"] in named
    assert all(re.sub(r"\W", "", title) for title in page.words("title", "desc"))
    assert len(page.words("title")) == 1 + len(drawings)


def test_names_are_unique_and_references_are_met(text: str) -> None:
    page = Page(text)
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    used = [attributes["href"][1:] for _, attributes in page.elements if "href" in attributes]
    used += re.findall(r"url\(#([^)]+)\)", text)
    assert len(used) > len(SECTIONS)
    assert set(used) <= set(names)


def test_no_colour_is_left_that_only_fits_one_background(text: str) -> None:
    page = Page(text)
    outside_style = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    assert not re.search(r"#0[0-9]0[0-9]0[0-9]\b", outside_style)  # what stands for the colours of the page
    assert "#000000" not in outside_style
    assert "#ffffff" not in outside_style.lower()
    assert page.of("svg")


def test_what_it_shows_is_text(text: str) -> None:
    page = Page(text)
    assert page.words("h1") == ["mine & <yours>: TapWeight"]
    assert not page.of("b")
    assert not page.of("yours")
    assert any("name: <b>" in content for content in page.words("pre"))


def test_a_page_is_made_the_same_twice(make: Make) -> None:
    made = make(test_results=None, records=make().records[:3])
    assert render(made) == render(made)
