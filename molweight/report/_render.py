"""One self-contained HTML file: no network, scripts, fonts or separate images."""

from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from molweight.report._about_sections import (
    audit_section,
    configuration_section,
    provenance_section,
    summary_section,
)
from molweight.report._prediction_section import calibration_section
from molweight.report._result_section import scores_section
from molweight.report._run_summary import RunSummary, method_title
from molweight.report._section import Section
from molweight.report._source_section import sources_section
from molweight.report._test_sections import map_section, wrong_section
from molweight.report._training_sections import losses_section, schedule_section, solver_section, weights_section
from molweight.report._uncertainty_section import spread_section
from molweight.storage import escape_controls

__all__ = ["page", "render"]


def render(subject: RunSummary) -> str:
    """The report of one run as an HTML page.

    Args:
        subject: The run.

    Returns:
        The page: self-contained, for narrow and wide screens, light and dark mode, and print.
    """
    evaluated, adapted = subject.test_results is not None, bool(subject.records)
    sections = [
        scores_section(subject),
        *([calibration_section(subject), spread_section(subject), wrong_section(subject)] if evaluated else []),
        schedule_section(subject),
        weights_section(subject),
        *([sources_section(subject), losses_section(subject), solver_section(subject)] if adapted else []),
        *([map_section(subject)] if evaluated else []),
        audit_section(subject),
        summary_section(subject),
        configuration_section(subject),
        provenance_section(subject),
    ]
    method = method_title(subject.method)
    return page(f"{subject.name}: {method}", "Report of one run of molweight", sections)


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Sections as an HTML page.

    Args:
        title: Heading.
        subtitle: The line below it.
        sections: The sections, in order.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    folder = files("molweight.report")
    template = environment.from_string((folder / "page.html.j2").read_text(encoding="utf-8"))
    style = Markup((folder / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - a file of this package
    return escape_controls(template.render(title=title, subtitle=subtitle, sections=sections, style=style))
