"""The loss of a task against what its definition says."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from molweight import datasets
from molweight.datasets.internal import exact_labels, violated_bounds
from molweight.models._predictor import bounded_square, class_loss, label_loss

NUMBER = st.floats(-5, 5, width=32)
ROW = st.tuples(NUMBER, NUMBER, st.sampled_from([-1, 0, 1]), st.floats(0, 3, width=32))


@settings(max_examples=100, deadline=None)
@example([(0.5, 0.0, -1, 1.401298464324817e-45)])
@given(st.lists(ROW, min_size=1, max_size=8))
def test_each_label_counts_as_defined(rows: list[tuple[float, float, int, float]]) -> None:
    outputs, labels, bounds, weights = (torch.tensor(column)[:, None] for column in zip(*rows, strict=True))
    total = 0.0
    for output, label, bound, weight in rows:
        kept = (bound > 0 and output > label) or (bound < 0 and output < label)
        total += 0.0 if kept else weight * (output - label) ** 2
    expected = total / (sum(row[3] for row in rows) or 1.0)
    found = label_loss(outputs, labels, classes=False, bounds=bounds, weights=weights)
    assert found.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_exact_labels_of_equal_weight_are_as_before() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(20, 3, generator=generator)
    labels = torch.randn(20, 3, generator=generator).masked_fill(
        torch.rand(20, 3, generator=generator) < 0.3, torch.nan
    )
    known = ~labels.isnan()
    plain = ((outputs - labels.nan_to_num()).square() * known).sum() / known.sum().clamp_min(1)
    assert torch.equal(label_loss(outputs, labels, classes=False), plain)
    bounds, weights = torch.zeros(20, 3, dtype=torch.int8), torch.full((20, 3), 2.0)
    assert torch.equal(label_loss(outputs, labels, classes=False, bounds=bounds), plain)
    assert torch.allclose(label_loss(outputs, labels, classes=False, weights=weights), plain)
    classes = (labels > 0).float().masked_fill(labels.isnan(), torch.nan)
    each = torch.nn.functional.binary_cross_entropy_with_logits(outputs, classes.nan_to_num(), reduction="none")
    assert torch.equal(label_loss(outputs, classes, classes=True), (each * known).sum() / known.sum())


def test_a_kept_bound_has_no_gradient_and_a_violated_one_pulls_inwards() -> None:
    outputs = torch.tensor([2.0, 7.0, 2.0, 7.0], dtype=torch.float64, requires_grad=True)
    bounds = torch.tensor([1, 1, -1, -1])
    (slope,) = torch.autograd.grad(bounded_square(outputs, torch.full_like(outputs, 5.0), bounds).sum(), outputs)
    assert slope.tolist() == [-6, 0, 0, 4]
    inside = torch.tensor([2.0, 7.5], dtype=torch.float64, requires_grad=True)

    def loss(values: torch.Tensor) -> torch.Tensor:
        return label_loss(values[:, None], torch.tensor([[5.0], [6.0]], dtype=torch.float64), classes=False,
                          bounds=torch.tensor([[1], [1]]))  # fmt: skip

    assert torch.autograd.gradgradcheck(loss, (inside,))


def test_nothing_known_is_zero() -> None:
    labels = torch.full((3, 2), torch.nan)
    for weights in (None, torch.ones(3, 2), torch.zeros(3, 2)):
        assert label_loss(torch.ones(3, 2), labels, classes=False, weights=weights).item() == 0


def test_scores_leave_bounds_out_and_say_how_many_are_violated() -> None:
    data = datasets.from_smiles(
        ["C" * n for n in range(1, 7)], [1, 2, 3, 4, 5, 6], bounds=[0, 0, 1, -1, 0, 1], cache=False
    )
    assert np.isnan(exact_labels(data, np.arange(6)))[:, 0].tolist() == [False, False, True, True, False, True]
    assert violated_bounds(data, np.arange(6), [0, 0, 2, 5, 0, 7]) == {"y0": (2, 3)}
    assert exact_labels(data.subset([2, 0]), np.arange(2)).ravel()[1] == 1


def test_classes_and_numbers_have_each_their_loss() -> None:
    generator = torch.Generator().manual_seed(1)
    outputs, numbers = torch.randn(9, 3, generator=generator), torch.randn(9, 3, generator=generator)
    kinds = torch.tensor([True, False, True])
    labels = torch.where(kinds, (numbers > 0).float(), numbers).masked_fill(numbers.abs() < 0.2, torch.nan)
    both = label_loss(outputs, labels, classes=kinds)
    known = (~labels.isnan()).sum(dim=0)
    parts = [label_loss(outputs[:, [t]], labels[:, [t]], classes=bool(kinds[t])) * known[t] for t in range(3)]
    assert both.item() == pytest.approx((sum(parts) / known.sum()).item(), rel=1e-6)


def test_one_of_several_classes_is_the_cross_entropy_of_pytorch() -> None:
    generator = torch.Generator().manual_seed(2)
    outputs = torch.randn(30, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    classes = torch.randint(0, 5, (30,), generator=generator)
    weights = torch.rand(30, generator=generator, dtype=torch.float64)
    labels = torch.nn.functional.one_hot(classes, 5).double()
    assert class_loss(outputs, labels).item() == pytest.approx(
        torch.nn.functional.cross_entropy(outputs, classes).item()
    )
    each = torch.nn.functional.cross_entropy(outputs, classes, reduction="none")
    labels[:7] = torch.nan
    expected = ((each * weights)[7:].sum() / weights[7:].sum()).item()
    assert class_loss(outputs, labels, weights=weights[:, None].expand(-1, 5)).item() == pytest.approx(expected)
    assert torch.autograd.gradgradcheck(lambda logits: class_loss(logits[:9], labels[:9]), (outputs,))
