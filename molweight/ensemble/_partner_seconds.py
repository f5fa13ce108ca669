"""Expected seconds of fitting the partners of an ensemble on this machine."""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.ensemble._boosted import BoostedTrees, default_rounds
from molweight.ensemble._partner_kinds import KINDS

__all__ = ["partner_seconds", "probe_seconds"]

_PROBE_ROWS: Final = 200
_PROBE_COLUMNS: Final = 400
_PROBE_ROUNDS: Final = 50


def partner_seconds(names: Sequence[str], rows: int, targets: int, members: int, probe: float) -> float:
    """Expected CPU seconds of fitting partners on the rows outside each fold and on all rows, with one thread.

    Args:
        names: The partners; the cost of TabICL is not included.
        rows: Number of labelled rows.
        targets: Number of targets; each has its own boosted trees.
        members: Number of folds.
        probe: Result of :func:`probe_seconds`.

    Example:
        >>> partner_seconds(["linear"], rows=1_000, targets=1, members=5, probe=0.03) < 1
        True
    """
    trees = targets * default_rounds(targets) / default_rounds(1)
    total = 0.0
    for name in names:
        (fixed, each), boosted = KINDS[name].cost, KINDS[name].model == "trees"
        fits = (members + 1) * fixed + members * rows * each  # together the folds leave out all rows once
        total += fits * (trees if boosted else 1.0)
    return total * probe


def probe_seconds() -> float:
    """CPU seconds of a small task: boosted trees on 200 rows of counts."""
    rng = np.random.default_rng(0)
    rows = rng.poisson(0.3, (_PROBE_ROWS, _PROBE_COLUMNS)).astype(np.float32)
    labels = rows[:, :1] + rng.normal(size=(_PROBE_ROWS, 1))
    BoostedTrees.fit(rows, labels, "regression", seed=0, rounds=1)  # sets everything up
    started = time.process_time()
    BoostedTrees.fit(rows, labels, "regression", seed=0, rounds=_PROBE_ROUNDS)
    return time.process_time() - started
