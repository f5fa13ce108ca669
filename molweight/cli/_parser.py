"""A parser whose error messages are one paragraph and suggest the nearest names."""

import csv
import json
import re
from argparse import SUPPRESS, HelpFormatter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, NoReturn, Union, get_args, get_origin

from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_loader

from molweight._yaml import NotYamlError, load_yaml, read_options
from molweight.cli._help import Formatter, HelpAll, rare_options, short_usage, with_example
from molweight.errors import ConfigError, OptionError, suggest

__all__ = ["UNTRUSTED", "Parser", "as_names", "as_words", "asks_for_help", "join_options", "names", "weights"]

UNTRUSTED: Final = "Plug-ins and untrusted files"
"""Title of the section of the help on options that make files safe, or trust them."""
_KINDS: Final[dict[object, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping, e.g. '{\"name\": 1}'",
    list: "a list",
    str: "text",
    NoneType: "null",
}
"""Placeholders of values in messages."""
_AS_TYPED: Final = {"None": "null", "True": "true", "False": "false"}
"""Python values and their YAML spelling. Lengths are equal, so that the wrapping of lines is preserved."""
_PYTHON: Final = re.compile(rf"\b({'|'.join(_AS_TYPED)})\b")
_QUOTED: Final = re.compile(r"^\[|[,\"\r\n]")
"""Characters that require a name to be quoted in a list of names."""
_NO_NUMBER: Final = re.compile(r"[^\w.+-]")
_WRITTEN_OUT: Final = re.compile(r"\n|:\s*(?:~|null\b)", re.IGNORECASE)
"""Signs that a text is the content of an options file, and not just a text with a colon or braces."""
_REQUIRED: Final = re.compile(r"arguments are required: (.+?)\.?$", re.MULTILINE)
_PART: Final = re.compile(r"(--[a-z_]+\.[\w:-]+)\.(\w+)")


_MODE: Final = "molweight"
"""Parser mode for values: the YAML dialect of options files."""
_HELP: Final = frozenset({"-h", "--help", "--help_all"})


class Parser(ArgumentParser):
    """jsonargparse's parser, raising :class:`ConfigError` where it would print the usage and exit.

    Abbreviated options are treated as unknown, and the message suggests the nearest names.
    """

    def __init__(
        self, *names: Any, example: str = "", missing: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        """Create it.

        Args:
            *names: As for jsonargparse.
            example: A command line for the help, or several lines.
            missing: Phrase for each argument that a message asks for if it is missing.
            **options: As for jsonargparse.
        """
        if example:
            options["description"] = with_example(options["description"], example)
        super().__init__(
            *names, **{"allow_abbrev": False, "formatter_class": Formatter, "parser_mode": _MODE, **options}
        )
        self._arguments: Sequence[str] = ()
        self._in_file: Mapping[str, Any] = {}
        self._sections: dict[Any, Collection[str]] = {}
        self._missing = missing or {}
        self.add_argument("--help_all", action=HelpAll, help="show all options and exit")

    def section(self, title: str, common: Collection[str] = ()) -> Any:
        """The section of the help with this title, to which options are added; created if there is none.

        Args:
            title: The title.
            common: Options of the section that ``--help`` shows if the command has many options; the others are left to
                ``--help_all``. Options outside sections are always shown.
        """
        for section, shown in self._sections.items():
            if section.title == title:
                self._sections[section] = {*shown, *common}
                return section
        made = self.add_argument_group(title)
        self._sections[made] = common
        return made

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The help; if there are many options, only the common ones."""
        rare = rare_options(self._actions, self._sections)
        text = self._format_without(rare, formatter)
        hidden = [action for action in rare if action.dest != "help_all"]
        return f"{text}\n{len(hidden)} more options: --help_all\n" if hidden else text

    def _format_without(self, rare: Sequence[Any], formatter: HelpFormatter | None = None) -> str:
        texts = [action.help for action in rare]
        self.usage = short_usage(self.prog, self._actions)
        for action in rare:
            action.help = SUPPRESS
        try:
            text: str = super().format_help(formatter)
        finally:
            for action, kept in zip(rare, texts, strict=True):
                action.help = kept
        return _PYTHON.sub(lambda found: _AS_TYPED[found[0]], text)

    def format_all(self) -> str:
        """The help with every option."""
        return self._format_without(())

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report the error in one paragraph: the option at fault if it can be found, else the parser's message."""
        typed = self._typed()
        for option, _ in typed:
            self._refuse_unknown(option)
        for option, value in [*typed, *self._in_file.items()]:
            self._refuse_kind(option, value)
        raise ConfigError(f"{_one_paragraph(self._of_missing(message))} See '{self.prog} --help'.") from ex

    def _of_missing(self, message: str) -> str:
        """The parser's message; on missing arguments, what to name."""
        found = _REQUIRED.search(message)
        parts = [self._missing[name] for name in found[1].split(", ") if name in self._missing] if found else []
        return f"name {' and '.join(parts)}" if parts else message

    def _typed(self) -> list[tuple[str, Any]]:
        """The options on the command line, each with the text that may be its value."""
        following = [*self._arguments[1:], None]
        parts = [(*argument.partition("="), after) for argument, after in zip(self._arguments, following, strict=False)]
        return [(flag, value if equals else after) for flag, equals, value, after in parts if _is_flag(flag)]

    def _refuse_unknown(self, flag: str) -> None:
        """Refuse an unknown option, unless it may be part of a known one: ``--encoder_options.width``."""
        known = [name for action in self._actions for name in action.option_strings]
        if flag.partition(".")[0].rstrip("+") not in known:
            clause = suggest(flag.lstrip("-"), self.option_names())
            raise ConfigError(f"unknown option {flag}{clause} See '{self.prog} --help'.")

    def _refuse_odd_numbers(self) -> None:
        """Refuse texts that jsonargparse would convert to another number: in its YAML, ``1:30`` is 90."""
        for flag, value in [*self._typed(), *self._in_file.items()]:
            for action in self._actions:
                hint = vars(action).get("_typehint", action.type)
                if flag in action.option_strings and _is_no_number(hint, value):
                    raise OptionError(action.dest, value, f"must be {' or '.join(_kinds(hint))}")

    def _refuse_kind(self, flag: str, value: Any) -> None:
        """Refuse a value that does not have the option's type."""
        for action in self._actions:
            hint = vars(action).get("_typehint", action.type)
            if flag not in action.option_strings or value is None or hint is None:
                continue
            reason = _reason_against(hint, value)
            if reason is not None:
                raise OptionError(action.dest, str(value), reason)

    def _read_file(self, path: str | None) -> dict[str, Any]:
        """The options of a file, as flags.

        Raises:
            ConfigError: If it cannot be read, or has an unknown option.
        """
        if path is None or "\n" in path:  # options as text, or several files: left to the parser
            return {}
        content = _content(path)
        known = {action.dest for action in self._actions}
        for name in content:
            if str(name).partition(".")[0] not in known:
                raise ConfigError(f"{path}: there is no option {name!r}{suggest(str(name), self.option_names())}")
        return {f"--{name}": value for name, value in content.items()}

    def parse_args(  # type: ignore[override]  # jsonargparse's own signature, which has none of argparse's overloads
        self,
        args: Sequence[str] | None = None,
        namespace: Namespace | None = None,
        env: bool | None = None,
        defaults: bool = True,
        **options: Any,
    ) -> Namespace:
        """Parse the arguments; a missing optional positional becomes ``None``, unless a file gives it.

        Args:
            args: The arguments.
            namespace: Namespace to add to.
            env: Whether to read the environment.
            defaults: Whether to fill in the defaults.
            **options: As for jsonargparse.
        """
        self._arguments = args or ()
        self._in_file = self._read_file(_named_file(self._arguments))
        self._refuse_repeated(args or ())
        self._refuse_odd_numbers()
        try:
            found = super().parse_args(args, namespace, env, defaults, **options)
        except (AttributeError, IndexError) as error:  # raised by jsonargparse itself, e.g. for --config=--
            self.error(f"the options cannot be read ({error}).", error)
        if defaults:
            for action in self._actions:
                if action.default == SUPPRESS and action.nargs == "?" and action.dest not in found:
                    found[action.dest] = None
        return found

    def parse_file(self, path: Path) -> Namespace:
        """The options that a file gives, with the defaults of the others.

        Args:
            path: YAML.

        Raises:
            ConfigError: If it is not a valid options file.
        """
        self._arguments, self._in_file = (), self._read_file(str(path))
        self._refuse_odd_numbers()
        found: Namespace = self.parse_path(path)
        return found

    def _refuse_repeated(self, arguments: Sequence[str]) -> None:
        """Refuse a list that is given twice: the first one would be dropped silently.

        Raises:
            ConfigError: If there is such an option.
        """
        flags = [argument.partition("=")[0] for argument in arguments]
        for action in self._actions:
            given = [flag for flag in flags if flag in action.option_strings]
            if action.type is names and len(given) > 1:
                raise ConfigError(f"{given[1]} is given twice. Write all names in one list: {given[1]} a,b.")

    def sized(
        self, arguments: Sequence[str], defaults: Callable[[Mapping[str, Any], Collection[str]], Mapping[str, Any]]
    ) -> None:
        """Set defaults that depend on the options that are given, for a command with the option ``preset``.

        Args:
            arguments: The arguments as typed.
            defaults: Computes the defaults from the given options (command line or file) and the known ones.
        """
        known = {action.dest for action in self._actions}
        if "preset" not in known:
            return
        plain = [argument for argument in arguments if not argument.startswith("--print_config")]
        given = self.parse_args(plain, defaults=False).as_dict()
        self.set_defaults({name: value for name, value in defaults(given, known).items() if name in known})

    def remark(self, sizes: Mapping[str, Any], preset: str, conditions: Mapping[str, str]) -> None:
        """Add each option's value in the named preset to its help; to detect this machine's preset would take seconds.

        Args:
            sizes: Values of options.
            preset: The name of the preset.
            conditions: When a value applies, by option, if not always.
        """
        known = {action.dest for action in self._actions}
        for action in self._actions:
            if action.dest in sizes and "preset" in known:
                when = f" ({conditions[action.dest]})" if action.dest in conditions else ""
                action.help = f"{action.help} With --preset {preset}{when}: {sizes[action.dest]}."

    def changed(self, values: Mapping[str, Any]) -> dict[str, list[str]]:
        """The options whose value is not the default, each as typed on the command line, before shell quoting.

        Args:
            values: Values by name.
        """
        given = {action.dest: action for action in self._actions if action.option_strings and action.dest in values}
        return {
            name: [f"--{name}"] if action.nargs == 0 else as_words(name, values[name])
            for name, action in given.items()
            if values[name] != action.default
        }

    def option_names(self) -> list[str]:
        """Names of all options, without the dashes."""
        return [name.lstrip("-") for action in self._actions for name in action.option_strings]


def _is_flag(text: str) -> bool:
    return text.startswith("--") or (len(text) == len("-h") and text[0] == "-" and text[1].isalpha())


def _content(path: str) -> dict[object, Any]:
    """The content of an options file; empty if it is not a mapping, which the parser refuses."""
    try:
        content = load_yaml(read_options(path), path)
    except OSError as error:
        raise OptionError("config", path, "cannot be read", "Check the path.") from error
    return content if isinstance(content, dict) else {}


def _reason_against(hint: Any, value: Any) -> str | None:
    """Reason why a value does not have a type; ``None`` if it does.

    Example:
        >>> _reason_against(int | None, "x"), _reason_against(int | None, "3"), _reason_against(int, [3])
        ('must be a whole number or null', None, 'must be a whole number')
        >>> _reason_against(Literal["float64", "float32"], "half")
        'must be float64 or float32'
        >>> _reason_against(Literal["", "rmse", "mae"], "rsme")
        'must be rmse or mae'
    """
    alone = ArgumentParser(exit_on_error=False, parser_mode=_MODE)
    alone.add_argument("--value", type=hint)
    try:
        alone.parse_args([f"--value={value}"]) if isinstance(value, str) else alone.parse_object({"value": value})
    except ArgumentError:
        return f"must be {' or '.join(_kinds(hint))}"
    return None


def _is_no_number(hint: Any, value: Any) -> bool:
    """Whether a type is numeric and a value is a text that cannot be parsed as a number.

    Example:
        >>> [_is_no_number(int | None, text) for text in ("1:30", "null", "-1e5", "1_000")]
        [True, False, False, False]
    """
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    is_number = not {int, float}.isdisjoint(parts) and str not in parts
    return is_number and isinstance(value, str) and _NO_NUMBER.search(value.strip()) is not None


def _kinds(hint: Any) -> list[str]:
    """Placeholder for values of a type."""
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint) if choice != ""]
    if get_origin(hint) in (Union, UnionType):
        return [word for part in get_args(hint) for word in _kinds(part)]
    if hint is weights:
        return ["numbers in the order of the targets (1,0.5)", "targets with a number each (a=1,b=0.5)"]
    return [_KINDS.get(get_origin(hint) or hint, "names separated by commas, with closed quotes")]


def asks_for_help(arguments: Iterable[str]) -> bool:
    """Whether help is requested.

    Args:
        arguments: The arguments as typed.
    """
    return not _HELP.isdisjoint(arguments)


def _named_file(arguments: Sequence[str]) -> str | None:
    """The file that ``--config`` names, if it names exactly one."""
    named = [
        value or following
        for (flag, _, value), following in zip(
            (argument.partition("=") for argument in arguments), [*arguments[1:], ""], strict=False
        )
        if flag == "--config"
    ]
    return named[0] if len(named) == 1 else None


def join_options(arguments: Sequence[str]) -> list[str]:
    """Merge options of parts, ``--objective_options.graphcl.strength 0.3``, into one mapping per part.

    Args:
        arguments: The arguments as typed.

    Example:
        >>> join_options(["--a.b.c", "1", "--a.b.d=x", "--a.e", "2"])
        ['--a.e', '2', '--a.b={"c": 1, "d": "x"}']
        >>> join_options(["--a.b:two.c", "1"])
        ['--a.b:two={"c": 1}']
    """
    rest: list[str] = []
    parts: dict[str, dict[str, Any]] = {}
    pending = iter(arguments)
    for argument in pending:
        flag, equals, value = argument.partition("=")
        found = _PART.fullmatch(flag)
        if found is None:
            rest.append(argument)
        else:
            parts.setdefault(found[1], {})[found[2]] = _value(value if equals else next(pending, ""))
    return [*rest, *(f"{name}={json.dumps(values)}" for name, values in parts.items())]


def _loaded(text: str) -> Any:
    """A value as jsonargparse should see it: ``a:`` and ``{a, b}`` stay text."""
    found = load_yaml(text, "an option")
    only_keys = isinstance(found, dict) and found and all(value is None for value in found.values())
    return text if only_keys and not _WRITTEN_OUT.search(text.strip()) else found


set_loader(_MODE, _loaded, exceptions=(ConfigError,))


def _value(text: str) -> Any:
    try:
        found = load_yaml(text, "an option")
    except NotYamlError:
        return text
    return found if isinstance(found, bool | int | float | list | dict | None) else text


def _one_paragraph(message: str) -> str:
    text = re.sub(r"\s+", " ", message).strip()
    return text if text.endswith(".") else f"{text}."


def names(value: Any) -> list[str]:
    """Parse a list of names as typed on the command line, ``a,b,c``, or as in a YAML file.

    Commas separate names as in CSV: a name with a comma is put in double quotes, and double quotes in it are doubled.

    Args:
        value: Text with commas, or a list.

    Raises:
        ValueError: If it is neither.
        ConfigError: If a quote is not closed.

    Example:
        >>> names("a, b"), names(["a", "b"]), names("")
        (['a', 'b'], ['a', 'b'], [])
        >>> names('"Ki, human",IC50 [nM]'), names("[a, b]")
        (['Ki, human', 'IC50 [nM]'], ['a', 'b'])
    """
    if isinstance(value, str):
        try:
            cells = next(csv.reader([_without_brackets(value.strip())], skipinitialspace=True, strict=True), [])
        except csv.Error as error:
            raise ConfigError(
                f"expected names separated by commas, with double quotes around names that contain one, got {value!r} "
                f"({error})."
            ) from error
        return [cell.strip() for cell in cells if cell.strip()]
    if isinstance(value, Iterable) and all(isinstance(part, str) for part in value):
        return list(value)
    raise ValueError(f"expected names separated by commas, got {value!r}")


def weights(value: Any) -> list[float] | list[str]:
    """Parse weights as typed on the command line, ``1,0.5`` or ``a=1,b=0.5``, or as in a YAML file.

    Args:
        value: Text with commas, a list, or a mapping.

    Raises:
        ValueError: If a weight is not a number.

    Example:
        >>> weights("1,0.5"), weights("pIC50=1,logD=0.5"), weights({"logD": 2}), weights([1, "logD=2"])
        ([1.0, 0.5], ['pIC50=1', 'logD=0.5'], ['logD=2'], ['1', 'logD=2'])
    """
    if isinstance(value, Mapping):
        value = [f"{name}={weight}" for name, weight in value.items()]
    cells = [str(part) for part in value] if isinstance(value, list) else names(str(value))
    found = [float(cell.rpartition("=")[2]) for cell in cells]
    return cells if any("=" in cell for cell in cells) else found


def as_words(name: str, value: Any) -> list[str]:
    """An option as typed on the command line, before shell quoting.

    Args:
        name: Its name.
        value: Its value.

    Example:
        >>> as_words("targets", ["-logS", "y"]), as_words("header", True), as_words("split_options", {"cutoff": 0.5})
        (['--targets=-logS,y'], ['--header', 'true'], ['--split_options.cutoff', '0.5'])
    """
    if isinstance(value, dict):
        return [word for part, own in value.items() for word in as_words(f"{name}.{part}", own)]
    if isinstance(value, list):
        text = as_names(map(str, value))
    else:
        text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]


def as_names(found: Iterable[str]) -> str:
    """Names as a text that :func:`names` can parse.

    Args:
        found: The names, without surrounding blanks.

    Example:
        >>> as_names(["logS", "Ki, human"])
        'logS,"Ki, human"'
    """
    return ",".join(_quoted(name) if _QUOTED.search(name) else name for name in found)


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _without_brackets(text: str) -> str:
    """A list without the brackets around it: ``a,b`` from ``[a,b]``; brackets that belong to a name stay."""
    if not (text.startswith("[") and text.endswith("]")):
        return text
    open_ones = list(accumulate({"[": 1, "]": -1}.get(letter, 0) for letter in text))
    return text[1:-1] if 0 not in open_ones[:-1] else text
