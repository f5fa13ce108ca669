"""Any objectives, any encoder, any embedded table."""

import math

import pytest

from molweight import datasets, encoders, objectives
from molweight.datasets.internal import TABLES
from molweight.options import Job
from molweight.training import fit

EMBEDDED_TABLES = sorted(name for name, table in TABLES.items() if table.embedded)
NAMES = [
    name
    for name in objectives.available()
    if objectives.get(name).__module__.startswith("molweight.") and name != "source"
]
"""All but that of auxiliary tables, which needs one."""
"""Without those that other tests register."""
TINY = {"layers": 2, "width": 8}
SMALL_SPACE = {"layers": 1, "filters": 4, "gaussians": 8}


def job(encoder: str, names: list[str]) -> Job:
    spaces = {name: SMALL_SPACE for name in names if name.startswith("graphmvp")}
    return Job(
        encoder=encoder,
        encoder_options=TINY,
        objectives=names,
        objective_options=spaces,
        pretrain_steps=1,
        steps=2,
        epochs=1,
        batch_size=16,
    )


def check_fit(table: str, options: Job) -> None:
    data = datasets.load(table)
    run = fit(options, data, datasets.split(data), datasets.load_corpus("zinc", size=32))
    assert set(run.weights) == set(options.objectives)
    assert sum(run.weights.values()) == pytest.approx(1)
    assert all(math.isfinite(loss) for record in run.records for loss in record["losses"].values())


def test_all_objectives_at_once() -> None:
    assert len(NAMES) == 18
    check_fit("freesolv", job("gin", NAMES))


@pytest.mark.parametrize(("number", "table"), list(enumerate(EMBEDDED_TABLES)), ids=list(EMBEDDED_TABLES))
def test_every_table_with_another_encoder_and_other_objectives(number: int, table: str) -> None:
    """Each embedded table, each encoder at least once, three objectives at a time."""
    networks = encoders.available()
    check_fit(
        table, job(networks[number % len(networks)], [NAMES[(3 * number + step) % len(NAMES)] for step in range(3)])
    )
