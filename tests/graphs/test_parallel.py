"""Pools of worker processes."""

import numpy as np
from joblib import delayed

from molweight.graphs.internal import shielded, watched_pool


def test_large_arrays_of_a_job_can_be_written_in_its_worker_only() -> None:
    # joblib maps arrays of a megabyte and more into the workers, read-only by default: torch warns of those.
    rows = np.zeros(2_000_000, dtype=np.uint8)
    with shielded():
        found = list(
            watched_pool(2)(delayed(lambda part: (part.flags.writeable, part.fill(1)))(rows) for _ in range(2))
        )
    assert found == [(True, None), (True, None)]
    assert not rows.any()
