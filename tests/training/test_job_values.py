"""A job is a value: it is equal to another if their options are, and it holds plain values only."""

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from molweight.errors import OptionError
from molweight.options import AdaptationOptions, EncoderOptions, Job, PretrainingOptions

OF_NUMPY: dict[str, Any] = {
    "steps": np.int64(5),
    "seed": np.int64(3),
    "finetune_lr": np.float32(0.5),
    "minutes": np.float64(2),
    "track_encoder": np.bool_(0),
    "encoder": np.str_("gin"),
    "encoder_options": {"layers": np.int64(2), "virtual_node": np.bool_(1)},
    "objective_options": {"graphcl": {"strength": np.float64(0.5)}},
    "weighting_options": {"betas": np.array([0.5, 0.75]), "prior": {"graphcl": np.float32(1)}, "both": (np.int8(1),)},
    "objectives": np.array(["graphcl", "descriptors"]),
    "features": pd.Series(["descriptors"]),
    "partners": np.array([], dtype=str),
}
PLAIN: dict[str, Any] = {
    "steps": 5,
    "seed": 3,
    "finetune_lr": 0.5,
    "minutes": 2.0,
    "track_encoder": False,
    "encoder": "gin",
    "encoder_options": {"layers": 2, "virtual_node": True},
    "objective_options": {"graphcl": {"strength": 0.5}},
    "weighting_options": {"betas": [0.5, 0.75], "prior": {"graphcl": 1.0}, "both": [1]},
    "objectives": ["graphcl", "descriptors"],
    "features": ["descriptors"],
    "partners": [],
}


def test_values_of_numpy_become_plain_ones() -> None:
    job = Job(**OF_NUMPY)
    assert json.loads(json.dumps(job.options())) == job.options() == {**Job().options(), **PLAIN}
    assert job == Job(**PLAIN)
    assert type(job.seed) is type(job.encoder_options["layers"]) is int
    assert type(job.track_encoder) is bool


def test_values_of_numpy_are_checked_like_plain_ones() -> None:
    refused: list[tuple[str, Any, str]] = [
        ("steps", np.float64(5), "steps=5.0 must be a whole number"),
        ("steps", np.int64(-1), "steps=-1 must not be negative"),
        ("steps", np.arange(2), r"steps=\[0, 1\] must be a whole number"),
        ("finetune_lr", np.float32("nan"), "finetune_lr=nan must be a finite number"),
        ("track_encoder", np.int64(1), "track_encoder=1 must be true or false"),
        ("objectives", np.str_("graphcl"), r"objectives='graphcl' must be a list. Write \['graphcl'\]"),
        ("objectives", 3, "objectives=3 must be a list"),
    ]
    for name, value, message in refused:
        with pytest.raises(OptionError, match=message):
            Job(**{name: value})


@pytest.mark.parametrize("job", [Job(), Job(**PLAIN), Job(weighting_options={"betas": (0.5, 0.75)}, aux=["esol"])])
def test_a_job_is_equal_to_the_one_read_from_its_options(job: Job) -> None:
    for options in (job.options(), yaml.safe_load(yaml.safe_dump(job.options())), vars(job)):
        assert Job(**options) == job
        assert hash(Job(**options)) == hash(job)
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - written by this test
    assert len({job, Job(**job.options()), replace(job, seed=7), replace(job, encoder_options={"layers": 7})}) == 3


def test_groups_are_hashable_too() -> None:
    for group, options in (
        (EncoderOptions, {"encoder_options": {"layers": 2}}),
        (PretrainingOptions, {"objective_options": {"graphcl": {"strength": 0.5}}, "objectives": ["graphcl"]}),
        (AdaptationOptions, {"weighting_options": {"betas": [0.5, 0.75]}}),
    ):
        assert hash(group(**options)) == hash(group(**options))
        assert len({group(), group(**options)}) == 2


def test_a_job_does_not_change_with_the_options_it_was_given() -> None:
    options = {"layers": 2}
    job = Job(encoder_options=options)
    options["layers"] = 3
    assert job.encoder_options == {"layers": 2}
