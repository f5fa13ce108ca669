"""Objectives that collapse alone are warned of."""

import logging

import pytest

from molweight.models.internal import build_pretrainer


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        (["masked_consistency"], True),
        (["masked_consistency", "attribute_masking"], False),
        (["edge_prediction"], False),
    ],
    ids=["alone", "in company", "another alone"],
)
def test_a_run_that_may_collapse_is_warned_of(names: list[str], warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        build_pretrainer("gin", {"layers": 1, "width": 4}, names, {})
    assert ("may collapse to the same vector" in caplog.text) is warned
