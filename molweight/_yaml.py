"""YAML files of people: read by the safe loader, and refused where they are made to grow without bounds."""

from typing import Any, Final

import yaml

from molweight.errors import ConfigError

__all__ = ["load_yaml"]

_LONGEST: Final = 1 << 20
"""Characters of a file of options."""
_DEEPEST: Final = 50
"""Lists and mappings inside each other."""


def load_yaml(text: str, source: str) -> Any:
    r"""The content of a YAML text.

    Args:
        text: The text.
        source: What it is called in messages.

    Raises:
        ConfigError: If it is too long, too deeply nested, or has aliases inside of what an anchor stands for: by these
            a short text can become arbitrarily large.
        yaml.YAMLError: If it is not valid YAML.

    Example:
        >>> load_yaml("seed: 1", "mine.yaml")
        {'seed': 1}
        >>> load_yaml("a: &a [x, x]\nb: &b [*a, *a]", "mine.yaml")
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: mine.yaml, line 2: has an alias inside of what an anchor stands for. ...
    """
    if len(text) > _LONGEST:
        raise ConfigError(f"{source}: has {len(text)} characters; a file of options has at most {_LONGEST}.")
    depth, anchored = 0, 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = f"{source}, line {event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            anchored = anchored or (depth if event.anchor else 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchored = 0 if anchored == depth else anchored
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and anchored:
            raise ConfigError(f"{place}: has an alias inside of what an anchor stands for. Write the values out.")
        if depth > _DEEPEST:
            raise ConfigError(f"{place}: has more than {_DEEPEST} lists and mappings inside each other.")
    return yaml.safe_load(text)
