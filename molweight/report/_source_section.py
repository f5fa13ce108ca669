"""Section on auxiliary tables: the parts that were used, and the evidence on each objective."""

from collections.abc import Mapping
from typing import Any, Final

from molweight.report._evidence import Evidence, weigh_evidence, why_no_evidence
from molweight.report._run_summary import RunSummary
from molweight.report._section import Section, Table

__all__ = ["sources_section"]

_COLUMNS: Final = {
    "name": "table",
    "molecules": "molecules",
    "held_out": "left out",
    "shared": "also in train",
    "conflicting": "contradicting",
    "labels": "labels",
    "columns": "columns",
    "dropped": "dropped",
}


def sources_section(subject: RunSummary) -> Section:
    """Auxiliary tables, and the evidence on each objective."""
    title = "Sources and evidence"
    uses = subject.about.get("data", {}).get("sources", ())
    tables, words = [], []
    if uses:
        tables.append(Table("Auxiliary tables", list(_COLUMNS.values()), [_row(use) for use in uses]))
        words.append(
            "Compounds that the task holds out for meta, select or test are left out of these tables, in any form. "
            "Molecules of train keep their labels in these tables, so their out-of-fold scores may be too optimistic "
            "if these labels reveal those of the task."
        )
    else:
        words.append("This run learned from no auxiliary table (--aux).")
    found = weigh_evidence(subject.records)
    if found:
        rows = [[item.name, f"{item.errors:+.1f}", _verdict(item)] for item in found]
        caption = (
            "Effect of more weight on the meta loss, relative to the average objective; positive if it lowers the loss"
        )
        tables.append(Table(caption, ["objective", "standard errors", "verdict"], rows))
        if subject.records[-1].get("ended"):
            words.append(f"Adaptive pretraining {subject.records[-1]['ended']} (stop_when_decided).")
    else:
        reason = why_no_evidence(subject.records) or "no hypergradients of several objectives to compare"
        words.append(f"Evidence on single objectives: {reason}.")
    return Section("sources", title, words, tables=tables)


def _row(use: Mapping[str, Any]) -> list[str]:
    return [str(use[name]) for name in _COLUMNS]


def _verdict(item: Evidence) -> str:
    """The verdict; if there is none, the effect that one needs."""
    return item.verdict if item.verdict != "undecided" else f"undecided: needs ±{item.needed:.1f}"
