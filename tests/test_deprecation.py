"""Old names of options: on functions, on classes, and in mappings."""

import inspect
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from molweight.deprecation import new_names, renamed_options
from molweight.errors import ConfigError


@renamed_options(every="interval")
@dataclass(frozen=True)
class Options:
    interval: int = 1


OLD: dict[str, Any] = {"every": 3}
"""As keyword arguments that the type checker does not see."""


def test_a_dataclass_takes_old_names_and_stays_one() -> None:
    with pytest.warns(DeprecationWarning, match="Options: option 'every' is now 'interval'") as caught:
        made = Options(**OLD)
    assert made == Options(interval=3)
    assert caught[0].filename == __file__
    assert [field.name for field in fields(Options)] == list(inspect.signature(Options).parameters) == ["interval"]
    assert replace(made, interval=4) == Options(4)


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="'every' is the old name of 'interval'; give only the latter"):
        Options(**OLD, interval=3)


def test_new_names_cause_no_warning() -> None:
    assert Options(interval=2).interval == 2
    assert new_names({"interval": 2}, {"every": "interval"}, "job.yaml") == {"interval": 2}


def test_options_of_a_file_keep_their_order() -> None:
    with pytest.warns(DeprecationWarning, match=r"job\.yaml: option 'every' is now 'interval'"):
        renamed = new_names({"every": 2, "steps": 5}, {"every": "interval"}, "job.yaml")
    assert list(renamed.items()) == [("interval", 2), ("steps", 5)]
