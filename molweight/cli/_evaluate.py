"""``molweight evaluate``: a run against the labels of a table."""

import logging
from dataclasses import asdict
from typing import Final

import numpy as np
from jsonargparse import Namespace

from molweight.cli._data_options import reading_of
from molweight.cli._molecules import column_features, parsed_table
from molweight.cli._output import begin, result
from molweight.cli._standard_form import with_standard_form
from molweight.datasets import from_file, score
from molweight.datasets.internal import (
    TrainLabels,
    class_accuracy,
    exact_labels,
    format_bounds,
    format_classes,
    format_endpoints,
    format_rankings,
    format_score,
    in_train_units,
    rankings,
    read_test_file,
    violated_bounds,
    with_feature_columns,
)
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset
from molweight.runs import Run, load

__all__ = ["run"]

_LOG: Final = logging.getLogger(__name__)
_SHOWN: Final = 10


def run(options: Namespace) -> None:
    """Predict, score, print.

    The score is that of the rows with an exact label, which are counted as ``labelled``; ``molecules`` are all rows.
    """
    begin(options)
    model = load(options.run, options.device)
    options = with_standard_form(options, model)
    targets, task = model.target_names, model.model.task
    data = _table(options, model)
    metric = options.metric or model.finetuning.metric
    predicted = model.predict(parsed_table(model, data))
    everything = np.arange(len(data))
    labels = exact_labels(data, everything)
    found = score(metric, labels, predicted, targets)
    bounds, ranked = violated_bounds(data, everything, predicted), rankings(labels, predicted, targets)
    classes = class_accuracy(labels, predicted) if task == "multiclass" else {}
    labelled = ~np.isnan(labels).all(axis=1)
    scored, word = int(labelled.sum()), "" if labelled.all() else "labelled "
    sample = f"{scored} {word}of {len(data)} molecules" if word else f"{len(data)} molecules"
    lines = [f"{metric} on {data.name} ({sample}): {format_score(found.value)}"]
    if metric == "scaled_rmse" or "," in metric:
        lines = [f"{'skill' if ',' in metric else metric} on {lines[0].partition(' on ')[2]}"]
        lines += [format_endpoints(labels, predicted, targets, metric)]
    lines += [f"{name.replace('_', ' ')}: {value:.4f}" for name, value in classes.items()]
    lines += format_rankings(ranked) + format_bounds(bounds)
    seen = model.seen(list(data.smiles))
    known = None if seen is None else int((seen & labelled).sum())
    if known:
        used = f"{known} of {scored} {word}molecules were used"
        lines += [f"{used} to train or select the model, so this score is too optimistic"]
    counts = {"molecules": len(data), "labelled": scored, "seen": known}
    shown = {"data": data.name, **counts, **asdict(found), **classes}
    ranking = {name: asdict(item) for name, item in ranked.items()}
    result(options, {**shown, "violated_bounds": bounds, "ranking": ranking}, "\n".join(lines))


def _table(options: Namespace, model: Run) -> MoleculeDataset:
    """The labelled table, with the columns that the model reads as features.

    Raises:
        DataError: If the table has no labels of the model's targets.
    """
    how = reading_of(options)
    train, names = _labels(model), column_features(model)
    if train is None or options.positive is not None:
        how |= {"targets": model.target_names, "task": model.model.task}
        data = from_file(options.table, **how)
        data = data if train is None else in_train_units(data, train)
        _warn_of_words(options, data)
    else:
        data = read_test_file(options.table, train, replicates=options.duplicates, **how)
    if not data.target_names:
        raise DataError(
            f"{options.table}: no column has labels of {', '.join(model.target_names[:_SHOWN])}. Name the columns of "
            "labels as in the table that the model was fitted on; molweight predict needs no labels."
        )
    return with_feature_columns(data, options.table, names, **how) if names else data


def _labels(model: Run) -> TrainLabels | None:
    """The labels that a run was trained on; ``None`` for an earlier version, which did not store classes."""
    about, task = model.trained_on, model.model.task
    if "codes" not in about:
        return None
    name, decimals, units = str(about.get("name", "the training table")), about.get("decimals", {}), about.get("units")
    return TrainLabels(name, task, model.finetuning.metric, model.target_names, about["codes"], decimals, units)


def _warn_of_words(options: Namespace, data: MoleculeDataset) -> None:
    """Warn if classes of words are guessed, because the run does not know them."""
    if options.positive is None and data.codes and data.task != "multiclass":
        _LOG.warning(
            "%s was written by an earlier version, which did not store the meaning of words. In this table %s; if the "
            "model was fitted with the other class as class 1, name it with --positive",
            options.run, format_classes({"codes": data.codes}),
        )  # fmt: skip
