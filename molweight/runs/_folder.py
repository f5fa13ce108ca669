"""The folder of a run, inside the folder of all runs."""

import re
from itertools import count
from pathlib import Path
from typing import Final

from molweight._owned_files import LOCK, MARK, refuse_link
from molweight.errors import ConfigError, mention
from molweight.runs._archive import LEGACY, MODEL
from molweight.runs._checkpoint import CHECKPOINT
from molweight.runs._manifest import MANIFEST

__all__ = ["STATE", "claim_checkpoint_folder", "claim_folder", "next_free", "run_folder"]

STATE: Final = "state"
"""Folder of the states of an interrupted run, in the run's folder."""

_OF_CHECKPOINT: Final = ("README.md", "config.yaml")
_LINKS: Final = (STATE, LOCK, "tensorboard")
_LONGEST: Final = 100
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows reserves for devices."""
_UNPORTABLE: Final = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]'
)
"""Characters that file systems refuse, control characters of terminals, and surrogates."""
_SHOWN: Final = 3


def run_folder(runs: str | Path, name: str) -> Path:
    """The folder of a run; always directly inside the folder of runs.

    Args:
        runs: Folder of the runs.
        name: Name of the run: a valid file name on Linux, macOS and Windows.

    Raises:
        ConfigError: If the name is not valid.

    Example:
        >>> run_folder("runs", "my-run").as_posix()
        'runs/my-run'
        >>> run_folder("runs", "../x")
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: name='../x' holds '/'. A run's name is ... --name.
    """
    problem = _problem(name)
    if problem:
        raise ConfigError(
            f"{mention('name', name)} {problem}. A run's name is a plain file name, such as my-run; the folder of the "
            "runs is named with --runs. Choose another name: --name."
        )
    from molweight.distributed import own_folder  # imports torch, which is not needed to name a run

    return own_folder(Path(runs) / name)


def _problem(name: str) -> str | None:
    """The reason why a text cannot be the name of a run."""
    found = _UNPORTABLE.search(name)
    if found is not None:
        return f"holds {found[0]!r}"
    if not name.strip() or name[0] in ".-" or name != name.strip() or name.endswith("."):
        return "is empty, or begins or ends with a dot, a dash or a blank"
    if _RESERVED.fullmatch(name):
        return "is reserved for devices on Windows"
    return f"is longer than {_LONGEST} bytes" if len(name.encode()) > _LONGEST else None


def claim_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Check that a run may write to a folder: a new or empty one, or the folder of an interrupted run.

    Args:
        folder: The run's folder.
        overwrite: Whether a finished run may be replaced.

    Raises:
        ConfigError: If the folder is a link, or holds files not written by molweight or a finished run.
    """
    for path in (folder, *(folder / name for name in _LINKS)):
        refuse_link(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Choose another name: --name.")
    if not folder.exists() or (folder / STATE / MARK).is_file():
        return
    if not (folder / MANIFEST).is_file():
        _refuse_foreign(folder)
    elif not overwrite:
        raise ConfigError(
            f"{folder} holds a finished run. Choose another name, e.g. --name {next_free(folder)}, or replace the run "
            "with --overwrite."
        )


def claim_checkpoint_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Check that a checkpoint may be written to a folder.

    Args:
        folder: The folder, which may hold other files.
        overwrite: Whether an existing checkpoint may be replaced.

    Raises:
        ConfigError: If the folder is a link, or a checkpoint or a file not written by molweight would be replaced.
    """
    for path in (folder, folder / STATE, folder / LOCK):
        refuse_link(path)
    if (folder / STATE / MARK).is_file() or (overwrite and (folder / CHECKPOINT).is_file()):
        return
    if (folder / CHECKPOINT).exists():
        raise ConfigError(f"{folder} holds a checkpoint. Choose another --output, or replace it with --overwrite.")
    taken = [name for name in _OF_CHECKPOINT if (folder / name).exists()]
    if taken:
        raise ConfigError(f"{folder / taken[0]} exists and would be replaced. Choose another --output.")


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder with files that are not known to be a run's."""
    others = sorted(path.name for path in folder.iterdir() if path.name not in (LOCK, MARK))
    if not others:
        return
    if MODEL in others or LEGACY in others:
        what = f"holds a run without {MANIFEST}, which cannot be replaced"
    else:
        listed = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        what = f"holds files that were not written by a run ({listed})"
    raise ConfigError(f"{folder} {what}. Choose another name, e.g. --name {next_free(folder)}.")


def next_free(folder: Path) -> str:
    """The first name for another run next to a folder.

    Args:
        folder: The folder of a run.
    """
    names = (f"{folder.name}-{number}" for number in count(2))
    return next(name for name in names if not folder.with_name(name).exists())
