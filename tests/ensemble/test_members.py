"""Members: their schedule, their dropout, and that they learn."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from molweight import datasets, encoders
from molweight.encoders.building_blocks import ComposedReadout
from molweight.ensemble import Member
from molweight.ensemble._fit_member import TrainingSet, epochs_for, fit_member, schedule_for
from molweight.ensemble._spread import ErrorModel
from molweight.ensemble.internal import Recipe, Schedule
from molweight.errors import TrainingError
from molweight.graphs import MoleculeDataset
from molweight.seeding import seeded

CPU = torch.device("cpu")


def member(features: int = 0, readout: ComposedReadout | None = None) -> Member:
    with seeded(0):
        encoder = encoders.create("gin", layers=2, width=16)
        return Member(encoder, 1, features=features, readout=readout, hidden=32)


def molecules(count: int = 60) -> MoleculeDataset:
    return datasets.load("freesolv").subset(range(count))


def test_a_member_fits_its_rows() -> None:
    data = molecules()
    labels = torch.from_numpy((data.targets - data.targets.mean()) / data.targets.std())
    training = TrainingSet(data, torch.zeros(len(data), 0), labels)
    curve = fit_member(member(), training, np.arange(60), Schedule(40, lr=1e-3), seed=0, device=CPU)
    assert curve[-1] < 0.4 * curve[0]


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_the_loss_is_that_of_the_metric(loss: str) -> None:
    data = molecules(4)
    labels = torch.tensor([[0.0], [2.0], [torch.nan], [5.0]])
    model = member()
    model.output.weight.data.zero_()
    model.output.bias.data.fill_(1.0)
    training = TrainingSet(data, torch.zeros(4, 0), labels, absolute=loss == "absolute")
    value = training.batch_loss(model, np.arange(4), None, CPU)
    expected = {"squared": (1 + 1 + 16) / 3, "absolute": (1 + 1 + 4) / 3}
    assert value.item() == pytest.approx(expected[loss], rel=1e-4)


def test_a_bound_that_is_kept_costs_nothing() -> None:
    data = molecules(2).with_columns({"label_bounds": np.array([[1], [0]], dtype=np.int8)})
    model = member()
    model.output.weight.data.zero_()
    model.output.bias.data.fill_(1.0)
    training = TrainingSet(data, torch.zeros(2, 0), torch.tensor([[0.0], [3.0]]))
    assert training.batch_loss(model, np.arange(2), None, CPU).item() == pytest.approx(2.0)


def test_the_readout_may_be_another_than_the_encoders() -> None:
    model = member(features=2, readout=ComposedReadout("mean+max+scaled_sum", atoms=9.0))
    outputs = model(molecules(3).graphs(range(3)), torch.zeros(3, 2))
    assert outputs.shape == (3, 1)
    assert model.hidden.in_features == 3 * 16 + 2


def test_dropout_depends_on_the_seed_alone() -> None:
    model, graphs = member(), molecules(3).graphs(range(3))
    empty = torch.zeros(3, 0)
    first, again, other, none = (model(graphs, empty, seed) for seed in (1, 1, 2, None))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, none)


def test_the_learning_rate_rises_and_falls_to_zero() -> None:
    factors = [Schedule(1).factor(step, 100) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert all(later <= earlier for earlier, later in pairwise(factors[10:]))
    assert factors[-1] < 0.001


def test_small_tables_get_about_a_thousand_steps() -> None:
    assert [epochs_for(rows) * round(rows / 32) for rows in (400, 600, 800)] == pytest.approx([1000] * 3, rel=0.1)
    assert [epochs_for(rows) for rows in (1_600, 3_750)] == [40, 40]


def test_a_large_table_is_seen_a_bounded_number_of_times() -> None:
    """150,000 molecules, or 15 epochs; then 400,000 or 5; then a million or one."""
    seen = {rows: epochs_for(rows) * rows for rows in range(3_800, 1_000_001, 1_699)}
    assert all(145_000 - rows < total <= 150_000 for rows, total in seen.items() if rows <= 10_000)
    assert [epochs_for(rows) for rows in (10_001, 26_000, 80_001, 200_000)] == [15, 15, 5, 5]
    assert all(total <= 400_000 for rows, total in seen.items() if rows <= 80_000)
    assert all(500_000 < total <= 1_000_000 for rows, total in seen.items() if rows > 200_000)
    assert epochs_for(3_000_000) == 1
    assert all(epochs_for(rows, short=True) == max(1, 75_000 // rows) for rows in seen)
    assert epochs_for(400, short=True) == epochs_for(400)


def test_members_next_to_a_linear_model_of_vectors_have_fewer_epochs() -> None:
    plain, vectors = (Recipe("gin", {}, members=3, partners=own) for own in (("trees",), ("trees", "minimol_linear")))
    assert (plain.schedule(36_000).epochs, vectors.schedule(36_000).epochs) == (15, 3)
    assert plain.schedule(900) == vectors.schedule(900)


def test_large_tables_are_trained_in_larger_batches_at_a_higher_rate() -> None:
    small, large = schedule_for(2_000), schedule_for(2_001, most=7, frozen=3)
    assert (small.batch_size, small.epochs, large.epochs, large.frozen) == (32, 40, 7, 3)
    assert large.batch_size / small.batch_size == 4
    assert large.lr / small.lr == pytest.approx(10 / 3)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    data = molecules(4)
    training = TrainingSet(data, torch.zeros(4, 0), torch.full((4, 1), 1e30))
    with pytest.raises(
        TrainingError, match=r"finetuning loss became (inf|nan)\. Check the labels and features for extreme values"
    ):
        fit_member(member(), training, np.arange(4), Schedule(1), seed=0, device=CPU)


def test_the_error_model_finds_both_numbers() -> None:
    rng = np.random.default_rng(0)
    gap = rng.uniform(-3, 3, size=(100_000, 1))
    errors = rng.normal(size=gap.shape) * np.sqrt(0.5 + 0.25 * gap**2)
    found = ErrorModel.fit(gap, errors)
    assert found.constant[0] == pytest.approx(0.5, rel=0.05)
    assert found.slope[0] == pytest.approx(0.25, rel=0.05)
    np.testing.assert_allclose(found.deviation(np.array([[2.0]])) ** 2, found.constant[0] + 4 * found.slope[0])


def test_the_error_model_is_never_negative() -> None:
    gap = np.array([[0.0], [1.0], [2.0]])
    shrinking = ErrorModel.fit(gap, np.array([[3.0], [2.0], [1.0]]))
    assert shrinking.slope == (0.0,)
    assert shrinking.constant[0] == pytest.approx(14 / 3)
    steep = ErrorModel.fit(gap, np.array([[0.0], [0.0], [9.0]]))
    assert steep.constant == (0.0,)
    assert steep.slope[0] > 0
    assert ErrorModel.fit(gap, np.full((3, 1), np.nan)) == ErrorModel((0.0,), (0.0,))
