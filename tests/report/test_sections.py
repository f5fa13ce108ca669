"""What single sections say, and what they say where something is missing."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from molweight.datasets import audit, from_smiles
from molweight.report import RunSummary, TestResults
from molweight.report._about_sections import audit_section, configuration_section
from molweight.report._section import Section
from molweight.report._test_sections import (
    NOT_OPENED,
    calibration_section,
    map_section,
    scores_section,
    worst,
    wrong_section,
)
from molweight.report._training_sections import (
    history_series,
    losses_section,
    schedule_section,
    solver_section,
    weights_section,
)

Make = Callable[..., RunSummary]


def _opened(subject: RunSummary) -> TestResults:
    assert subject.test_results is not None
    return subject.test_results


def test_scores_stand_beside_their_baselines(make: Make) -> None:
    made = make()
    section = scores_section(made)
    table = section.tables[0]
    assert list(table.header)[:4] == ["method", "test RMSE", "95 % interval", "gain of TapWeight over it"]
    assert [row[0] for row in table.rows] == ["equal weights", "TapWeight"]
    known = ~np.isnan(_opened(made).targets[:, 0])
    error = (_opened(made).predictions["equal"] - _opened(made).targets)[known, 0].astype(np.float64)
    assert float(table.rows[0][1]) == pytest.approx(np.sqrt(np.mean(error**2)), abs=5e-4)
    assert table.rows[0][4:] == ["0.7", "10"]
    assert table.rows[1][3] == "itself"


def test_a_clear_difference_is_said_in_words(make: Make) -> None:
    """Errors of 0.1 and of 2 on every molecule."""
    made = make()
    labels = np.nan_to_num(_opened(made).targets)
    opened = replace(_opened(made), predictions={"equal": labels + 2, "tapweight": labels + 0.1})
    assert "TapWeight is better than equal weights" in " ".join(
        scores_section(replace(made, test_results=opened)).words
    )
    opened = replace(opened, predictions={"equal": labels, "tapweight": labels + 0.1})
    assert "TapWeight is worse than equal weights" in " ".join(scores_section(replace(made, test_results=opened)).words)
    opened = replace(opened, predictions={"equal": labels + 1, "tapweight": labels - 1})
    assert "support no difference between TapWeight" in " ".join(
        scores_section(replace(made, test_results=opened)).words
    )


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
    assert "No audit was kept" in audit_section(make(audit=None)).words[0]
    assert "not started on the command line" in configuration_section(make(config=None)).words[0]


def test_what_calibration_compares_is_named(make: Make) -> None:
    made = make("classification")
    labels = _opened(made).targets[~np.isnan(_opened(made).targets)]
    share = labels.mean()
    (words,) = calibration_section(made).words
    assert words.startswith(
        f"Brier score of always predicting the share of ones ({share:.3g}): {share * (1 - share):.3g}"
    )
    assert "Both Brier score and ECE are better when lower" in words


def test_the_audit_counts_rows_and_labels_apart(make: Make) -> None:
    """Nothing is said of what did not occur."""
    data = from_smiles(["C", "?", "CC", "CCC"], [0.5, 1.5, math.inf, 2.5], cache=False, on_error="nan")
    section = audit_section(make(audit=audit(data, n_jobs=1)))
    facts = {row[0]: row[1] for row in section.tables[0].rows}
    assert facts["molecules in use"] == "3"
    assert facts["rows without a molecule"] == "1"
    assert facts["labels that cannot be read, taken as missing"] == "1"
    assert "rows left out for a label that cannot be read" not in facts
    assert "3 molecules, 1 row without a molecule, 1 label taken as missing" in section.texts[0].content


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
    order = np.argsort(-np.nan_to_num(error, nan=-1))[:7]  # of eight, one has no label
    cards = wrong_section(made).cards
    assert [card.lines[1] for card in cards] == [f"row {10 + place}" for place in order]
    assert all("<path" in card.svg for card in cards)


def test_the_worst_are_coloured_by_what_their_atoms_add(make: Make) -> None:
    made = make()
    first, second = worst("regression", _opened(made), "tapweight")[:2]
    atoms = {0: 3, 1: 6, 2: 13, 3: 5, 4: 8, 5: 6, 6: 7, 7: 3}
    section = wrong_section(replace(made, shares={first: np.linspace(-1, 1, atoms[first[0]])}))
    assert "color-mix(in srgb, var(--s2) 70%, transparent)" in section.cards[0].svg
    assert "color-mix" not in section.cards[1].svg
    assert "Shapley" in section.words[1]
    assert second != first


def test_what_cannot_be_drawn_is_still_listed(make: Make) -> None:
    made = make()
    cards = wrong_section(replace(made, test_results=replace(_opened(made), smiles=["no molecule"] * 8))).cards
    assert [card.svg for card in cards] == [""] * 7


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


def test_learning_rates_are_those_of_the_stages(make: Make) -> None:
    caption = schedule_section(make()).figures[0].caption
    assert "generic pretraining: 10 at 0.001; adaptive pretraining: 30 at 0.001" in caption
    assert "finetuning (in epochs): 3 at 0.002" in caption


def test_solves_are_counted(make: Make) -> None:
    section = solver_section(make())
    assert section.tables[0].rows == [["finetune", "15", "3", "converged 15"]]
    assert section.words == ["Nothing was found wrong in adaptive pretraining."]


def test_a_long_run_is_drawn_by_its_means(make: Make) -> None:
    record = make().records[1]
    made = make(records=[{**record, "step": step} for step in range(20_000)])
    figure = weights_section(made).figures[0]
    assert "Each point is a mean over 80 steps" in figure.caption
    assert len(figure.svg) < 40_000
    places, values = history_series(made.records, "weights")["graphcl"]
    assert (len(places), places[0], places[-1]) == (250, 39.5, 19_959.5)
    np.testing.assert_allclose(values, record["weights"]["graphcl"])
