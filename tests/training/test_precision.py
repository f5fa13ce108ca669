"""Rounded matrix products: where they are used, and that training is exact without them."""

import pytest
import torch

from molweight import Job, datasets, fit
from molweight.devices import PRECISIONS, matmul_precision
from molweight.errors import ConfigError
from molweight.training._generic import _describe

JOB = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["functional_groups"],
    init="scratch",
    steps=1,
    epochs=1,
    batch_size=32,
    solve_batch_size=8,
)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_stage_that_trains_rounds_and_nothing_else_does(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = datasets.load("freesolv")
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    from molweight.encoders import GIN

    plain = GIN.forward

    def watched(self: GIN, *arguments: object, **options: object) -> object:
        seen[torch.is_grad_enabled()].add(torch.get_float32_matmul_precision())
        return plain(self, *arguments, **options)  # type: ignore[arg-type]  # passed on as they come

    monkeypatch.setattr(GIN, "forward", watched)
    fit(Job(**{**JOB.options(), "precision": precision}), data, datasets.split(data), data.subset(range(64)))
    assert seen[True] == {PRECISIONS[precision]}
    assert "highest" in seen[False]  # where the model is judged
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_error_ends_the_precision() -> None:
    with pytest.raises(ConfigError), matmul_precision("bf16"):
        raise ConfigError("on the way")
    assert torch.get_float32_matmul_precision() == "highest"


def test_unknown_precisions_are_refused() -> None:
    with pytest.raises(ConfigError, match="precision"):
        Job(precision="float16")


def test_checkpoints_of_other_precisions_are_others_and_earlier_ones_stay_usable() -> None:
    corpus = datasets.load_corpus("zinc", size=8)
    about = [_describe(Job(precision=name), corpus) for name in PRECISIONS]
    assert "precision" not in about[0]
    assert len({str(each) for each in about}) == len(about)
