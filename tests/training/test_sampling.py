"""Which molecules each step sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molweight.errors import ConfigError
from molweight.training.internal import Batches, generator_for


@given(st.integers(1, 40), st.integers(1, 12))
def test_an_epoch_visits_each_molecule_at_most_once(count: int, size: int) -> None:
    batches = Batches(range(100, 100 + count), size, generator_for(0, "x"))
    whole = count // batches.size
    seen = np.concatenate([batches.next() for _ in range(whole)])
    assert len(set(seen)) == len(seen) == whole * batches.size
    assert set(seen) <= set(range(100, 100 + count))


@given(st.integers(1, 40), st.integers(1, 12))
def test_epoch_visits_every_molecule_exactly_once(count: int, size: int) -> None:
    parts = Batches(range(count), size, generator_for(0, "x")).epoch()
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))


def test_streams_are_independent_and_repeatable() -> None:
    one, two, other = (generator_for(3, name).integers(2**31, size=4).tolist() for name in ("a", "a", "b"))
    assert one == two != other


def test_state_goes_on_where_it_was() -> None:
    batches = Batches(range(10), 3, generator_for(0, "x"))
    for _ in range(5):
        batches.next()
    state = batches.state_dict()
    expected = [batches.next().tolist() for _ in range(7)]
    again = Batches(range(10), 3, generator_for(99, "y"))
    again.load_state_dict(state)
    assert [again.next().tolist() for _ in range(7)] == expected


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot draw batches of 4 from 0 molecules"):
        Batches([], 4, generator_for(0, "x"))
