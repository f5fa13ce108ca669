"""Several threads share a run that was just loaded, and every answer is that of one thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from molweight import Run, load

SMILES = [f"{'C' * (1 + n % 6)}{end}" for n in range(8) for end in ("O", "N", "c1ccccc1", "C(=O)O", "[C@H](F)Cl")]
Answer = Callable[[Run, str], np.ndarray]


def _uncertainty(run: Run, smiles: str) -> np.ndarray:
    found = run.uncertainty([smiles], samples=3)
    return np.concatenate([found.prediction, found.deviation])


def _attribution(run: Run, smiles: str) -> np.ndarray:
    (found,) = run.attribute([smiles], pairs=1)
    assert found is not None
    return found.atoms


ANSWERS: dict[str, Answer] = {
    "predict": lambda run, smiles: run.predict([smiles]),
    "embed": lambda run, smiles: run.embed([smiles]),
    "uncertainty": _uncertainty,
    "attribute": _attribution,
}


@pytest.mark.parametrize("threads", [4, 8])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_threads_answer_as_one(made: Path, answer: Answer, threads: int) -> None:
    alone = load(made, device="cpu")
    expected = [answer(alone, smiles) for smiles in SMILES]
    shared = load(made, device="cpu")
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda smiles: answer(shared, smiles), SMILES))
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))


def test_threads_that_ask_different_things_do_not_disturb_each_other(made: Path) -> None:
    alone = load(made, device="cpu")
    work = [(name, smiles) for smiles in SMILES[:16] for name in ANSWERS]
    expected = [ANSWERS[name](alone, smiles) for name, smiles in work]
    shared = load(made, device="cpu")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: ANSWERS[item[0]](shared, item[1]), work))
        records = list(pool.map(lambda _: shared.records, range(8)))  # read from the folder when first asked for
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))
    assert all(part == alone.records for part in records)


def test_answers_leave_the_run_as_it_was(made: Path) -> None:
    run = load(made, device="cpu")
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    modes = [module.training for module in run.model.modules()]
    for answer in ANSWERS.values():
        answer(run, "CCO")
    assert [module.training for module in run.model.modules()] == modes == [False] * len(modes)
    assert all(np.array_equal(before[name], tensor) for name, tensor in run.model.state_dict().items())
