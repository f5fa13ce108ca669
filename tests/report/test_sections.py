"""What single sections say, and what they say where something is missing."""

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from molweight.datasets import audit, from_smiles
from molweight.report import RunSummary, TestResults, render_side_by_side
from molweight.report._about_sections import audit_section, configuration_section, summary_section
from molweight.report._conclusion import FEWEST, conclude
from molweight.report._format import number
from molweight.report._prediction_section import calibration_section
from molweight.report._result_section import NOT_OPENED, scores_section
from molweight.report._run_summary import LEAST_SHOWN
from molweight.report._section import Section
from molweight.report._source_section import sources_section
from molweight.report._test_sections import map_section, worst, wrong_section
from molweight.report._training_sections import (
    history_series,
    losses_section,
    schedule_section,
    solver_section,
    weights_section,
)
from molweight.runs._finetuning import Finetuning
from molweight.runs.internal import format_estimate

Make = Callable[..., RunSummary]


def _opened(subject: RunSummary) -> TestResults:
    assert subject.test_results is not None
    return subject.test_results


def _large(make: Make, task: str = "regression", targets: int = 1) -> RunSummary:
    """A run whose test set is large enough for a verdict: the eight molecules, five times."""
    made = make(task, targets=targets)
    results = _opened(made)
    random = np.random.default_rng(1)
    labels = np.tile(np.nan_to_num(results.targets), (5, 1))
    predictions = {name: np.tile(values, (5, 1)) for name, values in results.predictions.items()}
    predictions = {
        name: values + random.normal(0, 1e-3, values.shape).astype(np.float32) for name, values in predictions.items()
    }
    many = replace(results, rows=np.arange(40), smiles=list(results.smiles) * 5, targets=labels)
    return replace(made, test_results=replace(many, predictions=predictions), embedding=None)


def _verdict(made: RunSummary, **predictions: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> str:
    section = scores_section(replace(made, test_results=replace(_opened(made), predictions=predictions)))
    assert section.lead is not None
    return section.lead.verdict


def test_options_that_were_learned_are_drawn_and_listed(make: Make) -> None:
    made, name = make(), "graphcl.temperature"
    found = [
        {**record, "learned": {name: 0.1 + step / 100}, "next_learned": {name: 0.11 + step / 100}}
        for step, record in enumerate(made.records)
    ]
    section = weights_section(replace(made, records=found))
    assert len(section.figures) == 2
    assert section.tables[1].rows == [[name, "0.1", "0.4"]]
    assert len(weights_section(made).figures) == 1


def test_a_run_that_ended_early_says_so(make: Make) -> None:
    made = make()
    taken = [{**record, "hypergradient": {"a": step % 3, "b": 1.0}} for step, record in enumerate(made.records)]
    found = [*taken[:-1], {**taken[-1], "ended": "ended after 30 of 90 steps, as no verdict is likely to change"}]
    assert any("ended after 30 of 90 steps" in text for text in sources_section(replace(made, records=found)).words)
    assert not any("ended after" in text for text in sources_section(replace(made, records=taken)).words)


def test_the_score_comes_first_with_its_baselines(make: Make) -> None:
    made = make()
    section = scores_section(replace(made, folder="runs/mine"))
    lead, table = section.lead, section.tables[0]
    assert lead is not None
    assert lead.label == "test RMSE, lower is better"
    assert lead.command == "molweight predict runs/mine new.csv"
    spaced = scores_section(replace(made, folder="runs/my table")).lead
    assert spaced is not None
    assert spaced.command == "molweight predict 'runs/my table' new.csv", "as a shell reads it"
    assert [name for name, _ in lead.facts] == ["R\N{SUPERSCRIPT TWO}", "mean absolute error"]
    assert [row[0] for row in table.rows] == ["equal weights", "TapWeight"]
    known = ~np.isnan(_opened(made).targets[:, 0])
    error = (_opened(made).predictions["equal"] - _opened(made).targets)[known, 0].astype(np.float64)
    assert float(table.rows[0][1].split()[0]) == pytest.approx(np.sqrt(np.mean(error**2)), abs=5e-4)
    assert [row[2:] for row in table.rows][1] == ["-", "12"]
    assert "Scores of the methods with their intervals" in section.figures[0].svg


def test_a_clear_difference_is_said_in_words(make: Make) -> None:
    """Errors of 0.1 and of 2 on every molecule."""
    made = _large(make)
    labels = _opened(made).targets
    better = _verdict(made, mean=labels + 3, descriptor_trees=labels + 2, tapweight=labels + 0.1)
    assert better == (
        "Better than trees on descriptors: RMSE lower by 1.9 (95 % CI 1.9 to 1.9). "
        "Better than the mean of the labels: RMSE lower by 2.9 (95 % CI 2.9 to 2.9)."
    )
    worse = _verdict(made, descriptor_trees=labels, tapweight=labels + 0.1)
    assert worse == "Worse than trees on descriptors: RMSE higher by 0.1 (95 % CI 0.1 to 0.1)."
    noise = np.random.default_rng(0).normal(size=(len(labels), 1)).astype(np.float32)
    same = _verdict(made, descriptor_trees=labels + noise, tapweight=labels + noise[::-1])
    assert same.startswith("No significant difference from trees on descriptors (gain ")
    assert _verdict(made, tapweight=labels) == "No verdict: no baseline was evaluated on these molecules."


def _roles(made: RunSummary, **data: object) -> str:
    about = {**made.about, "data": {**made.about["data"], **data}}
    rows = summary_section(replace(made, about=about)).tables[0].rows
    return next(value for name, value in rows if name == "roles")


def test_the_roles_are_those_of_the_run(make: Make) -> None:
    made = make()
    once, none = "test is evaluated once", {"train": 60, "test": 0}
    assert _roles(made) == f"the weights are learned on meta, the checkpoint is chosen on select, {once}"
    chosen = "the weights and the checkpoint are chosen on the same molecules (protocol paper)"
    assert _roles(made, protocol="paper") == f"{chosen}, {once}"
    fixed = [{name: value for name, value in record.items() if name != "meta_loss"} for record in made.records]
    for records in ([], fixed):
        assert _roles(replace(made, records=records)) == f"the checkpoint is chosen on select, {once}"
    found = {"weights": {"graph": 0.5, "trees": 0.5}, "members": 5}
    fitted = replace(made, about={**made.about, "finetuning": {**made.about["finetuning"], "cross_fitting": found}})
    learned, crossed = (
        "the weights are learned on meta",
        "members and partners are cross-fitted on train, meta and select",
    )
    assert _roles(fitted) == f"{learned}, {crossed}, {once}"
    assert _roles(fitted, sizes=none) == f"{learned}, {crossed}"
    assert _roles(replace(fitted, records=[]), sizes=none) == crossed
    assert _roles(fitted, protocol="paper") == f"{learned}, {crossed} (the same as meta), {once}"


def test_few_molecules_give_no_verdict(make: Make) -> None:
    made = make()
    found = conclude(_opened(made), "tapweight", "rmse", ["regression"])
    assert found.verdict == f"No verdict: 7 test molecules are too few ({FEWEST} are needed)."
    parts = {"scores": {"graph": {"value": 1.0, "low": 0.5, "high": 2.0}}, "rows": 72}
    about = {**made.about, "finetuning": {**made.about["finetuning"], "cross_fitting": parts}}
    lead = scores_section(replace(made, about=about)).lead
    assert lead is not None
    assert lead.verdict.endswith("Out of fold, on 72 rows: 1 (95 % CI 0.5 to 2).")


def test_one_molecule_has_a_score_but_no_interval(make: Make) -> None:
    made = make()
    labels = _opened(made).targets.copy()
    labels[np.flatnonzero(~np.isnan(labels[:, 0]))[1:]] = np.nan
    one = replace(_opened(made), targets=labels)
    single = replace(made, test_results=one)
    found = conclude(one, "tapweight", "rmse", ["regression"])
    assert found.verdict == f"No verdict: 1 test molecule is too few ({FEWEST} are needed)."
    assert found.sentence.startswith(f"test RMSE {number(found.own.value)} on 1 test molecule")
    section = scores_section(single)
    assert section.lead is not None
    assert section.lead.detail == "1 test molecule"
    assert {row[1] for row in section.tables[0].rows} == {number(at.value) for at in found.scores.values()}
    assert not section.figures
    page = render_side_by_side([single, replace(single, name="other")])
    assert "1 test molecule is too few" in page
    assert not re.search(r"95 % interval [\d-]", page)


def _ranked(positives: list[int], rows: int = 120) -> TestResults:
    """A test set with some positives of each target, ranked well by the run and at random by the trees."""
    rng = np.random.default_rng(0)
    labels = np.stack([np.arange(rows) % (rows // count) == 0 for count in positives], axis=1).astype(np.float32)
    good, random = labels + rng.normal(0, 0.5, labels.shape), rng.normal(size=labels.shape)
    names = [f"y{place}" for place in range(len(positives))]
    predictions = {"tapweight": good.astype(np.float32), "descriptor_trees": random.astype(np.float32)}
    return TestResults(np.arange(rows), ["C"] * rows, names, labels, predictions)


@pytest.mark.parametrize(("positives", "word"), [(1, "only 1 positive"), (6, "only 6 positives"), (12, "")])
def test_few_positives_give_no_verdict(positives: int, word: str) -> None:
    results = _ranked([positives])
    assert (results.targets == 1).sum() == positives
    found = conclude(results, "tapweight", "roc_auc", ["classification"])
    if not word:
        assert found.verdict.startswith("Better than trees on descriptors: ROC-AUC higher by ")
        assert "unreliable" not in found.sentence
        return
    assert found.verdict == f"No verdict: {word} in the test set (10 are needed)."
    assert f", unreliable with {word}) on 120 test molecules" in found.sentence
    inverted = replace(results, targets=1 - results.targets)
    assert (
        word.replace("positive", "negative") in conclude(inverted, "tapweight", "roc_auc", ["classification"]).verdict
    )


def test_a_verdict_on_several_targets_leaves_out_those_with_few_positives() -> None:
    found = conclude(_ranked([1, 40]), "tapweight", "roc_auc", ["classification"] * 2)
    alone = conclude(_ranked([40]), "tapweight", "roc_auc", ["classification"])
    assert found.verdict.startswith("Better than trees on descriptors: ROC-AUC higher by ")
    assert found.verdict.endswith(" Without 1 of 2 targets, which have fewer than 10 labels of a class.")
    assert alone.verdict.startswith("Better than trees on descriptors")
    assert not found.too_few
    none = conclude(_ranked([1, 3]), "tapweight", "roc_auc", ["classification"] * 2)
    assert none.verdict == "No verdict: too few positives or negatives of each target in the test set (10 are needed)."
    assert none.too_few


def test_an_estimate_on_few_positives_is_called_unreliable() -> None:
    parts = {name: {"value": 0.9, "low": 0.8, "high": 0.95} for name in ("graph", "ensemble")}
    about = {"scores": parts, "best": "ensemble", "weights": {"graph": 1.0}, "members": 5, "rows": 100}
    about |= {"transform": "none", "imputed": 0, "rare": "only 4 positives"}
    first = format_estimate(Finetuning("roc_auc", cross_fitting=about)).splitlines()[0]
    assert first == "out of fold (100 rows, 5 members; 95 % interval over rows, unreliable with only 4 positives):"


def test_labels_that_are_bounds_are_counted(make: Make) -> None:
    made = make()
    assert "bounds" not in str(summary_section(made))
    about = {**made.about, "data": {**made.about["data"], "bounds": 3, "labels": 40}}
    assert "3 of 40 labels are bounds (one-sided loss)" in str(summary_section(replace(made, about=about)))


def test_classes_are_drawn_by_their_curves(make: Make) -> None:
    section = calibration_section(_large(make, "classification"))
    titles = [figure.svg.split("</title>")[0].split(">")[-1] for figure in section.figures]
    assert titles == ["ROC curves of y&lt;0&gt;", "Precision-recall curves of y&lt;0&gt;", "Reliability diagram"]
    lead = scores_section(_large(make, "classification")).lead
    assert lead is not None
    assert [name for name, _ in lead.facts] == ["average precision"]


def test_each_kind_of_target_has_its_own_drawings(make: Make) -> None:
    """A class and a number in one table."""
    made = _large(make, targets=2)
    results = _opened(made)
    labels = results.targets.copy()
    labels[:, 0] = labels[:, 0] > 0
    predictions = {name: np.clip(values, 0.01, 0.99) for name, values in results.predictions.items()}
    about = {**made.about, "task": "classification,regression"}
    about["finetuning"] = {**about["finetuning"], "metric": "roc_auc,rmse"}
    mixed = replace(made, about=about, test_results=replace(results, targets=labels, predictions=predictions))
    section = calibration_section(mixed)
    titles = [figure.svg.split("</title>")[0].split(">", 2)[-1] for figure in section.figures]
    assert [title.split(" of ")[0] for title in titles] == [
        "ROC curves",
        "Precision-recall curves",
        "Parity plot",
        "Share",
        "Reliability diagram",
    ]
    table = scores_section(mixed).tables[1]
    assert list(table.header)[-3:] == ["average precision", "R\N{SUPERSCRIPT TWO}", "mean absolute error"]
    assert [row[-3] == "-" for row in table.rows] == [False, True]
    assert [row[-1] == "-" for row in table.rows] == [True, False]
    assert worst("classification,regression", _opened(mixed), "tapweight")


def test_scores_by_target(make: Make) -> None:
    tables = scores_section(make("classification", targets=3)).tables
    assert [row[0] for row in tables[1].rows] == ["y<0>", "y<1>", "y<2>"]
    assert [row[1] for row in tables[1].rows] == ["7", "8", "8"]


@pytest.mark.parametrize("section", [scores_section, calibration_section, map_section, wrong_section])
def test_a_test_set_that_was_not_opened_is_said(section: Callable[[RunSummary], Section], make: Make) -> None:
    assert section(make(test_results=None, embedding=None)).words == [NOT_OPENED]


@pytest.mark.parametrize("section", [weights_section, losses_section, solver_section])
def test_no_continued_pretraining_is_said(section: Callable[[RunSummary], Section], make: Make) -> None:
    words = section(make(records=[])).words
    assert len(words) == 1
    assert "no adaptive pretraining" in words[0]


def test_what_was_not_kept_is_said(make: Make) -> None:
    assert "No audit is stored" in audit_section(make(audit=None)).words[0]
    assert "not started on the command line" in configuration_section(make(config=None)).words[0]


def test_what_calibration_compares_is_named(make: Make) -> None:
    made = make("classification")
    labels = _opened(made).targets[~np.isnan(_opened(made).targets)]
    share = labels.mean()
    (note,) = calibration_section(made).notes
    assert note == f"Brier score of always predicting the share of positives ({share:.3g}): {share * (1 - share):.3g}."
    assert calibration_section(made).tables[0].caption == "Calibration, lower is better"


def test_the_audit_counts_rows_and_labels_apart(make: Make) -> None:
    """The report is silent about events that did not occur."""
    data = from_smiles(["C", "?", "CC", "CCC"], [0.5, 1.5, math.inf, 2.5], cache=False, on_error="nan")
    section = audit_section(make(audit=audit(data, n_jobs=1)))
    facts = {row[0]: row[1] for row in section.tables[0].rows}
    assert facts["molecules in use"] == "3"
    assert facts["rows without a molecule"] == "1"
    assert facts["labels that cannot be read, treated as missing"] == "1"
    assert "rows left out because a label cannot be read" not in facts
    assert "3 molecules, 1 row without a molecule, 1 label treated as missing" in section.texts[0].content


def test_labels_that_are_all_missing(make: Make) -> None:
    made = make("classification")
    unknown = replace(_opened(made), targets=np.full_like(_opened(made).targets, np.nan))
    made = replace(made, test_results=unknown)
    assert calibration_section(made).words == ["No test molecule has a label."]
    assert "No test molecule has a label for y<0>" in map_section(made).words[0]
    assert wrong_section(made).cards == []
    assert scores_section(made).tables[0].rows[0][1:3] == ["-", "-"]


def test_the_worst_molecules_come_first(make: Make) -> None:
    made = make()
    error = np.abs(_opened(made).targets - _opened(made).predictions["tapweight"])[:, 0]
    order = np.argsort(-np.nan_to_num(error, nan=-1))[:4]  # a fifth, 4 at least
    cards = wrong_section(made).cards
    assert [card.lines[1] for card in cards] == [f"row {10 + place}" for place in order]
    assert all("<path" in card.svg for card in cards)


def test_a_fifth_of_the_test_set_is_worst(make: Make) -> None:
    large = _large(make)
    assert len(worst("regression", _opened(large), "tapweight")) == 40 // 5
    results = _opened(large)
    tiled = replace(
        results,
        targets=np.tile(results.targets, (3, 1)),
        predictions={name: np.tile(values, (3, 1)) for name, values in results.predictions.items()},
    )
    assert len(worst("regression", tiled, "tapweight")) == 12


def test_the_worst_are_coloured_by_what_their_atoms_add(make: Make) -> None:
    made = make()
    first, second = worst("regression", _opened(made), "tapweight")[:2]
    atoms = {0: 3, 1: 6, 2: 13, 3: 5, 4: 8, 5: 6, 6: 7, 7: 3}
    section = wrong_section(replace(made, shares={first: np.linspace(-1, 1, atoms[first[0]])}))
    assert "color-mix(in srgb, var(--s2) 70%, transparent)" in section.cards[0].svg
    assert "color-mix" not in section.cards[1].svg
    assert "Shapley" in section.words[1]
    assert second != first


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (1.0, "the share of each atom in the prediction (Shapley"),
        (0.3, "in the graph members' part of the prediction, whose weight in the ensemble is 0.30 of 1 (Shapley"),
        (0.02, "Atoms are not coloured: only the graph members respond to single atoms"),
    ],
)
def test_the_colours_are_said_to_be_those_of_the_graph_members(weight: float, said: str, make: Make) -> None:
    made = make()
    first = worst("regression", _opened(made), "tapweight")[0]
    atoms = {0: 3, 1: 6, 2: 13, 3: 5, 4: 8, 5: 6, 6: 7, 7: 3}
    about = {**made.about, "ensemble": {"weights": [weight, 1 - weight]}}
    shares = {first: np.linspace(-1, 1, atoms[first[0]])} if weight >= LEAST_SHOWN else {}
    assert said in wrong_section(replace(made, about=about, shares=shares)).words[1]


def test_what_cannot_be_drawn_is_still_listed(make: Make) -> None:
    made = make()
    cards = wrong_section(replace(made, test_results=replace(_opened(made), smiles=["no molecule"] * 8))).cards
    assert [card.svg for card in cards] == [""] * 4


def test_maps_that_cannot_be_drawn(make: Make) -> None:
    same = map_section(make(embedding=np.ones((8, 5), dtype=np.float32)))
    assert same.words == ["All test molecules have the same vector: the encoder has collapsed."]
    few = np.full((8, 5), np.nan, dtype=np.float32)
    few[:2] = 1.0
    assert map_section(make(embedding=few)).words == ["There are too few test molecules for a map."]


def test_weights_end_where_the_run_ended(make: Make) -> None:
    section = weights_section(make())
    assert section.tables[0].rows == [["attribute_masking", "0.5", "0.9"], ["graphcl", "0.5", "0.1"]]
    assert "attribute_masking 0.887, graphcl 0.113" in section.figures[0].svg


def test_what_is_constant_is_not_drawn(make: Make) -> None:
    solve = {"finetune": {"iterations": 0, "outcome": "unchecked"}}
    record = {**make().records[1], "solves": solve}
    made = make(records=[{**record, "step": step} for step in range(5)])
    assert weights_section(made).figures == []
    assert [row[0] for row in weights_section(made).tables[0].rows] == ["attribute_masking", "graphcl"]
    section = solver_section(made)
    assert (section.figures, section.tables) == ([], [])
    assert "solves no linear system" in section.words[1]
    assert "constant learning rates: pretraining 0.001, finetuning 0.002" in schedule_section(made).words[0]
    assert len(schedule_section(made).figures) == 1


def test_solves_are_counted(make: Make) -> None:
    section = solver_section(make())
    assert section.tables[0].rows == [["finetune", "15", "3", "converged 15"]]
    assert section.words == ["No findings in adaptive pretraining."]


def test_a_long_run_is_drawn_by_its_means(make: Make) -> None:
    record = make().records[1]
    shares = [step / 20_000 for step in range(20_000)]
    made = make(
        records=[
            {**record, "step": step, "weights": {"attribute_masking": share, "graphcl": 1 - share}}
            for step, share in enumerate(shares)
        ]
    )
    figure = weights_section(made).figures[0]
    assert "Each point is a mean over 80 steps" in figure.caption
    assert len(figure.svg) < 40_000
    places, values = history_series(made.records, "weights")["graphcl"]
    assert (len(places), places[0], places[-1]) == (250, 39.5, 19_959.5)
    np.testing.assert_allclose(values[[0, -1]], [1 - 39.5 / 20_000, 1 - 19_959.5 / 20_000])
