"""The page in a real browser: as wide as a phone and as a screen, light and dark, without an error."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from molweight.report import RunSummary, render, render_side_by_side

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (360, 1280)
LOOK = """
function look(frame) {
  const page = frame.contentDocument, wide = [];
  for (const element of page.body.querySelectorAll("*:not(svg *)")) {
    const box = element.getBoundingClientRect();
    if (box.right > frame.clientWidth + 0.5 || box.left < -0.5) wide.push(element.outerHTML.slice(0, 90));
  }
  const figure = page.querySelector("figure svg").getBoundingClientRect();
  const letters = page.querySelector("figure svg text").getBoundingClientRect();
  return {
    wide, width: frame.clientWidth, scroll: page.documentElement.scrollWidth,
    paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
    ink: frame.contentWindow.getComputedStyle(page.body).color,
    figure: [figure.width, figure.height], letters: letters.height,
    label: frame.contentWindow.getComputedStyle(page.querySelector("td[data-label]"), "::before").content,
    svg: page.querySelectorAll("svg").length,
  };
}
window.onload = () => {
  const seen = [...document.querySelectorAll("iframe")].map(look);
  document.getElementById("seen").textContent = JSON.stringify(seen);
};
"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium, chromium-browser or google-chrome on the path")


def _browse(page: Path, *options: str) -> tuple[str, str]:
    """The document after loading, and what the browser wrote to its log."""
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",  # for the frames below to be looked into
        "--enable-logging=stderr",
        f"--user-data-dir={page.parent / 'profile'}",
        "--virtual-time-budget=10000",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, done.stderr


def _renamed(subjects: dict[str, RunSummary]) -> Iterator[RunSummary]:
    for name, subject in subjects.items():
        yield replace(subject, name=f"a_long_name_without_any_place_to_break_{name}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make: Callable[..., RunSummary]) -> Path:
    """Reports, and a page that shows each at each width and writes down what it sees."""
    place = tmp_path_factory.mktemp("pages")
    names = {
        "regression": make(),
        "classes": make("classification", targets=3),
        "bare": make(test_results=None, audit=None),
    }
    (place / "side.html").write_text(render_side_by_side(list(_renamed(names))), encoding="utf-8")
    for name, made in names.items():
        (place / f"{name}.html").write_text(render(made), encoding="utf-8")
    frames = "".join(
        f'<iframe src="{name}.html" style="border:0;width:{width}px;height:900px"></iframe>'
        for name in (*names, "side")
        for width in WIDTHS
    )
    (place / "look.html").write_text(f'<script>{LOOK}</script>{frames}<pre id="seen"></pre>', encoding="utf-8")
    return place


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits(folder: Path, scheme: str) -> None:
    setting = f"--blink-settings=preferredColorScheme={'0' if scheme == 'dark' else '1'}"
    document, log = _browse(folder / "look.html", "--dump-dom", setting)
    assert "CONSOLE" not in log
    found = re.search(r'<pre id="seen">(.*?)</pre>', document)
    assert found is not None
    seen: list[dict[str, Any]] = json.loads(unescape(found[1]))
    assert [view["width"] for view in seen] == [*WIDTHS] * 4
    for view in seen:
        assert view["wide"] == []
        assert view["scroll"] <= view["width"]
        assert view["svg"] >= 2
        assert view["figure"][0] > 0.85 * min(view["width"], 480)
        assert 0.25 < view["figure"][1] / view["figure"][0] < 1.2
        assert view["letters"] >= 8  # pixels: readable on a phone
        assert (view["label"] != "none") == (view["width"] == WIDTHS[0])  # there a table is a list with names
        assert view["paper"] == ("rgb(18, 22, 27)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_page_is_printed(folder: Path) -> None:
    _, log = _browse(folder / "regression.html", f"--print-to-pdf={folder / 'page.pdf'}", "--no-pdf-header-footer")
    assert "CONSOLE" not in log
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF")


def test_an_error_of_a_page_would_be_seen(folder: Path) -> None:
    """The browser's log does hold what a page may not do."""
    text = (folder / "bare.html").read_text(encoding="utf-8")
    (folder / "broken.html").write_text(text.replace("</body>", '<img src="x.png" alt=""></body>'), encoding="utf-8")
    _, log = _browse(folder / "broken.html", "--dump-dom")
    assert "CONSOLE" in log
