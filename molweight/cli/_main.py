"""Entry point of the command line."""

import logging
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from jsonargparse import Namespace

from molweight import __version__
from molweight.cli import _audit, _fit, _hypergrad_check, _list
from molweight.cli._parser import Parser, names
from molweight.cli._words import as_typed
from molweight.errors import ConfigError, MolweightError, suggest

__all__ = ["main"]

Command = Callable[[Namespace], None]
_COMMANDS: Final[dict[str, tuple[Callable[[], Parser], Command]]] = {
    "audit": (_audit.parser, _audit.run),
    "fit": (_fit.parser, _fit.run),
    "hypergrad-check": (_hypergrad_check.parser, _hypergrad_check.run),
    "list": (_list.parser, _list.run),
}
_USAGE: Final = f"""usage: molweight COMMAND [options]

molweight {__version__}: task-adaptive pretraining with learned objective weights.

commands:
  audit            duplicates, undefined stereochemistry, leakage between roles, overlap with a corpus
  fit              pretrain with learned weights, finetune, compare with baselines; writes runs/NAME
  hypergrad-check  how accurate each solver's hypergradient is on your data, and what it costs
  list             what is available: objectives, encoders, weightings, solvers, datasets

'molweight COMMAND --help' shows the options of a command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments without the program's name; those of the process if ``None``.

    Returns:
        The exit status: 0 for success, 2 for an error the user can mend, 130 if interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        return _dispatch(arguments)
    except MolweightError as error:
        sys.stderr.write(f"molweight: {as_typed(str(error), _option_names(arguments))}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"molweight: {error.filename or 'a file'}: {error.strerror}. Free the place or choose another.\n"
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("molweight: interrupted.\n")
        return 130


def _option_names(arguments: Sequence[str]) -> list[str]:
    """Names of the options of the command that is asked for."""
    make, _ = _COMMANDS.get(arguments[0] if arguments else "", (None, None))
    return make().option_names() if make else []


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(f"{_USAGE}\n")
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"molweight {__version__}\n")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in _COMMANDS:
        raise ConfigError(f"unknown command {name!r};{suggest(name, _COMMANDS)} Commands: {', '.join(_COMMANDS)}.")
    make, command = _COMMANDS[name]
    parser = make()
    parser.add_argument("--plugin", type=names, default=[], help="modules that register further names: a,b,c")
    options = parser.parse_args(_join_plugins(rest))
    for module in options.plugin:
        _import_plugin(module)
    command(options)
    return 0


def _join_plugins(arguments: list[str]) -> list[str]:
    """The arguments with all ``--plugin``, which may be repeated, as one."""
    rest: list[str] = []
    plugins: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        flag, _, value = argument.partition("=")
        if flag == "--plugin":
            plugins.append(value or next(pending, ""))
        else:
            rest.append(argument)
    return [*rest, f"--plugin={','.join(plugins)}"] if plugins else rest


def _import_plugin(module: str) -> None:
    sys.path.insert(0, "")  # the folder the command is run in, as for `python -m`
    try:
        import_module(module)
    except (ImportError, SyntaxError, ValueError) as error:
        raise ConfigError(f"--plugin {module!r} cannot be imported: {error}. Name an importable module.") from error
    finally:
        sys.path.remove("")
