"""Messages whose options each interface writes in its own way."""

import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molweight import Job
from molweight.cli._spelling import as_typed
from molweight.errors import ConfigError, Message, OptionError, mention


def test_an_error_carries_its_option() -> None:
    with pytest.raises(OptionError, match=r"^epochs=-1 must not be negative\.$") as caught:
        Job(epochs=-1)
    error = caught.value
    assert (error.option, error.value, error.reason) == ("epochs", -1, "must not be negative")
    assert isinstance(error, ConfigError)
    assert isinstance(error, ValueError)
    assert error.message.written(as_typed(["epochs"])) == "--epochs -1 must not be negative."


def test_a_remedy_mentions_options_that_are_written_alike() -> None:
    error = OptionError("split", "column", "is not possible", f"Use {mention('method', 'random')}.")
    assert str(error) == "split='column' is not possible. Use method='random'."
    assert error.message.written(as_typed(["split"])) == "--split column is not possible. Use --split random."


@pytest.mark.parametrize(
    ("owner", "typed"),
    [
        ("encoder 'gin'", "encoder 'gin': --encoder_options.norm x is unknown."),
        ("objective 'graphcl'", "objective 'graphcl': --objective_options.graphcl.norm x is unknown."),
        ("SchNet", "SchNet: norm='x' is unknown."),
    ],
)
def test_options_of_parts_are_typed_with_the_part(owner: str, typed: str) -> None:
    error = OptionError("norm", "x", "is unknown", owner=owner)
    assert str(error) == f"{owner}: norm='x' is unknown."
    assert error.message.written(as_typed(["norm", "encoder_options", "objective_options"])) == typed


def test_errors_cross_the_border_of_a_process() -> None:
    error = OptionError("norm", "x", "is unknown", "Choices: a.", owner="encoder 'gin'")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made in the line itself
    assert (str(again), again.option, again.owner) == (str(error), "norm", "encoder 'gin'")


def test_warnings_of_the_library_read_as_python(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("molweight.test").warning("%s: %s", "my.csv", Message(mention("targets", ["a"])))
    assert caplog.messages == ["my.csv: targets=['a']"]


@given(st.text() | st.integers() | st.floats() | st.lists(st.text()))
def test_any_value_can_be_mentioned(value: object) -> None:
    text = f"Use {mention('targets', value)} or {mention('seed')}."
    assert str(Message(text)) == f"Use targets={value!r} or seed=...."
    assert Message(text).written(lambda name, value: name) == "Use targets or seed."
