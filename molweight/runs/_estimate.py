"""Out-of-fold scores of an ensemble, with intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from molweight.arrays import AnyArray, Indices
from molweight.datasets.internal import exact_labels, format_score, higher_is_better
from molweight.ensemble.internal import CrossFitted, format_gains
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.report import bootstrap
from molweight.report.internal import PART_TITLES, interval_elsewhere, rare_classes
from molweight.runs._finetuning import Finetuning

__all__ = ["estimate_of", "format_ends", "format_estimate"]


def estimate_of(found: CrossFitted, data: MoleculeDataset, test: Indices | None = None) -> Finetuning:
    """The out-of-fold score of each part of an ensemble, with details of the ensemble.

    A row's prediction comes from the member and the partners that were trained without its fold, combined with weights
    that were also fitted without it. The ensemble itself averages all members, so the estimate is conservative.

    Args:
        found: The ensemble.
        data: The table.
        test: Positions of its test molecules; ``None`` if there are none.

    Returns:
        With ``cross_fitting``: ``"scores"`` by part with ``value``, ``low`` and ``high`` (95 % bootstrap over rows),
        ``"best"``: the best part, ``"weights"`` by part, ``"members"``, ``"rows"``, ``"rare"``: the class with
        too few labels for these intervals, in words, ``"transform"`` with
        ``"transforms_tried"``, ``"imputed"`` feature values, ``"balance"`` with ``"balances_tried"``,
        ``"calibration"``: log-loss before and after, ``"sources"``: the effect of each auxiliary table, and
        ``"test"``: ``"rows"``, the number of test molecules with labels, and ``"low"`` and ``"high"``, between which
        their score should lie in 95 % of cases.
    """
    metric, truth = str(data.metric), exact_labels(data, found.rows)
    truth = data.targets[found.rows] if np.isnan(truth).all() else truth
    predictions = {name: np.asarray(values, dtype=np.float64) for name, values in found.out_of_fold.items()}
    intervals, _ = bootstrap(metric, truth.astype(np.float64), predictions)
    sign = 1.0 if higher_is_better(metric) else -1.0
    best = max(intervals, key=lambda name: sign * np.nan_to_num(intervals[name].value, nan=-sign * np.inf))
    whole = intervals["ensemble"]
    # A member that was stored by an interrupted run may have another number of epochs: the mean ends with the shortest.
    curve = [float(np.mean(losses)) for losses in zip(*found.curves, strict=False)]
    summary: dict[str, Any] = {
        "scores": {name: {"value": at.value, "low": at.low, "high": at.high} for name, at in intervals.items()},
        "best": best,
        "weights": dict(zip(predictions, found.weights, strict=False)),
        "members": len(found.curves),
        "rows": len(found.rows),
        "rare": rare_classes(truth, tasks_of(data.task, len(data.target_names))),
        "transform": _transforms(found.transform, list(data.target_names)),
        "transforms_tried": found.transforms_tried,
        "imputed": found.imputed,
        "balance": found.balance,
        "balances_tried": found.balances_tried,
        "calibration": found.calibration,
        "sources": found.sources,
        "test": _elsewhere(data, truth, predictions["ensemble"], test),
    }
    return Finetuning(metric, best_epoch=len(curve), best=whole.value, curve=curve, cross_fitting=summary)


def _elsewhere(data: MoleculeDataset, truth: AnyArray, whole: AnyArray, test: Indices | None) -> dict[str, float]:
    """Range in which the score of the test molecules should lie; uses only their number."""
    size = 0 if test is None else int((~np.isnan(exact_labels(data, test))).any(axis=1).sum())
    if not size:
        return {}
    found = interval_elsewhere(str(data.metric), truth.astype(np.float64), whole, size)
    return {"rows": size, "low": found.low, "high": found.high}


def format_ends(at: Mapping[str, float]) -> str:
    """The ends of an interval; empty if they are NaN.

    Args:
        at: ``"low"`` and ``"high"``.

    Example:
        >>> format_ends({"low": 0.5, "high": 0.75}), format_ends({"low": float("nan"), "high": float("nan")})
        ('0.5000 to 0.7500', '')
    """
    ends = [at["low"], at["high"]]
    return "" if np.isnan(ends).any() else " to ".join(map(format_score, ends))


def _transforms(kinds: str, names: list[str]) -> str:
    """Label transforms in words: a single one, or those of the targets that have one."""
    found = kinds.split(",") * (len(names) if "," not in kinds else 1)
    changed = {name: kind for name, kind in zip(names, found, strict=True) if kind not in ("none", "class")}
    if not changed:
        return "none"
    same = len(changed) == len(names) and len(set(changed.values())) == 1
    return found[0] if same else ", ".join(f"{kind} ({name})" for name, kind in changed.items())


def _balanced(about: dict[str, Any], metric: str) -> str:
    """The treatment of rare classes, in words."""
    words = f"rare classes: trained with class_balance={about['balance']}"
    tried = [f"{metric} {format_score(value)} with {name}" for name, value in about["balances_tried"].items()]
    return f"{words}, chosen out of fold by boosted trees ({', '.join(tried)})" if tried else words


def format_estimate(finetuning: Finetuning) -> str:
    """A few lines for a terminal or a page: which part is best out of fold, and the estimate with its interval.

    A metric that is undefined for the rows, as ROC-AUC is for one class, gives no best part and no expected score.

    Args:
        finetuning: Result of finetuning an ensemble.

    Example:
        >>> scores = {"graph": {"value": 0.8, "low": 0.7, "high": 0.9}}
        >>> scores["trees"] = {"value": 1.0, "low": 0.9, "high": 1.1}
        >>> scores["ensemble"] = {"value": 0.75, "low": 0.7, "high": 0.8}
        >>> about = {"scores": scores, "best": "ensemble", "weights": {"graph": 0.7, "trees": 0.3}, "members": 5}
        >>> found = Finetuning("rmse", cross_fitting={**about, "rows": 100, "transform": "none", "imputed": 0})
        >>> print(format_estimate(found))
        out of fold (100 rows, 5 members; 95 % interval over rows):
          graph members  rmse 0.8000 (0.7000 to 0.9000)  weight 0.70
          boosted trees  rmse 1.0000 (0.9000 to 1.1000)  weight 0.30
          the ensemble   rmse 0.7500 (0.7000 to 0.8000)
        best out of fold: the ensemble
    """
    about = finetuning.cross_fitting
    metric = "skill" if "," in finetuning.metric else finetuning.metric
    unreliable = f", unreliable with {about['rare']}" if about.get("rare") else ""
    lines = [f"out of fold ({about['rows']} rows, {about['members']} members; 95 % interval over rows{unreliable}):"]
    width = max(len(PART_TITLES[name]) for name in about["scores"])
    for name, at in about["scores"].items():
        weight = f"  weight {about['weights'][name]:.2f}" if name in about["weights"] else ""
        ends = format_ends(at)
        value = format_score(at["value"]) + (f" ({ends})" if ends else "")
        lines.append(f"  {PART_TITLES[name]:{width}}  {metric} {value}{weight}")
    if not np.isnan(about["scores"][about["best"]]["value"]):
        lines.append(f"best out of fold: {PART_TITLES[about['best']]}")
    at = about.get("test")
    if at and (interval := format_ends(at)):
        molecules = f"{at['rows']} test molecule{'' if at['rows'] == 1 else 's'}"
        lines.append(f"expected on the {molecules}, if they resemble the others: {metric} {interval}")
    if about["transform"] != "none":
        chosen = ", chosen out of fold" if about.get("transforms_tried") else ""
        lines.append(f"labels transformed by {about['transform']}{chosen}")
    if about.get("balances_tried") or about.get("balance", "none") != "none":
        lines.append(_balanced(about, metric))
    if about.get("calibration"):
        before, after = (format_score(about["calibration"][name]) for name in ("before", "after"))
        lines.append(f"probabilities calibrated out of fold: log-loss {before} before, {after} after")
    if about.get("sources"):
        lines.append("predicted labels of each auxiliary table, in a linear model with features and all other tables:")
        lines += [f"  {line}" for line in format_gains(about["sources"])]
    if about["imputed"]:
        lines.append(f"{about['imputed']} feature values that could not be computed were imputed")
    return "\n".join(lines)
