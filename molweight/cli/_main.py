"""Entry point of the command line."""

import errno
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace

from molweight._streams import tell, writable_streams
from molweight._version import __version__
from molweight.cli._distributed import in_processes, several_processes
from molweight.cli._lost_files import refuse_lost_files
from molweight.cli._old_names import with_current_names
from molweight.cli._parser import Parser, asks_for_help, join_options
from molweight.cli._plugins import TRUST, add_plugin_option
from molweight.cli._presets import CONDITIONS, PRESETS, preset_defaults
from molweight.cli._spelling import as_typed
from molweight.errors import (
    ConfigError,
    DamagedCacheError,
    Interrupted,
    Message,
    MolweightError,
    OptionError,
    out_of_memory,
    printable,
    suggest,
)
from molweight.plugins import import_plugins, refuse_untrusted

__all__ = ["main"]

_COMMANDS: Final = {
    "benchmark": "run tables x methods x seeds from one YAML file, with statistics",
    "audit": "check a table for duplicates, undefined stereochemistry, leakage between roles, overlap with a corpus",
    "fit": "pretrain with learned weights, finetune, compare with baselines; writes runs/NAME",
    "advise": "test which auxiliary tables help, with frozen probes, before any training",
    "pretrain": "pretrain a checkpoint for fit and finetune to start from",
    "finetune": "only finetune a checkpoint on a table",
    "predict": "predict for a file of any size, row by row",
    "embed": "write vectors of a run's encoder for a file of any size",
    "evaluate": "score a run on a labelled table",
    "report": "write an HTML page about a run, or about several runs side by side",
    "explain": "draw which atoms the predictions of a run depend on",
    "hypergrad-check": "measure accuracy and cost of each solver's hypergradient on your data",
    "list": "list the available objectives, encoders, weightings, solvers, datasets",
}
"""Summary of each command; its module has the same name, ``_fit`` or ``_hypergrad_check``."""

_NO_MEMORY: Final = (
    "not enough memory. Use a smaller encoder (--encoder_options.width, --encoder_options.layers) or "
    "smaller batches (--batch_size, --task_batch_size, --chunk_size), if the command has these options."
)
_LEAST_SPACE: Final = 1800 << 20
"""Minimum address space in bytes; with less, OpenBLAS and PyTorch abort the process."""
_WORKER_DIED: Final = (
    "a process that computes features was killed, most likely because the machine ran out of memory. Close other "
    "programs, or set LOKY_MAX_CPU_COUNT=1 to use a single process, and run the same command again."
)
_ALONE: Final = "Set LOKY_MAX_CPU_COUNT=1 to use a single process, and run the same command again."
_TOO_MANY: Final = (errno.EMFILE, errno.ENFILE)
_NOT_ALLOWED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_CTRL_C: Final = 130
_SHOWN: Final = 300
"""Maximum length of a path in a message."""
_LOG: Final = logging.getLogger(__name__)
_BESIDE_RESUME: Final = ("resume", "quiet", "json", "plugin", "trust")
"""Options that may accompany ``--resume``; all others are read from the interrupted run."""
_USAGE: Final = f"""usage: molweight COMMAND [options]

molweight {__version__}: task-adaptive pretraining with learned objective weights.

commands:
{chr(10).join(f"  {name:<16} {what}" for name, what in _COMMANDS.items())}

'molweight COMMAND --help' shows the options of a command; --print_config prints them as a file for --config. The exit
status is 0 for success, 2 for a user error (explained in one paragraph on stderr), 130 after Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments without the program's name; those of the process if ``None``.

    Returns:
        The exit status: 0 for success, 2 for a user error, 130 after Ctrl-C, 143 after SIGTERM.
    """
    writable_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Must be set before PyTorch is imported. Waiting threads that spin take time from other programs, and on a busy
    # machine each parallel operation then lasts a whole time slice (a report: 40 s instead of 4 s).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with _messages(arguments):
        return _explained(arguments)


@contextmanager
def _messages(arguments: Sequence[str]) -> Iterator[None]:
    """Print the messages of the library while a command runs; a program that calls ``main`` keeps its own logging."""
    root, own = logging.getLogger(), logging.getLogger("molweight")
    levels, handlers = [(logger, logger.level) for logger in (root, own)], list(root.handlers)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    formatters = [(handler, handler.formatter) for handler in root.handlers]
    for handler in root.handlers:
        handler.setFormatter(_Typed(arguments))
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
        for handler, formatter in formatters:
            handler.setFormatter(formatter)
            if handler not in handlers:
                root.removeHandler(handler)


def _explained(arguments: list[str]) -> int:
    """The exit status of a command; errors are messages."""
    try:
        return _carry_out(arguments)
    except MolweightError as error:
        text = error.message.written(as_typed(_option_names(arguments)))
        tell(f"molweight: {' '.join(text.split())}\n")  # a quoted cell may hold line breaks
        return 2
    except BrokenPipeError:
        _close_output()  # the reader has closed the pipe
        return 0
    except OSError as error:
        tell(f"molweight: {_of_system(error)}\n")
        if error.filename is None and error.errno not in _TOO_MANY:
            _close_output()  # the rest cannot be written either
        return 2
    except KeyboardInterrupt as error:
        # joblib warns of the tasks that it cancels.
        warnings.filterwarnings("ignore", r"\d+ tasks? which were still being processed", UserWarning)
        tell(f"\nmolweight: {str(error) or 'interrupted.'}\n")
        return error.status if isinstance(error, Interrupted) else _CTRL_C


def _of_system(error: OSError) -> str:
    """An error of the operating system as a message with path, reason and remedy."""
    if error.errno in _TOO_MANY:
        where = "" if error.filename is None else f"{_shortened(error.filename)}: "
        return f"{where}too many files are open. Raise the limit, e.g. with 'ulimit -n 4096', or close other programs."
    where = "standard output" if error.filename is None else _shortened(error.filename)
    remedy = "Free up disk space or choose another path."
    if error.errno in _NOT_ALLOWED and error.filename is not None and _in_cache(str(error.filename)):
        remedy = "The cache must be writable: set MOLWEIGHT_CACHE to a folder in which you may write."
    return f"{where}: {error.strerror or error}. {remedy}"


def _in_cache(path: str) -> bool:
    """Whether a path is in the cache of featurised molecules."""
    from molweight.graphs.internal import cache_root

    return Path(path).absolute().is_relative_to(cache_root().absolute())


def _shortened(path: object) -> str:
    text = printable(str(path))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _carry_out(arguments: list[str]) -> int:
    with _ending_as_ctrl_c():
        try:
            status = _dispatch(arguments)
        except DamagedCacheError as error:
            if several_processes():
                raise  # the other processes are waiting for this one
            _LOG.warning("%s Restarting the command.", str(error).partition(" It was removed")[0])
            status = _dispatch(arguments)
        except RuntimeError as error:
            interrupt = _interrupt_before(error)
            if interrupt is None:
                raise
            raise interrupt from None
        sys.stdout.flush()  # flushed here, so that a full disk can be reported
    return status


def _interrupt_before(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt that an error followed, if any: joblib fails to stop a pool whose thread is just being started."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def _close_output() -> None:
    """Discard everything still to be written to standard output."""
    with suppress(OSError):  # a replaced sys.stdout may have no file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ending_as_ctrl_c() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP like Ctrl-C: partial files are removed, and a message is printed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is _interrupt:  # a job of several processes may ignore them by now
                signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001 (what signal handlers are given)
    raise Interrupted(number)


class _Typed(logging.Formatter):
    """Log formatter that writes arguments in messages of the library as command-line options."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Store the command line; its options are looked up when a message first mentions one."""
        super().__init__("%(message)s")
        self.arguments = arguments

    def format(self, record: logging.LogRecord) -> str:
        """The message."""
        if not isinstance(record.args, tuple) or not any(isinstance(item, Message) for item in record.args):
            return printable(super().format(record))
        typed = as_typed(_option_names(self.arguments))
        args = tuple(item.written(typed) if isinstance(item, Message) else item for item in record.args)
        return printable(record.msg % args)


def _option_names(arguments: Sequence[str]) -> list[str]:
    """Names of the options of the requested command."""
    name = arguments[0] if arguments else ""
    return _parser(name).option_names() if name in _COMMANDS else []


def _parser(name: str) -> Parser:
    """The options of a command, from a module that imports nothing heavy."""
    made: Parser = import_module(f"molweight.cli._options._{name.replace('-', '_')}").parser()
    return made


def _command(name: str) -> Any:
    """The module of a command, imported after its options are parsed."""
    return import_module(f"molweight.cli._{name.replace('-', '_')}")


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(f"{_USAGE}\n")
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"molweight {__version__}\n")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in _COMMANDS:
        raise ConfigError(f"unknown command {name!r}{suggest(name, _COMMANDS)} Commands: {', '.join(_COMMANDS)}.")
    parser = _parser(name)
    add_plugin_option(parser)
    typed, rest = _take_plugins(rest)
    rest = join_options(with_current_names(rest))
    if asks_for_help(rest):
        parser.remark(PRESETS["small"], "small", CONDITIONS)
    else:
        parser.sized(rest, preset_defaults)
    options = parser.parse_args(rest)
    if options.get("resume"):
        _refuse_beside_resume(parser, rest)
    _refuse_nul(options)
    _settle_plugins(options, typed, trust=TRUST in rest)
    import_plugins(options.plugin)
    refuse_lost_files(name, options.as_dict())
    _refuse_small_space()
    with in_processes(name, options), _enough_memory():
        _command(name).run(options)
    return 0


def _refuse_small_space() -> None:
    """Refuse a memory limit with which libraries would abort the process while they are loaded.

    Raises:
        ConfigError: If the limit is too low.
    """
    with suppress(ImportError):  # Windows has no such limits
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if 0 <= limit < _LEAST_SPACE:
            raise ConfigError(
                f"memory is limited to {limit >> 20} MB per process (ulimit -v), but PyTorch and RDKit need "
                f"{_LEAST_SPACE >> 20} MB once loaded. Raise the limit, e.g. with 'ulimit -v unlimited'."
            )


@contextmanager
def _enough_memory() -> Iterator[None]:
    """Turn errors for lack of memory into messages."""
    try:
        yield
    except BrokenExecutor as error:
        raise ConfigError(_of_workers(error)) from error
    except ImportError as error:
        if "failed to map segment" not in str(error):
            raise
        raise ConfigError(_NO_MEMORY) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise ConfigError(_NO_MEMORY) from error


def _of_workers(error: BrokenExecutor) -> str:
    """The reason why processes could not go on: most often they were killed for lack of memory."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if isinstance(error, TerminatedWorkerError):
        return _WORKER_DIED
    reason = str(error).partition(".")[0]
    return f"processes that compute features failed: {reason}. {_ALONE}"


def _refuse_beside_resume(parser: Parser, arguments: list[str]) -> None:
    """Refuse options that a resumed run would ignore."""
    typed = parser.parse_args(arguments, defaults=False).as_dict()
    ignored = [name for name in typed if name not in _BESIDE_RESUME]
    if ignored:
        listed = " and ".join("the argument TABLE" if name == "table" else f"--{name}" for name in ignored)
        them = "them" if len(ignored) > 1 else "it"
        raise ConfigError(
            f"--resume continues with the options of the interrupted run, so {listed} would have no effect. "
            f"Leave {them} out, or start a new run with another --name."
        )


def _refuse_nul(options: Namespace) -> None:
    """Refuse NUL, which an options file may hold; no file name, column name or other value may contain it."""
    for name, value in options.as_dict().items():
        if "\0" in str(value) or "\\x00" in repr(value):
            raise OptionError(name, value, "holds a NUL character", "Leave it out.")


def _take_plugins(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The modules of all ``--plugin`` options, separated from the other arguments."""
    rest: list[str] = []
    plugins: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        flag, _, value = argument.partition("=")
        if flag == "--plugin":
            plugins += [part.strip() for part in (value or next(pending, "")).split(",")]
        else:
            rest.append(argument)
    return plugins, rest


def _settle_plugins(options: Namespace, typed: list[str], *, trust: bool) -> None:
    """Accept plug-ins that an options file names if they are also typed, or if the user trusts the file.

    Raises:
        ConfigError: If there are others, or if the file itself sets ``trust``.
    """
    if options.trust and not trust:
        raise ConfigError("trust: is accepted only on the command line, as --trust. Remove it from the file.")
    refuse_untrusted(options.plugin, typed, "--config", trust=trust)
    options.plugin = list(dict.fromkeys([*options.plugin, *typed]))
