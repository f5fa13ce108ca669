"""Splits on disk: roles by SMILES with a checksum, robust to missing and reordered rows."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight.arrays import AnyArray
from molweight.datasets._split import ROLE_LETTERS
from molweight.datasets._splits import Protocol, Splits, check_roles
from molweight.datasets._user_splits import split_by_indices
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import partial_name

__all__ = ["load_splits", "save_splits"]

_LONGEST: Final = 1 << 26
"""Maximum length of a file in characters; a million rows take a tenth of it."""

FORMAT: Final = 1


def save_splits(splits: Splits, data: MoleculeDataset, path: str | Path) -> None:
    """Write the roles of the molecules as JSON: their SMILES, one letter each, and the SHA-256 of both.

    Args:
        splits: The roles.
        data: Their molecules.
        path: The file; written atomically.

    Raises:
        DataError: If it cannot be written.
    """
    letters = np.full(len(data), "-")
    for role, letter in ROLE_LETTERS.items():
        if splits.protocol == "four-role" or role != "select":
            letters[splits.roles()[role]] = letter
    smiles, roles = list(data.smiles), "".join(letters)
    about = {"format": FORMAT, "table": data.name, "split": splits.name, "definition": splits.definition}
    stored = {**about, "protocol": splits.protocol, "sha256": _digest(smiles, roles), "roles": roles, "smiles": smiles}
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_name(target) as partial:
            partial.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
            partial.replace(target)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}). Free up disk space or choose another path."
        ) from error


def load_splits(path: str | Path, data: MoleculeDataset, protocol: Protocol = "four-role") -> Splits:
    """Read a file of :func:`save_splits`, or lists of rows by role.

    Args:
        path: A JSON file: either with ``roles`` and ``smiles``, or ``{"train": [0, 1, ...], "valid": [...], ...}`` with
            rows of the source, counted from 0.
        data: The molecules; there may be fewer than stored, and in another order. The k-th molecule with a given SMILES
            gets the role of the k-th one with that SMILES in the file.
        protocol: Protocol of lists of rows: ``"four-role"`` or ``"paper"``. A saved split keeps its own.

    Returns:
        The positions by role.

    Raises:
        DataError: If the file is missing or damaged, or a molecule of ``data`` is not in it.

    Example:
        >>> import tempfile
        >>> from molweight.datasets import from_smiles, split
        >>> data = from_smiles(["C" * size for size in range(1, 41)], cache=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_splits(split(data, "random"), data, Path(folder, "mine.json"))
        ...     load_splits(Path(folder, "mine.json"), data.subset(range(39, 4, -1)))
        <Splits random (four-role, frozen): train 23, meta 4, select 4, test 4>
    """
    stored = _read(Path(path))
    if "roles" not in stored:
        return split_by_indices(data, stored, protocol, source=str(path))
    missing = [key for key in ("smiles", "sha256", "split", "definition", "protocol") if key not in stored]
    if missing or stored.get("format") != FORMAT or not _is_consistent(stored):
        lacks = f" (missing: {', '.join(missing)})" if missing else ""
        raise DataError(f"{path}: is not a split of format {FORMAT}{lacks}. Save it again.")
    if _digest(stored["smiles"], stored["roles"]) != stored["sha256"]:
        raise DataError(f"{path}: is damaged: its SHA-256 is not the one recorded in it. Save it again.")
    letters = _letters(Path(path), data, stored)
    positions = {role: np.flatnonzero(letters == letter).astype(np.int64) for role, letter in ROLE_LETTERS.items()}
    if stored["protocol"] == "paper":
        positions["select"] = positions["meta"]
    roles = positions["train"], positions["meta"], positions["select"], positions["test"]
    splits = Splits(
        *roles, name=stored["split"], definition=stored["definition"], protocol=stored["protocol"], frozen=True
    )
    check_roles(data, splits)
    return splits


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(_LONGEST + 1)
        stored = json.loads(text) if len(text) <= _LONGEST else None
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the path.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as a split ({error}). Give a JSON file.") from error
    if len(text) > _LONGEST:
        raise DataError(f"{path}: has more than {_LONGEST} characters, the limit for a split file.")
    if not isinstance(stored, dict) or not all("roles" in stored or isinstance(part, list) for part in stored.values()):
        raise DataError(f'{path}: is not a split. Give {{"train": [rows], "valid": [rows], "test": [rows]}}.')
    return stored


def _is_consistent(stored: dict[str, Any]) -> bool:
    """Whether a file holds one letter for each SMILES, and a known protocol."""
    smiles, roles = stored["smiles"], stored["roles"]
    texts = isinstance(roles, str) and isinstance(smiles, list) and all(isinstance(text, str) for text in smiles)
    return texts and len(roles) == len(smiles) and stored["protocol"] in ("four-role", "paper")


def _letters(path: Path, data: MoleculeDataset, stored: dict[str, Any]) -> AnyArray:
    """The stored letter of each molecule."""
    role_of = dict(zip(_numbered(stored["smiles"]), stored["roles"], strict=True))
    found = [role_of.get(key, "") for key in _numbered(list(data.smiles))]
    if "" in found:
        first = data.smiles[found.index("")]
        raise DataError(
            f"{path}: holds no role for {found.count('')} of {len(data)} molecules of {data.name}, first {first!r}. "
            "Split the table again, or leave these molecules out."
        )
    return np.array(found)


def _numbered(smiles: Sequence[str]) -> list[tuple[str, int]]:
    """Each SMILES with the number of its earlier occurrences."""
    seen: Counter[str] = Counter()
    keys = []
    for text in smiles:
        keys.append((text, seen[text]))
        seen[text] += 1
    return keys


def _digest(smiles: Sequence[str], roles: str) -> str:
    return hashlib.sha256("\n".join([roles, *smiles]).encode()).hexdigest()
