"""Tables of other packages: their loaders, by name."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from molweight.arguments import accepted_options
from molweight.datasets._catalogue import TABLES
from molweight.errors import ConfigError, DataError, DuplicateNameError
from molweight.graphs import MoleculeDataset
from molweight.registry import Registry

__all__ = ["LOADERS", "load_registered", "register"]

L = TypeVar("L", bound=Callable[..., MoleculeDataset])


def _check(name: str, loader: object) -> None:
    if name in TABLES:
        raise DuplicateNameError(f"dataset {name!r} is built in. Choose another name.")
    if not callable(loader) or inspect.isclass(loader):
        raise ConfigError(f"dataset {name!r} must be a function that returns a MoleculeDataset, not {loader!r}.")


LOADERS = Registry[Callable[..., MoleculeDataset]]("dataset", group="molweight.datasets", check=_check)
"""The registered loaders."""


def register(name: str) -> Callable[[L], L]:
    """Decorator that registers a function as the loader of the table ``name``.

    :func:`molweight.datasets.load` and ``molweight fit --data`` then find it. The function is called without arguments,
    or with those arguments of ``load`` that it accepts by name (``targets``, ``cache``, ``n_jobs``, ``progress``). The
    first line of its docstring is shown by ``molweight list datasets``.

    Args:
        name: Lower case with underscores.

    Returns:
        The decorator. It raises :class:`molweight.errors.DuplicateNameError` if the name is taken.

    Example:
        In a module that is named by ``--plugin`` or by an entry point of the group ``molweight.datasets``::

            @datasets.register("alcohols")
            def alcohols():
                '''Number of oxygen atoms of some alcohols.'''
                return datasets.from_smiles(["CO", "CCO", "OCCO"], [1.0, 1.0, 2.0], name="alcohols")
    """

    def decorate(loader: L) -> L:
        LOADERS.register(name)(loader)
        return loader

    return decorate


def load_registered(name: str, options: Mapping[str, Any]) -> MoleculeDataset:
    """Load a registered table.

    Args:
        name: Its name.
        options: The arguments of :func:`molweight.datasets.load`; those that the function accepts are passed on.

    Raises:
        ConfigError: If label columns are selected, and the function does not accept ``targets``.
        DataError: If the function returns anything but a ``MoleculeDataset``.
        UnknownNameError: If there is no such table, with the nearest names.
    """
    loader = LOADERS.get(name)
    taken = accepted_options(loader)
    if options.get("targets") is not None and "targets" not in taken:
        raise ConfigError(f"dataset {name!r} does not allow targets to be chosen: its loader takes no 'targets'.")
    data = loader(**{option: value for option, value in options.items() if option in taken})
    if not isinstance(data, MoleculeDataset):
        raise DataError(f"dataset {name!r}: its loader returned {type(data).__name__}, not a MoleculeDataset.")
    return data
