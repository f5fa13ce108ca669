"""Formulas become MathML when the pages are built: browsers show it as it is, without a script from anywhere."""

import html
import re
from typing import Final

from latex2mathml.converter import convert

_FORMULA: Final = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **_: object) -> str:
    """Replace what ``pymdownx.arithmatex`` marked; called by mkdocs for each page.

    Args:
        content: The page's HTML.
    """
    return _FORMULA.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    tag, opening, formula = match.groups()
    display = "block" if opening == "[" else "inline"
    return f'<{tag} class="formula">{convert(html.unescape(formula).strip(), display=display)}</{tag}>'
