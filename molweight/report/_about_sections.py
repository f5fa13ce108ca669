"""Sections on the inputs of a run: data, configuration, provenance."""

import json
from collections.abc import Mapping
from typing import Any, Final

from molweight.datasets import Audit
from molweight.datasets.internal import format_audit, format_bound_counts, format_classes
from molweight.graphs import Featuriser
from molweight.report._format import metric_name, number
from molweight.report._run_summary import RunSummary
from molweight.report._section import Section, Table, Text

__all__ = ["audit_section", "configuration_section", "provenance_section", "summary_section"]

_LABELS: Final = 20
"""Maximum number of targets listed by name."""


def summary_section(subject: RunSummary) -> Section:
    """The run in a few lines."""
    data, options, tuned = subject.about["data"], subject.options, subject.about["finetuning"]
    sizes = ", ".join(f"{count} {role}" for role, count in data.get("sizes", {}).items())
    lasted = f"{number(subject.about['seconds'], 3)} s"
    rows = [
        ["predicts", f"{', '.join(subject.about['target_names'][:6])} ({subject.task})"],
        [
            "data",
            f"{data.get('name', '-')}: {data.get('molecules', '-')} molecules ({sizes}){format_bound_counts(data)}",
        ],
        *([["classes", classes]] if (classes := format_classes(data)) else []),
        ["split", str(data.get("split_definition", "-"))],
        ["roles", _roles(subject)],
        ["encoder", f"{options['encoder']} {_inline(options['encoder_options'])}"],
        ["objectives", ", ".join(options["objectives"]) if subject.records else "none trained in this run"],
        ["weighting and solver", f"{options['weighting']}, {options['solver']}"],
        ["seed", str(options["seed"])],
        _model_row(tuned, metric_name(subject.metric)),
        ["duration", f"{lasted}; generic pretraining is included only if it was done for this run"],
    ]
    return Section("summary", "The run", tables=[Table("Data, model and duration", ["", ""], rows)])


def _model_row(tuned: Mapping[str, Any], metric: str) -> list[str]:
    found = tuned.get("cross_fitting")
    if not found:
        return ["kept epoch", f"{tuned['best_epoch']}, {metric} on select {number(tuned['best'])}"]
    score = f"{metric} out of fold {number(tuned['best'])}"
    return ["ensemble", f"{found['members']} members, {tuned['best_epoch']} epochs; {score}"]


def _roles(subject: RunSummary) -> str:
    """The use of each role of the data in this run."""
    data, fitted = subject.about["data"], subject.about["finetuning"].get("cross_fitting")
    learned = any("meta_loss" in record for record in subject.records)
    paper = data.get("protocol") == "paper"
    said = ["the weights are learned on meta"] if learned else []
    if fitted:
        parts = "members and partners" if len(fitted.get("weights", {})) > 1 else "members"
        said.append(f"{parts} are cross-fitted on train, meta and select{' (the same as meta)' if paper else ''}")
    elif learned and paper:
        said = ["the weights and the checkpoint are chosen on the same molecules (protocol paper)"]
    else:
        said.append("the checkpoint is chosen on select")
    if data.get("sizes", {}).get("test", 1):
        said.append("test is evaluated once")
    return ", ".join(said)


def _inline(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items()) or "(default size)"


def audit_section(subject: RunSummary) -> Section:
    """Duplicates, leaks and labels of the table."""
    title, audit = "Audit of the data", subject.audit
    if audit is None:
        missing = "No audit is stored with this run. molweight fit stores one; molweight audit audits any table."
        return Section("audit", title, [missing])
    overlap = audit.overlap
    corpus = (
        []
        if overlap is None
        else [
            f"Compounds that are also in the corpus {overlap.corpus} ({overlap.size} molecules): "
            + ", ".join(f"{count} of {role}" for role, count in overlap.compounds.items())
            + "."
        ]
    )
    tables = [_facts(audit), *_leaks(audit), _labels(audit)]
    return Section("audit", title, corpus, tables=tables, texts=[Text("Full audit", format_audit(audit))])


def _facts(audit: Audit) -> Table:
    twice, compounds = audit.duplicates, audit.duplicate_compounds
    rows = [
        ["molecules in use", str(audit.molecules)],
        ["rows without a molecule", str(audit.rejected)],
        *([["rows left out because a label cannot be read", str(audit.left_out)]] if audit.left_out else []),
        *([["labels that cannot be read, treated as missing", str(audit.unread)]] if audit.unread else []),
        ["repeated molecules", f"{twice.extra}; {twice.conflicting} groups with conflicting labels"],
        ["repeated compounds", f"{compounds.extra}; {compounds.conflicting} groups with conflicting labels"],
        ["with an undefined stereocentre", str(audit.undefined_stereo)],
        ["scaffolds", f"{audit.scaffolds}, the largest with {audit.largest_scaffold} molecules"],
        ["without a ring", str(audit.acyclic)],
    ]
    return Table("Rows and molecules", ["", ""], rows)


def _leaks(audit: Audit) -> list[Table]:
    rows = [
        [f"{leak.role} in {leak.other}", str(leak.size), str(leak.molecules), str(leak.compounds), str(leak.scaffold)]
        for leak in audit.leaks
    ]
    header = ["role", "its molecules", "the same molecule", "the same compound", "the same scaffold"]
    return [Table("Overlap of later roles with earlier ones", header, rows)] if rows else []


def _labels(audit: Audit) -> Table:
    rows = [
        [item.name, str(item.known), str(item.missing), number(item.mean), number(item.lowest), number(item.highest)]
        for item in audit.labels[:_LABELS]
    ]
    more = f"; the first {_LABELS} of {len(audit.labels)}" if len(audit.labels) > _LABELS else ""
    return Table(f"Labels{more}", ["target", "known", "missing", "mean", "lowest", "highest"], rows)


def configuration_section(subject: RunSummary) -> Section:
    """Every option."""
    settled = Text("All options, defaults included (JSON)", json.dumps(subject.options, indent=2, default=str))
    if subject.config is None:
        words = ["This run was not started on the command line, so there is no file with its options."]
        return Section("configuration", "Configuration", words, texts=[settled])
    words = ["To reproduce the run, save the first block as config.yaml: molweight fit --config config.yaml"]
    return Section("configuration", "Configuration", words, texts=[Text("config.yaml", subject.config), settled])


def provenance_section(subject: RunSummary) -> Section:
    """Versions and checksums."""
    about, data = subject.about, subject.about["data"]
    rows = [
        ["run made by", f"molweight {about['molweight']}, torch {about['torch']}"],
        ["features", str(Featuriser.from_description(about["featuriser"]))],
        ["page made by", ", ".join(f"{name} {version}" for name, version in subject.made_with.items())],
        ["SHA-256 of the table", str(data.get("sha256", "-"))],
        ["SHA-256 of the roles", str(data.get("split_sha256", "-"))],
        ["SHA-256 of model.safetensors", subject.sha256 or "not saved yet"],
        *(
            ["weights of TabICL", f"{at['name']}, SHA-256 {at['sha256']}, licence {at['licence']}"]
            for part in (about.get("ensemble") or {}).get("partners", ())
            if (at := part.get("network"))
        ),
    ]
    return Section("provenance", "Provenance", tables=[Table("Versions and checksums", ["", ""], rows)])
