"""Targets that are computed from a molecule once and stored with its dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from molweight.errors import DataError, OptionError
from molweight.plugins import ForeignCode

__all__ = ["TargetSpec"]

_KINDS = "biuf"


@dataclass(frozen=True)
class TargetSpec:
    """A value that an objective needs for every molecule: a name, a shape, and the function that computes it.

    Datasets compute each spec once per molecule, in parallel, and store the result under ``name``, ``version`` and the
    version of RDKit; in batches it is ``batch.columns[name]``, ``G x dim``, or for values per atom as
    ``batch.atom_columns[name]``, ``N x dim``.

    Args:
        name: Name of the column; letters, digits and underscores.
        version: Part of the cache key; increment it whenever ``compute`` returns other values, or ``chunk`` changes.
        dim: Number of values per molecule, or per atom.
        dtype: NumPy name of their storage type, e.g. ``"uint8"`` or ``"float32"``; NaN means missing.
        compute: Maps ``n`` SMILES to an array ``n x dim``, one row per SMILES in their order; for values per atom one
            row per atom, in the order of the SMILES. Must be a function at the top level of a module, so that worker
            processes can import it.
        per: Meaning of a row of the array: a ``"molecule"`` or an ``"atom"``.
        chunk: Number of molecules per task of a process. A file is written every 64 chunks, from which an interrupted
            computation resumes: use smaller chunks for a slower ``compute``.
        slow: Whether even a small molecule may take seconds. By default, only large molecules are processed in a
            separate process, with a limit of 2 seconds of CPU time, and have no value if they exceed it; with this
            option all molecules are, with a limit of 10 seconds.
        prepare: Loads what ``compute`` needs, e.g. the weights of a network. It is called before such a process starts,
            so that its time does not count for the first molecule.
        missing: For integers per molecule: a number that the values of a molecule are never all equal to. It is stored
            for molecules whose computation was given up, and becomes NaN in the column, which then has a floating-point
            type. By default, such molecules have zeros, as if they had been computed.

    Raises:
        ConfigError: If a field cannot be used as given.

    Example:
        >>> def lengths(smiles):
        ...     return np.array([[len(text)] for text in smiles], dtype=np.uint8)
        >>> spec = TargetSpec("smiles_length", version=1, dim=1, dtype="uint8", compute=lengths)
        >>> spec(["C", "CCO"]).tolist()
        [[1], [3]]
    """

    name: str
    version: int
    dim: int
    dtype: str
    compute: Callable[[Sequence[str]], np.ndarray]
    per: Literal["molecule", "atom"] = "molecule"
    chunk: int = 128
    slow: bool = False
    prepare: Callable[[], object] | None = None
    missing: int | None = None

    def __post_init__(self) -> None:
        """Refuse fields that would fail later, in a worker process or as a file name."""
        if not (self.name.isascii() and self.name.isidentifier()):
            raise OptionError("name", self.name, "must consist of letters, digits and underscores")
        owner = f"target {self.name!r}"
        for field, value in (("version", self.version), ("dim", self.dim), ("chunk", self.chunk)):
            if value < 1:
                raise OptionError(field, value, "must be at least 1", owner=owner)
        if not _is_numeric(self.dtype):
            raise OptionError("dtype", self.dtype, "is not numeric", "Use a NumPy name such as 'float32'.", owner=owner)
        if self.per not in ("molecule", "atom"):
            raise OptionError("per", self.per, "must be 'molecule' or 'atom'", owner=owner)
        if not callable(self.compute):
            raise OptionError("compute", self.compute, "must be a function", owner=owner)
        if self.missing is not None and not self._can_mark(self.missing):
            problem = f"must be None or a value of {self.dtype}, for integers per molecule"
            raise OptionError("missing", self.missing, problem, owner=owner)

    def __call__(self, smiles: Sequence[str]) -> np.ndarray:
        """The targets of ``smiles``, checked and in the declared type.

        Args:
            smiles: Molecules that RDKit can parse.

        Returns:
            An array ``len(smiles) x dim``, or one row per atom.

        Raises:
            DataError: If ``compute`` returned another shape.
            TrainingError: If ``compute`` raised anything, with its file and line.
        """
        from rdkit import rdBase

        place = getattr(getattr(self.compute, "__code__", None), "co_filename", None)
        # RDKit prints warnings about unusual molecules on standard error, once per molecule and target.
        with ForeignCode(f"target {self.name!r}", place), rdBase.BlockLogs():
            values = np.asarray(self.compute(smiles))
        rows = len(values) if self.per == "atom" and values.ndim else len(smiles)
        if values.shape != (rows, self.dim):
            expected = f"one row of {self.dim} per atom" if self.per == "atom" else f"{(rows, self.dim)}"
            raise DataError(
                f"target {self.name!r} returned an array of shape {values.shape} for {len(smiles)} molecules; "
                f"its compute function must return {expected}."
            )
        return values.astype(self.dtype, copy=False)

    def _can_mark(self, number: int) -> bool:
        kind = np.dtype(self.dtype)
        return self.per == "molecule" and kind.kind in "iu" and np.iinfo(kind).min <= number <= np.iinfo(kind).max


def _is_numeric(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in _KINDS
    except TypeError:
        return False
