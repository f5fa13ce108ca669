"""Colours of the page: readable in light, dark and print."""

import re
from importlib.resources import files

import pytest

STYLE = (files("molweight.report") / "style.css").read_text(encoding="utf-8")
PALETTES = [
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
]
LIGHT, DARK, PRINT = PALETTES
DEFICIENCIES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
"""Machado, Oliveira, Fernandes, IEEE Trans. Vis. Comput. Graph. 15, 1291 (2009), severity 1."""
TEXT = ("ink", "quiet", "link")
DRAWN = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "n", "o", "x", "p")


def _luminance(colour: str) -> float:
    """Relative luminance, after the definition of WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark", "print"])
def test_contrast(palette: dict[str, str]) -> None:
    assert set(palette) == {*TEXT, *DRAWN, "paper", "line", "panel"}
    for background in ("paper", "panel"):
        assert all(_contrast(palette[name], palette[background]) >= 4.5 for name in TEXT)
        assert all(_contrast(palette[name], palette[background]) >= 3 for name in DRAWN)


def _seen(colour: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """A colour as it is seen with a colour vision deficiency, in linear RGB."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return tuple(sum(weight * value for weight, value in zip(row, linear, strict=True)) for row in matrix)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("matrix", DEFICIENCIES.values(), ids=DEFICIENCIES)
def test_the_first_colours_differ_without_red_or_green(
    palette: dict[str, str], matrix: tuple[tuple[float, ...], ...]
) -> None:
    seen = [_seen(palette[name], matrix) for name in ("s1", "s2", "s3", "s4")]
    for place, one in enumerate(seen):
        for other in seen[:place]:
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.08


def test_print_is_black_on_white_wherever_it_is_printed_from() -> None:
    assert STYLE.index("prefers-color-scheme: dark") < STYLE.index("@media print")
    assert (PRINT["paper"], PRINT["ink"]) == ("#ffffff", "#000000")
