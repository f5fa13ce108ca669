"""Runs side by side: comparable scores are compared, and the others are named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from molweight.errors import DataError
from molweight.report import RunSummary, render_side_by_side
from molweight.report._side_by_side import (
    _ensemble_section,
    _findings_section,
    _options_section,
    _scores_section,
    _trajectories_section,
    _weights_section,
)

Make = Callable[..., RunSummary]


@pytest.fixture
def first(make: Make) -> RunSummary:
    return make(name="first")


def _shifted(subject: RunSummary, name: str, by: float) -> RunSummary:
    """The same run with an error of ``by`` on every molecule."""
    assert subject.test_results is not None
    answers = np.nan_to_num(subject.test_results.targets) + np.float32(by)
    return replace(subject, name=name, test_results=replace(subject.test_results, predictions={"tapweight": answers}))


def _repeated(subject: RunSummary, times: int) -> RunSummary:
    """The same run on a larger test set: each molecule several times."""
    assert subject.test_results is not None
    results, count = subject.test_results, len(subject.test_results.smiles) * times
    many = replace(
        results,
        rows=np.arange(count),
        smiles=list(results.smiles) * times,
        targets=np.tile(results.targets, (times, 1)),
        predictions={name: np.tile(values, (times, 1)) for name, values in results.predictions.items()},
    )
    return replace(subject, test_results=many)


def test_gains_over_the_first_run(first: RunSummary) -> None:
    first = _repeated(first, 5)
    runs = [_shifted(first, "one", 0.5), _shifted(first, "better", 0.25), _shifted(first, "worse", -2.0)]
    section = _scores_section(runs)
    assert "better against one: better (gain 0.25, 95 % interval 0.25 to 0.25)." in section.words
    assert "worse against one: worse (gain -1.5, 95 % interval -1.5 to -1.5)." in section.words
    assert [row[2] for row in section.tables[0].rows] == ["0.5", "0.25", "2"]
    assert [row[4] for row in section.tables[0].rows] == ["-", "0.25 (0.25 to 0.25)", "-1.5 (-1.5 to -1.5)"]


def test_few_molecules_give_no_verdict(first: RunSummary) -> None:
    runs = [_shifted(first, "one", 0.5), _shifted(first, "better", 0.25)]
    section = _scores_section(runs)
    assert section.words[0] == "better against one: no verdict, 7 test molecules are too few (20 are needed)."
    assert section.tables[0].rows[1][4] == "0.25 (0.25 to 0.25)"
    assert _scores_section([_repeated(run, 3) for run in runs]).words[0].startswith("better against one: better (gain")


def _of_classes(make: Make, positives: list[int], rows: int = 80) -> list[RunSummary]:
    """Two runs on classes: the second ranks rare positives of the first target wrongly, and the others perfectly."""
    labels = np.stack([np.arange(rows) < count for count in positives], axis=1).astype(np.float32)
    noise = np.random.default_rng(0).uniform(size=labels.shape).astype(np.float32)
    made = make("classification", targets=len(positives), name="one")
    assert made.test_results is not None
    results = replace(made.test_results, rows=np.arange(rows), smiles=["C"] * rows, targets=labels)
    answers = labels.copy()
    answers[:, 0] = 1 - answers[:, 0] if len(positives) > 1 else answers[:, 0]
    return [
        replace(made, name=name, test_results=replace(results, predictions={"tapweight": found}))
        for name, found in (("one", noise), ("two", answers))
    ]


def test_targets_with_few_positives_have_no_part_in_a_verdict(make: Make) -> None:
    words = _scores_section(_of_classes(make, [1, 40])).words[0]
    alone = _scores_section(_of_classes(make, [40])).words[0]
    assert words.startswith("two against one: better (gain ")
    assert words.endswith(" Without 1 of 2 targets, which have fewer than 10 labels of a class.")
    assert alone.startswith("two against one: better (gain ")
    assert "Without" not in alone
    rare = _scores_section(_of_classes(make, [3])).words[0]
    assert rare == "two against one: no verdict, only 3 positives in the test set (10 are needed)."


def test_the_score_of_an_ensemble_outside_the_test_set_is_out_of_fold(first: RunSummary) -> None:
    scores = {"ensemble": {"value": 0.75, "low": 0.7, "high": 0.8}}
    fitted = {**first.about["finetuning"], "cross_fitting": {"scores": scores, "members": 5}}
    ensemble = replace(first, name="ensemble", about={**first.about, "finetuning": fitted})
    assert _scores_section([first, ensemble]).tables[0].header[-1] == "select, or out of fold (ensemble)"
    assert _scores_section([first, replace(first, name="other")]).tables[0].header[-1] == "select"


def test_classes_and_numbers_are_not_pooled_in_the_ensemble_of_runs(make: Make) -> None:
    made = make(targets=2)
    assert made.test_results is not None
    labels = np.arange(8, dtype=np.float32)[:, None] * np.array([1.0, 0.0], dtype=np.float32)
    labels[:, 1] = np.arange(8) % 2
    about = {**made.about, "task": "regression,classification"}
    about["finetuning"] = {**about["finetuning"], "metric": "rmse,roc_auc"}
    runs = []
    for name, shift in (("one", 0.1), ("two", -0.1), ("three", 0.3)):
        answers = np.stack([labels[:, 0] + shift * labels[:, 0], 0.5 + shift * np.cos(labels[:, 0])], axis=1)
        results = replace(made.test_results, targets=labels, predictions={"tapweight": answers.astype(np.float32)})
        runs.append(replace(made, name=name, about=about, test_results=results))
    section = _ensemble_section(runs)
    assert section.words[0].endswith("Only targets that are numbers are included.")
    assert section.tables[0].rows[0] == ["Spearman correlation of error and deviation", "1"]
    inside = section.tables[0].rows[-1]
    assert inside == ["labels inside the 95% interval", "100.0%"]


def test_other_molecules_labels_or_metrics_are_not_compared(first: RunSummary, make: Make) -> None:
    assert first.test_results is not None
    others = [
        replace(
            first,
            name="molecules",
            test_results=replace(first.test_results, smiles=["C", *first.test_results.smiles[1:]]),
        ),
        replace(first, name="labels", test_results=replace(first.test_results, targets=first.test_results.targets + 1)),
        replace(first, name="closed", test_results=None),
        make("classification", name="metric"),
    ]
    section = _scores_section([first, *others])
    assert section.words[0].startswith("molecules, labels, closed, metric: no comparison with first")
    assert [row[4] for row in section.tables[0].rows] == ["-"] * 5
    assert section.tables[0].rows[3][2] == "not evaluated"


def _with_option(subject: RunSummary, name: str, **options: Any) -> RunSummary:
    about = {**subject.about, "options": {**subject.options, **options}}
    return replace(subject, name=name, about=about)


def test_only_options_that_differ_are_listed(first: RunSummary) -> None:
    other = _with_option(first, "other", seed=4, encoder_options={"layers": 2, "width": 8})
    rows = _options_section([first, other]).tables[0].rows
    assert rows == [["seed", "3", "4"], ["encoder_options.width", "-", "8"]]
    assert _options_section([first, first]).words == ["All options and the data are the same."]


def test_options_of_the_command_line_are_compared_where_all_runs_have_them(first: RunSummary) -> None:
    one = replace(first, config="name: a\non_error: skip\ntargets: [y]\n")
    other = replace(first, name="other", config="name: b\non_error: raise\ntargets: [y]\n")
    assert _options_section([one, other]).tables[0].rows == [["on_error", "skip", "raise"]]
    assert _options_section([one, replace(first, config=None)]).words == ["All options and the data are the same."]
    with pytest.raises(DataError, match=r"config\.yaml of other is damaged"):
        _options_section([one, replace(other, config="[")])


def test_weights_side_by_side(first: RunSummary) -> None:
    other = replace(first, name="other", about={**first.about, "weights": {"graphcl": 1.0}})
    plain = replace(first, name="plain", about={**first.about, "weights": {}}, records=[])
    table = _weights_section([first, other, plain]).tables[0]
    assert list(table.header) == ["objective", "first", "other"]
    assert table.rows == [["attribute_masking", "0.9", "-"], ["graphcl", "0.1", "1"]]
    assert _weights_section([plain]).words == _trajectories_section([plain]).words
    assert len(_trajectories_section([first, plain]).figures) == 2


def test_findings_name_their_run(first: RunSummary) -> None:
    found = {**first.about, "findings": [{"message": "something"}]}
    assert _findings_section([first, replace(first, name="other", about=found)]).words == ["other: something"]


def test_names_are_text(first: RunSummary) -> None:
    text = render_side_by_side([first, replace(first, name="<script>")])
    assert "<script" not in text
    assert "&lt;script&gt;" in text
