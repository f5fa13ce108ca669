"""Several threads share a run that was just loaded, and every answer is that of one thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from molweight import Run, load
from molweight.cli import main
from molweight.datasets import load as load_table

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


def test_threads_answer_as_one_with_the_shipped_encoder(tmp_path: Path) -> None:
    """In training mode, its batch normalisation would answer with the statistics of other threads' molecules."""
    smiles = load_table("esol").smiles[:100]
    rows = [f"{text.strip()},{len(text)}" for text in smiles[:40]]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    sizes = ["--epochs=1", "--members=1", "--split=random", "--device=cpu", "--quiet"]
    finetune = ["finetune", str(tmp_path / "my.csv"), "--init=gin_zinc", f"--runs={tmp_path}", "--name=run"]
    assert main([*finetune, *sizes]) == 0
    alone = load(tmp_path / "run", device="cpu")
    expected = [alone.predict([text])[0, 0] for text in smiles]
    shared = load(tmp_path / "run", device="cpu")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: shared.predict([text])[0, 0], smiles))
    assert found == expected


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
