"""Plug-ins: modules of others that register names, and the location of errors in them."""

import importlib
import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from molweight.errors import ConfigError, MolweightError, TrainingError, out_of_memory

__all__ = ["ForeignCode", "import_again", "import_modules", "import_plugins", "imported_plugins", "refuse_untrusted"]

_LOG: Final = logging.getLogger(__name__)
_IMPORTING: Final = ("<frozen", importlib.__file__)
_imported: Final[dict[str, str]] = {}
"""The imported plug-ins, each with the folder from which it was imported."""


class ForeignCode:
    """A context that attributes exceptions to a plug-in's code, with file and line.

    Ctrl-C passes unchanged. So do molweight's own errors and a lack of memory, unless ``everything`` is set.
    ``sys.exit`` counts as an error: a plug-in must not end the process.

    Args:
        what: Description of the code, at the beginning of the message.
        file: The code's file; the message names the last line of it in the traceback, or without it, the line that
            raised.
        kind: The error to raise instead of the original one.
        everything: Whether to attribute all errors to that code, as during its import.

    Example:
        >>> with ForeignCode("objective 'mine', draw"):
        ...     {}["size"]
        Traceback (most recent call last):
        ...
        molweight.errors.TrainingError: objective 'mine', draw: KeyError: 'size'. Correct that code, or leave it out.
    """

    def __init__(
        self,
        what: str,
        file: str | None = None,
        kind: type[MolweightError] = TrainingError,
        *,
        everything: bool = False,
    ) -> None:
        """Store the arguments."""
        self.what, self.file, self.kind, self.everything = what, file, kind, everything

    def __enter__(self) -> None:
        """Enter the context."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise an error that names the location."""
        if error is None or isinstance(error, KeyboardInterrupt) or _is_close(error, trace):
            return
        if not self.everything and (isinstance(error, MolweightError) or out_of_memory(error)):
            return
        place = _place(error, trace, self.file)
        where = f" ({place})" if place else ""
        raise self.kind(f"{self.what}: {_told(error)}{where}. Correct that code, or leave it out.") from error


def _is_close(error: BaseException, trace: TracebackType | None) -> bool:
    """Whether a generator that uses the context is being closed, and the plug-in raised nothing."""
    return isinstance(error, GeneratorExit) and trace is not None and trace.tb_next is None


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    if isinstance(error, MolweightError):
        return error.message.text.rstrip(".")
    text = traceback.TracebackException(type(error), error, None)  # available even if str() of the error fails
    return f"{type(error).__name__}: {text}".rstrip(": ")


def _place(error: BaseException, trace: TracebackType | None, file: str | None) -> str | None:
    """File and line in which an error was raised; only the file if its code was not reached."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    called = traceback.extract_tb(trace)[1:]  # the first frame belongs to the context itself
    frames = [frame for frame in called if not frame.filename.startswith(_IMPORTING)]
    own = [frame for frame in frames if file is not None and Path(frame.filename) == Path(file)]
    return f"{(own or frames)[-1].filename}, line {(own or frames)[-1].lineno}" if frames else file


def import_plugins(modules: Sequence[str], option: str = "--plugin") -> None:
    """Import modules, also from the current folder.

    Args:
        modules: Names of modules.
        option: The option that names them, for the message.

    Raises:
        ConfigError: If importing one raises any error.
    """
    for module in modules:
        if module.endswith(".py") or not all(part.isidentifier() for part in module.split(".")):
            remedy = f"Write it as in Python, without .py: {option} my_objectives."
            raise ConfigError(f"{option} {module!r} is not the name of a module. {remedy}")
    for module in modules:
        _import_plugin(module, option, str(Path.cwd()))


def imported_plugins() -> dict[str, str]:
    """The plug-ins imported in this process, each with its folder, for :func:`import_again` in a worker."""
    return dict(_imported)


def import_again(plugins: Mapping[str, str]) -> None:
    """Import the plug-ins of another process, so that the names that they register are known.

    A plug-in that has become unavailable is reported, and work that does not need it is not affected.

    Args:
        plugins: Result of :func:`imported_plugins` in that process.
    """
    for module, folder in plugins.items():
        try:
            _import_plugin(module, "--plugin", folder)
        except ConfigError as error:
            _LOG.warning("in a worker process: %s", error)


def import_modules(modules: Sequence[str], needed_by: str) -> None:
    """Import modules that registered names in another process, unless this one has imported them.

    A module that cannot be imported is reported, and work that does not need it is not affected.

    Args:
        modules: Names of modules, found on the import path.
        needed_by: Description of what may use the names, for the message.
    """
    for module in modules:
        if module in sys.modules:
            continue
        try:
            with ForeignCode(f"module {module!r} cannot be imported", kind=ConfigError, everything=True):
                importlib.import_module(module)
        except ConfigError as error:
            _LOG.warning("%s may use names that another module registers: %s", needed_by, error)


def _import_plugin(module: str, option: str, folder: str) -> None:
    sys.path.insert(0, folder)  # as for `python -m`
    try:
        with ForeignCode(f"{option} {module!r} cannot be imported", kind=ConfigError, everything=True):
            importlib.import_module(module)
    finally:
        sys.path.remove(folder)
    if folder not in sys.path:
        sys.path.append(folder)  # for what it imports later; at the end, where it shadows nothing
    _imported[module] = folder


def refuse_untrusted(named: Sequence[str], typed: Sequence[str], place: str, *, trust: bool) -> None:
    """Refuse to import modules named only by a file: another person's file must not run code.

    Args:
        named: Modules that the file names.
        typed: Modules that the user typed.
        place: The file.
        trust: Whether the user trusts the file.

    Raises:
        ConfigError: If there are such modules; the message lists them.

    Example:
        >>> refuse_untrusted(["rings"], ["rings"], "config.yaml", trust=False)
        >>> refuse_untrusted(["rings"], [], "config.yaml", trust=False)
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: config.yaml would import the module rings, which runs its code. ...
    """
    unasked = [module for module in named if module not in typed]
    if unasked and not trust:
        listed = ", ".join(unasked)
        raise ConfigError(
            f"{place} would import the module{'s' if len(unasked) > 1 else ''} {listed}, which runs "
            f"{'their' if len(unasked) > 1 else 'its'} code. If you trust that code, name it: --plugin "
            f"{','.join(unasked)}; or trust the file: --trust."
        )
