"""Options with few values refuse all others before anything is computed."""

import dataclasses
from typing import Literal, get_args, get_origin

import pytest

from molweight.errors import OptionError
from molweight.options import Job

CHOICES = {
    item.name: get_args(item.type) if get_origin(item.type) is Literal else item.metadata["choices"]
    for item in dataclasses.fields(Job)
    if get_origin(item.type) is Literal or item.metadata.get("choices")
}


def test_some_options_have_few_values() -> None:
    assert {"label_transform", "class_balance", "select_metric", "precision", "stereo"} <= set(CHOICES)


@pytest.mark.parametrize("name", CHOICES)
def test_a_misspelt_value_is_refused_with_the_nearest_one(name: str) -> None:
    right = next(choice for choice in CHOICES[name] if choice)
    wrong = right[:-1] if right[:-1] not in CHOICES[name] else right + "x"
    with pytest.raises(OptionError, match=rf"^{name}='{wrong}' is unknown; did you mean '{right}'") as raised:
        Job(**{name: wrong})
    assert raised.value.option == name


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_accepted(name: str) -> None:
    for choice in CHOICES[name]:
        assert getattr(Job(**{name: choice}), name) == choice
