"""The network of TabICL: read from a user's file without running code from it, and checked."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NoReturn

import torch
from torch import Tensor

from molweight._torch_file import read_torch_dictionary
from molweight.errors import DataError, OptionError

__all__ = ["Network", "read_network"]

_LICENCE: Final = "BSD 3-clause"
"""Licence of the weights published by TabICL's authors."""
_INSTALL: Final = "pip install 'molweight[tabicl]'"
_SHOWN: Final = 5
_LONGEST: Final = 10_000
"""Largest number allowed in a configuration, except for the rotary base."""
_BASE: Final = 1_000_000_000
"""Largest allowed base of the rotary encoding."""
_MISSING: Final = "the package tabicl (2.2 or later) is not installed"


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of TabICL with their configuration.

    Source: Qu, Holzmueller, Varoquaux, Le Morvan, *TabICL: A Tabular Foundation Model for In-Context Learning on Large
    Data*, ICML 2025 (arXiv 2502.05564).

    Args:
        name: Name of their file.
        sha256: Digest of that file.
        config: Arguments of the network, as JSON values.
        tensors: Tensors by name.
    """

    name: str
    sha256: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def classes(self) -> bool:
        """Whether the network predicts classes; otherwise it predicts numbers."""
        return bool(self.config.get("max_classes", 10))

    @property
    def most_classes(self) -> int:
        """Maximum number of classes in one pass; 0 for regression."""
        return int(self.config.get("max_classes", 10))

    def about(self) -> dict[str, Any]:
        """All fields except the tensors, as JSON values."""
        return {"name": self.name, "sha256": self.sha256, "licence": _LICENCE, "config": dict(self.config)}

    @classmethod
    def from_parts(cls, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Network":
        """The network from the values of :meth:`about` and its tensors.

        Raises:
            DataError: If they are not consistent, or the package ``tabicl`` is missing.
        """
        config = about.get("config")
        if not isinstance(config, Mapping):
            raise DataError("the network of TabICL in the ensemble has no configuration. Restore the file.")
        problem = _problem_of(config, tensors)
        if problem == _MISSING:
            raise DataError(f"the ensemble has the partner 'tabicl', but {_MISSING}: {_INSTALL}.")
        if problem:
            raise DataError(f"the network of TabICL in the ensemble is damaged: it {problem}. Restore the file.")
        return cls(str(about.get("name", "")), str(about.get("sha256", "")), dict(config), dict(tensors))

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Context with a temporary file of the network in TabICL's format.

        Yields:
            Its path.
        """
        with TemporaryDirectory(prefix="molweight-") as folder:
            path = Path(folder) / "network.ckpt"
            torch.save({"config": dict(self.config), "state_dict": dict(self.tensors)}, path)
            yield path


def read_network(path: str) -> Network:
    """The network in a file of TabICL's weights.

    The file holds a dictionary with ``config`` and ``state_dict``, as ``tabicl-regressor-v2-*.ckpt`` does. It is read
    by ``torch.load(weights_only=True)``, which creates tensors and plain containers and runs no code from the file.

    Args:
        path: The file.

    Raises:
        OptionError: If it is not such a file, is damaged, does not match the package, or the package is missing.
    """
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        raise OptionError("in_context", path, "is not a file that can be read", "Correct the path.") from error
    return _read_once(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1)
def _read_once(path: str, size: int, modified: int) -> Network:  # noqa: ARG001 - a changed file is read again
    """Cached version of :func:`read_network`, because the stages of a job read the same file several times."""
    content = _content(path)
    config, state = content.get("config"), content.get("state_dict")
    if not isinstance(config, Mapping) or not isinstance(state, Mapping):
        held = ", ".join(map(repr, list(content)[:_SHOWN])) or "nothing"
        _refuse(path, f"holds {held} in place of 'config' and 'state_dict'")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    problem = _problem_of(config, tensors)
    if problem == _MISSING:
        raise OptionError("in_context", path, f"cannot be used: {_MISSING}", f"Install it: {_INSTALL}.")
    if problem:
        _refuse(path, problem)
    # Copies, because a tensor in a file can be a view of a larger one, which would be saved as well.
    plain = {name: tensor.float().clone() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Network(Path(path).name, digest, {str(key): value for key, value in config.items()}, plain)


def _content(path: str) -> dict[Any, Any]:
    """The dictionary in a file.

    Raises:
        OptionError: If there is none.
    """
    try:
        return read_torch_dictionary(path)
    except DataError as error:
        _refuse(path, str(error))


def _problem_of(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """The defect of a network, as the rest of a sentence that begins with its name; empty if there is none."""
    problem = _problem_of_config(config, len(tensors))
    if problem:
        return problem
    expected = _shapes(config)
    return expected if isinstance(expected, str) else _problem_of_tensors(tensors, expected)


def _shapes(config: Mapping[str, Any]) -> dict[str, torch.Size] | str:
    """Shapes of a network's tensors by name, or the defect of its configuration."""
    try:
        from tabicl._model.tabicl import TabICL
    except ImportError:
        return _MISSING
    try:
        with torch.device("meta"):  # only shapes, so that a configuration cannot allocate memory
            return {name: tensor.shape for name, tensor in TabICL(**config).state_dict().items()}
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError) as error:
        return f"has a configuration that TabICL rejects ({error})"


def _problem_of_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> str:
    """Like :func:`_problem_of`, for the tensors."""
    missing = [name for name in expected if name not in tensors]
    if missing:
        return f"lacks the tensor {missing[0]}"
    for name, tensor in tensors.items():
        if name not in expected:
            return f"has a tensor {name}, which does not belong to its configuration"
        if tensor.shape != expected[name]:
            return f"has a {name} of shape {tuple(tensor.shape)} in place of {tuple(expected[name])}"
        if not bool(tensor.isfinite().all()):
            return f"has values in {name} that are not finite numbers"
    return ""


def _problem_of_config(config: Mapping[str, Any], tensors: int) -> str:
    """Like :func:`_problem_of`, for values that are too large or are not plain JSON."""
    for name, value in config.items():
        if not isinstance(value, (int, float, str, type(None))):
            return f"has a configuration with {name!r}, which is not a plain value"
        if isinstance(value, (int, float)):
            most = tensors if str(name).endswith("num_blocks") else _BASE if name == "row_rope_base" else _LONGEST
            if not 0 <= value <= most:
                return f"has a configuration with {name}={value}"
    return ""


def _refuse(path: str, found: str) -> NoReturn:
    """Raise the error for a file.

    Raises:
        OptionError: Always.
    """
    remedy = (
        "Expected the weights of TabICL 2, such as tabicl-regressor-v2-*.ckpt or tabicl-classifier-v2-*.ckpt; "
        "docs/method.md says where to get them."
    )
    raise OptionError("in_context", path, found, remedy)
