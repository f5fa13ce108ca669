"""Other features for molecules that are featurised already."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from molweight.errors import DataError
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._molecules import Molecules
from molweight.graphs._stored import featurize_cached

__all__ = ["featurised_again"]


def featurised_again(
    molecules: Molecules, featuriser: Featuriser, folder: Path | None, n_jobs: int | None
) -> tuple[Molecules, Path | None]:
    """The molecules with other features, in the same order, with the same rows.

    Args:
        molecules: The molecules.
        featuriser: Which features.
        folder: Where the molecules are cached; ``None`` for nowhere, and then the new ones are not cached either.
        n_jobs: Processes to use; ``None`` for all cores.

    Returns:
        Molecules, and the folder they are cached in.

    Raises:
        DataError: If RDKit refuses a molecule, or gives it another number of atoms.
    """
    smiles = molecules.smiles
    found, rejects, place = featurize_cached(smiles, featuriser, cache=folder is not None, n_jobs=n_jobs)
    if rejects:
        raise DataError(f"{rejects[0].smiles[:60]!r} cannot be given {featuriser}: {rejects[0].reason}.")
    other = np.flatnonzero(np.diff(found.atom_offsets) != np.diff(molecules.atom_offsets))
    if len(other):
        raise DataError(
            f"{smiles[int(other[0])][:60]!r} cannot be given {featuriser}: this RDKit reads another number of atoms "
            "from its SMILES than the dataset holds."
        )
    return replace(found, rows=molecules.rows), place
