"""Tensors and their description in one file: safetensors with JSON in its header, and a SHA-256; never pickle."""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from molweight.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "FORMAT",
    "as_tensor",
    "csv_bytes",
    "csv_cell",
    "escape_controls",
    "from_tensor",
    "pack",
    "parse_json",
    "partial_name",
    "read_tensors",
    "remove_stale_partials",
    "unpack",
    "write_file",
    "write_tensors",
]

FORMAT: Final = 2
"""Version of the file format; newer ones are refused."""

_KEY: Final = "molweight"
_LENGTH: Final = 8
"""Bytes before the header of a safetensors file: the header's length, little-endian."""
_NO_SUM: Final = "0" * 64
"""Placeholder of the checksum while the checksum is computed."""
_HOST: Final = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_IMPORTED: Final = time.time()
_ABANDONED: Final = 24 * 3600.0
"""Seconds without a write after which a partial file of another machine counts as abandoned."""
_PARTIAL: Final = re.compile(r"([0-9a-f]{8})\.(\d{1,10})\.[0-9a-f]{12}\.part")
"""Machine, process and number of a partial file, after the name of the final file."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def partial_name(path: Path) -> Iterator[Path]:
    """Context with a unique temporary name next to ``path``, to write to and then rename; leftovers are removed.

    The name contains the machine and the process, so that files of a killed process are recognised. They are removed
    when the same path is written again.

    Args:
        path: The file or folder to write atomically.

    Yields:
        The temporary name; nothing exists under it yet.

    Raises:
        DataError: If the path names no entry of a folder, such as ``.`` or the empty text, or is a device or pipe,
            which would be replaced by a file.
        OSError: As raised in the context; the path is added if it has none.
    """
    if not path.name:
        raise DataError(f"{str(path)!r} is a folder. Name a file in it.")
    if _is_special(path):
        raise DataError(f"{path} is a device or pipe, which a file would replace. Name a file, or redirect the output.")
    remove_stale_partials(path)
    partial = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.{uuid4().hex[:12]}.part")
    try:
        yield partial
    except OSError as error:
        if error.errno is None:  # NumPy's error reports how much was written, but not why the write stopped
            raise OSError(errno.ENOSPC, "incomplete write, as on a full disk", str(path)) from error
        if error.filename is None:  # a full disk is reported without a file name
            error.filename = str(path)
        raise
    finally:
        _remove(partial)


def _is_special(path: Path) -> bool:
    """Whether a path is a device, a pipe or a socket, or a system link to one, such as ``/dev/stdout``."""
    if path.is_symlink() and path.absolute().parts[1:2] == ("dev",):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def remove_stale_partials(path: Path) -> None:
    """Remove the partial files of ``path`` whose process has ended.

    Args:
        path: The final file or folder.
    """
    prefix = f".{path.name}."
    if not path.parent.is_dir():
        return
    for entry in os.scandir(path.parent):
        found = _PARTIAL.fullmatch(entry.name.removeprefix(prefix)) if entry.name.startswith(prefix) else None
        if found is not None and _is_stale(Path(entry.path), found[1], int(found[2])):
            _remove(Path(entry.path))


def _is_stale(partial: Path, host: str, process: int) -> bool:
    try:
        written = partial.lstat().st_mtime
    except FileNotFoundError:  # its process has just renamed it
        return False
    if host != _HOST:
        return time.time() - written > _ABANDONED
    if process == os.getpid():  # process numbers are reused; in containers they are the same at every start
        return written < _IMPORTED - 1.0
    return not _is_alive(process)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _remove(partial: Path) -> None:
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary name, synced to disk, then renamed.

    Raises:
        DataError: If the path cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_name(path) as partial:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}. Free up disk space or choose another path."
        ) from error


def escape_controls(text: str) -> str:
    r"""Text with control characters, other than tabs and line breaks, written as ``\\x1b``.

    Args:
        text: Text from a user's file. Terminals obey some of these characters, NUL truncates text, and surrogates (from
            undecodable bytes of a command line) cannot be written to a file.

    Example:
        >>> print(escape_controls("CCO\x00\x1b[31m"))
        CCO\x00\x1b[31m
    """
    return text if text.isprintable() else _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def csv_cell(cell: Any, *, safe: bool = False) -> Any:
    """A cell of a CSV file to write: without control characters and, on request, without formulas.

    Args:
        cell: The cell; values that are not text are unchanged.
        safe: Whether to put ``'`` in front of text that a spreadsheet would run. Numbers are unchanged.

    Example:
        >>> [csv_cell(cell, safe=True) for cell in ("=1+1", "-0.5", "CCO", 3)]
        ["'=1+1", '-0.5', 'CCO', 3]
    """
    if not isinstance(cell, str):
        return cell
    text = escape_controls(cell)
    return f"'{text}" if safe and text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def csv_bytes(table: "DataFrame", *, safe: bool = False) -> bytes:
    """A table as a CSV file, with each cell and column name as written by :func:`csv_cell`.

    Args:
        table: The table; its index is omitted.
        safe: See :func:`csv_cell`.
    """
    clean = partial(csv_cell, safe=safe)
    written = table.apply(lambda column: column.map(clean) if column.dtype.kind in "OTU" else column)
    text: str = written.rename(columns=clean).to_csv(index=False)
    return text.encode()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and their description as one safetensors file.

    The description is JSON in the file's header, together with a SHA-256 of the whole file, computed with zeros in
    place of the checksum's digits. A separate description file could belong to another version of the tensors.

    Args:
        path: File to write; ends in ``.safetensors``.
        tensors: The tensors, on any device.
        meta: Their description, as JSON values.
    """
    about = json.dumps({"format": FORMAT, "sha256": _NO_SUM, "about": dict(meta)})
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = save(copies, metadata={_KEY: about})
    digest = hashlib.sha256(content).hexdigest()
    write_file(path, content.replace(_NO_SUM.encode(), digest.encode(), 1))


def as_tensor(values: Any) -> Tensor:
    """JSON values as a tensor of bytes, if they are too large for a header."""
    return torch.frombuffer(bytearray(json.dumps(values).encode()), dtype=torch.uint8)


def from_tensor(tensor: Tensor) -> Any:
    """The value passed to :func:`as_tensor`.

    Raises:
        DataError: If the tensor does not hold one.
    """
    try:
        return parse_json(tensor.numpy().tobytes())
    except ValueError as error:
        raise DataError(
            f"a text stored among the tensors is damaged: {error}. Restore the file, or fit again."
        ) from error


def parse_json(text: str | bytes) -> Any:
    """The values of a JSON text.

    Args:
        text: The text.

    Raises:
        ValueError: If it is not JSON, or is nested so deeply that it cannot be read.

    Example:
        >>> parse_json("[" * 100_000)
        Traceback (most recent call last):
        ...
        ValueError: it is nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file written by :func:`write_tensors`.

    Raises:
        DataError: If the file is missing, damaged, or of another format.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if (path.parent / "state").is_dir():
            raise DataError(
                f"{path.parent} holds an interrupted run. Resume it first: --resume {path.parent}, with the "
                "command that began it."
            ) from error
        raise DataError(f"{path.absolute()} does not exist. Name the folder of a finished run: runs/NAME.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path and its permissions.") from error
    described = _description(path, content)
    if described["format"] != FORMAT:
        newer = "a newer" if described["format"] > FORMAT else "an older"
        advice = "Update molweight." if described["format"] > FORMAT else "Fit again, or use the version that wrote it."
        raise DataError(
            f"{path} was written by {newer} version of molweight (format {described['format']}; this version reads "
            f"{FORMAT}). {advice}"
        )
    blank = content.replace(described["sha256"].encode(), _NO_SUM.encode(), 1)
    if hashlib.sha256(blank).hexdigest() != described["sha256"]:
        raise DataError(_damaged(path, "its SHA-256 is not the one recorded in it"))
    try:
        return load(content), described["about"]
    except SafetensorError as error:
        raise DataError(_damaged(path, str(error))) from error


def _description(path: Path, content: bytes) -> dict[str, Any]:
    """Format, checksum and description from the header.

    Raises:
        DataError: If there are none.
    """
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    try:
        header = parse_json(content[_LENGTH:end])
        described: dict[str, Any] = parse_json(header["__metadata__"][_KEY])
        sound = isinstance(described["format"], int) and len(described["sha256"]) == len(_NO_SUM)
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(_damaged(path, "it has no metadata written by molweight")) from error
    if not sound:
        raise DataError(_damaged(path, "its metadata is not valid"))
    return described


def _damaged(path: Path, reason: str) -> str:
    return f"{path} is damaged, or was not written by molweight: {reason}. Restore it, or fit again."


def pack(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split a nested state into JSON values and tensors.

    Args:
        state: Any nesting of mappings, lists and tuples of tensors, numbers, texts, ``None`` and booleans.

    Returns:
        JSON values in which tensors are references, and the tensors by reference.

    Raises:
        TypeError: If it holds anything else.

    Example:
        >>> import torch
        >>> skeleton, tensors = pack({"lr": 0.1, "state": {0: torch.zeros(2)}, "betas": (0.9, 0.99)})
        >>> skeleton["lr"], list(tensors)
        (0.1, ['0'])
        >>> unpack(skeleton, tensors)
        {'lr': 0.1, 'state': {0: tensor([0., 0.])}, 'betas': (0.9, 0.99)}
    """
    tensors: dict[str, Tensor] = {}
    return _pack(state, tensors), tensors


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_pack(item, tensors) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and not value.keys() & {"tensor", "tuple", "pairs"}:
            return {key: _pack(item, tensors) for key, item in value.items()}
        return {"pairs": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state cannot hold a {type(value).__name__}")


def unpack(skeleton: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Rebuild a state from :func:`pack`.

    Args:
        skeleton: The first return value of :func:`pack`.
        tensors: The second one.
    """
    if isinstance(skeleton, list):
        return [unpack(item, tensors) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    if skeleton.keys() == {"tensor"}:
        return tensors[skeleton["tensor"]]
    if skeleton.keys() == {"tuple"}:
        return tuple(unpack(item, tensors) for item in skeleton["tuple"])
    if skeleton.keys() == {"pairs"}:
        return {key: unpack(item, tensors) for key, item in skeleton["pairs"]}
    return {key: unpack(item, tensors) for key, item in skeleton.items()}
