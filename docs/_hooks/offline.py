"""The search needs a script where pages are read from disk; it is this repository's, not one from the network."""

from typing import Any, Final

_REMOTE: Final = "https://unpkg.com/iframe-worker/shim"
_LOCAL: Final = "assets/iframe-worker.js"


def on_post_page(output: str, page: Any, **_: object) -> str:
    """Replace the address of the script; called by mkdocs for each page.

    Args:
        output: The page.
        page: Where it is.
    """
    return output.replace(_REMOTE, "../" * page.url.count("/") + _LOCAL)


def on_post_template(output_content: str, template_name: str, **_: object) -> str:
    """The same for the page of missing pages, which lies at the root.

    Args:
        output_content: The page.
        template_name: Its name, of which nothing depends.
    """
    del template_name
    return output_content.replace(_REMOTE, _LOCAL)
