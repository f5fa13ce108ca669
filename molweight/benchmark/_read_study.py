"""A study from a YAML file, with all values checked against their types."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from molweight._yaml import load_yaml, read_options
from molweight.benchmark._methods import METHODS
from molweight.benchmark._study import Study
from molweight.errors import ConfigError, suggest
from molweight.options import Job
from molweight.plugins import refuse_untrusted

__all__ = ["read_study"]


def read_study(path: str | Path, *, plugins: Sequence[str] = (), trust: bool = True) -> Study:
    """Read a study from a YAML file.

    Args:
        path: The file; its keys are the arguments of :class:`Study`; ``published`` is relative to its folder.
        plugins: Further modules to import.
        trust: Whether to import modules that only the file names.

    Raises:
        ConfigError: If the file cannot be read, is not valid YAML, has unknown keys or values of the wrong type, or
            names untrusted modules.
    """
    content = _content(path)
    known = [item.name for item in fields(Study)]
    for name in content:
        if name not in known:
            raise ConfigError(
                f"{path}: {name!r} is not a valid key{suggest(str(name), known)} Keys: {', '.join(known)}."
            )
    for name in ("tables", "methods", "seeds"):
        if not isinstance(content.get(name), list):
            raise ConfigError(f"{path}: {name} must be a list. Methods: {', '.join(METHODS)}.")
    empty = [name for name, value in content.items() if value is None and name not in ("corpus_size", "published")]
    if empty:
        raise ConfigError(f"{path}: {empty[0]}: is empty. Give it a value, or leave the key out.")
    found = _typed(Study, content, f"{path}:")
    job = _typed(Job, found.get("job", {}), f"{path}: job:")
    if found.get("published") is not None:
        found["published"] = str(Path(path).parent / found["published"])
    named = found.get("plugins", [])
    refuse_untrusted(named, plugins, f"{path}: plugins:", trust=trust)
    return Study(**{**found, "job": job, "plugins": list(dict.fromkeys([*named, *plugins]))})


def _content(path: str | Path) -> dict[str, Any]:
    try:
        content = load_yaml(read_options(path), str(path))
    except OSError as error:
        reason = (
            "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        )
        raise ConfigError(f"{path}: {reason}. Name the YAML file of a study.") from error
    if not isinstance(content, dict):
        known = ", ".join(item.name for item in fields(Study))
        raise ConfigError(f"{path}: holds no keys. A study has tables, methods and seeds; other keys: {known}.")
    return content


def _typed(described: type, values: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The values, checked against the argument types of a class; unknown keys are left unchanged."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(described)
    own = {item.name for item in fields(described)}
    known = {name: value for name, value in values.items() if name in own}
    try:
        found: dict[str, Any] = parser.parse_object(deepcopy(known), defaults=False).as_dict()
    except ArgumentError as error:
        raise ConfigError(f"{place} {' '.join(str(error).split())}") from error
    for name, value in found.items():
        text = _read_as_number(known[name], value)
        if text is not None:
            raise ConfigError(f"{place} {name}: {text!r} is text; a number is expected.")
    return {**values, **found}


def _read_as_number(before: Any, after: Any) -> str | None:
    """A text that jsonargparse's YAML turned into a different number: ``1:30`` becomes 90."""
    if isinstance(before, str):
        return before if isinstance(after, int | float) else None
    if isinstance(before, dict) and isinstance(after, Mapping):
        pairs = [(value, after.get(name)) for name, value in before.items()]
    elif isinstance(before, list) and isinstance(after, list | tuple):
        pairs = list(zip(before, after, strict=False))
    else:
        return None
    return next((text for pair in pairs if (text := _read_as_number(*pair)) is not None), None)
