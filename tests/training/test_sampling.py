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


def test_a_large_corpus_is_mixed_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each molecule once an epoch, few neighbourhoods at a time, and the same order after a state in the middle."""
    for name, value in {"_WHOLE": 100, "_BLOCK": 16, "_WINDOW": 4}.items():
        monkeypatch.setattr(f"molweight.training._batches.{name}", value)
    rows = range(5, 1005)
    batches, twin = (Batches(rows, 10, np.random.default_rng(0)) for _ in range(2))
    for _ in range(2):
        seen = [batches.next() for _ in range(100)]
        assert sorted(np.concatenate(seen)) == list(rows)
        assert not np.array_equal(seen[0], np.arange(5, 15))
        blocks = [len({(int(row) - 5) // 16 for row in np.concatenate(seen[at : at + 6])}) for at in range(0, 96, 6)]
        assert 1 < np.mean(blocks) <= 8  # two windows of four, at most
    for _ in range(37):
        twin.next()
    other = Batches(rows, 10, np.random.default_rng(9))
    other.load_state_dict(twin.state_dict())
    assert all(np.array_equal(twin.next(), other.next()) for _ in range(150))


def test_what_is_left_of_a_window_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_WHOLE": 100, "_BLOCK": 16, "_WINDOW": 2}.items():
        monkeypatch.setattr(f"molweight.training._batches.{name}", value)
    batches = Batches(range(333), 50, np.random.default_rng(0))  # more than a window holds
    seen = np.concatenate([batches.next() for _ in range(6)])
    assert len(set(seen.tolist())) == 300


def test_positions_of_a_huge_corpus_take_no_memory() -> None:
    batches = Batches(range(10**10), 256, np.random.default_rng(0))
    first = batches.next()
    assert first.min() >= 0
    assert first.max() < 10**10
    assert sum(value.nbytes for value in (batches._order, batches._blocks) if value is not None) < 25e6
