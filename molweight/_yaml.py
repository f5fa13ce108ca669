"""Users' YAML files, read by the safe loader; expansion bombs and duplicate keys are refused."""

import math
import re
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError

from molweight.errors import ConfigError

__all__ = ["NotYamlError", "load_yaml", "read_options"]

_LONGEST: Final = 1 << 20
"""Maximum length of an options file, in characters."""
_DEEPEST: Final = 50
"""Maximum nesting of lists and mappings."""
_MOST_DIGITS: Final = 300
_TAG: Final = "tag:yaml.org,2002:"
_NUMBERS: Final = {
    "int": re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$"),
    "float": re.compile(
        r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)|[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
    ),
}
"""Pattern of a number: no times (``1:30`` would be 90), no dates, and ``010`` is not 8."""
_REPLACED: Final = {f"{_TAG}{kind}" for kind in ("int", "float", "timestamp")}


class NotYamlError(ConfigError):
    """A text that is not valid YAML."""


def read_options(path: str | Path) -> str:
    """Text of an options file; a file that is too long is read only far enough to detect this.

    Args:
        path: The file; may be an endless device.

    Raises:
        ConfigError: If it is not UTF-8 text.
        OSError: If it cannot be opened.
    """
    try:
        with Path(path).open(encoding="utf-8") as stream:
            return stream.read(_LONGEST + 1)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, which an options file must be.") from error


def load_yaml(text: str, source: str) -> Any:
    r"""Parse a YAML text.

    Args:
        text: The text.
        source: Its name in messages.

    Raises:
        ConfigError: If it is too long or too deeply nested, or has aliases inside an anchored value (which can expand a
            short text without bound), a duplicate key, a tag, or a number that is too large.
        NotYamlError: If it is not valid YAML.

    Example:
        >>> load_yaml("seed: 1", "mine.yaml")
        {'seed': 1}
        >>> load_yaml("a: &a [x, x]\nb: &b [*a, *a]", "mine.yaml")
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: mine.yaml, line 2: has an alias inside the value of an anchor. ...
    """
    if len(text) > _LONGEST:
        raise ConfigError(f"{source}: has more than {_LONGEST} characters, the limit for an options file.")
    try:
        _refuse_bombs(text, source)
        return _content(text, source)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise NotYamlError(f"{source}{line}: is not valid YAML: {error.problem}.") from error
    except yaml.reader.ReaderError as error:
        place = f"character {error.position + 1}"
        raise NotYamlError(f"{source}, {place}: is not valid YAML: {error.reason} ({error.character:#x}).") from error


def _refuse_bombs(text: str, source: str) -> None:
    """Refuse tags, deep nesting, and aliases inside an anchored value."""
    depth, anchored = 0, 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = f"{source}, line {event.start_mark.line + 1 if event.start_mark else 1}"
        _refuse_tag(event, place)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            anchored = anchored or (depth if event.anchor else 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchored = 0 if anchored == depth else anchored
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and anchored:
            raise ConfigError(f"{place}: has an alias inside the value of an anchor. Write the values out.")
        if depth > _DEEPEST:
            raise ConfigError(f"{place}: nests lists and mappings more than {_DEEPEST} levels deep.")


def _refuse_tag(event: yaml.Event, place: str) -> None:
    """Refuse explicit tags, which force a value into another type: ``!!int abc``."""
    tag = event.tag if isinstance(event, yaml.NodeEvent) and hasattr(event, "tag") else None
    if tag not in (None, f"{_TAG}str"):
        raise ConfigError(f"{place}: has the tag {tag.replace(_TAG, '!!')}. Write the value without it.")


def _content(text: str, source: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except _RefusedError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{source}, line {line}: {error.problem}") from error
    finally:
        loader.dispose()


class _RefusedError(ConstructorError):
    """Valid YAML that is refused."""


class _Loader(yaml.SafeLoader):
    """The safe loader, with plain number formats and without duplicate keys."""

    yaml_implicit_resolvers: Final = {  # type: ignore[misc]  # PyYAML's own are variables of the class, too
        first: [(tag, pattern) for tag, pattern in found if tag not in _REPLACED]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> Any:
        """A mapping as written, before others are merged into it."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, object], int] = {}
        for key, _ in node.value:
            name = (key.tag, key.value if isinstance(key, yaml.ScalarNode) else id(key))
            if name in lines:
                problem = f"{key.value!r} appears twice, first in line {lines[name]}. Keep one of them."
                raise _RefusedError(None, None, problem, key.start_mark)
            lines[name] = key.start_mark.line + 1
        return node

    def construct_yaml_int(self, node: Any) -> int:
        """An integer short enough to be printed again."""
        if len(node.value) > _MOST_DIGITS:
            problem = f"{node.value[:10]!r}... has {len(node.value)} digits; a number has at most {_MOST_DIGITS}."
            raise _RefusedError(None, None, problem, node.start_mark)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: Any) -> float:
        """A float; infinite only if it is written so."""
        value = super().construct_yaml_float(node)
        if math.isinf(value) and "inf" not in node.value.lower():
            problem = f"{node.value[:40]!r} is too large for a floating-point number. Write .inf for no bound."
            raise _RefusedError(None, None, problem, node.start_mark)
        return value


for _kind, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", _pattern, list("-+0123456789."))
    _Loader.add_constructor(f"{_TAG}{_kind}", getattr(_Loader, f"construct_yaml_{_kind}"))
