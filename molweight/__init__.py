"""molweight learns how much each pretraining objective matters for your molecular property.

Example:
    >>> import molweight as mw
    >>> data = mw.datasets.load("freesolv")
    >>> splits = mw.datasets.split(data, "scaffold")
    >>> job = mw.TapWeight(encoder="gin", objectives=["attribute_masking", "graphcl"], weighting="tapweight", seed=0)
    >>> run = job.fit(data, splits, corpus=mw.datasets.load_corpus("zinc"))  # doctest: +SKIP
    >>> run.weights, run.evaluate("test").value  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molweight import datasets, encoders, graphs, mlo, objectives, training
    from molweight.training import Run, TapWeight, compare, load

__all__ = [
    "Run",
    "TapWeight",
    "__version__",
    "compare",
    "datasets",
    "encoders",
    "graphs",
    "load",
    "mlo",
    "objectives",
    "training",
]

__version__ = "0.1.0"

_MODULES = ("datasets", "encoders", "estimators", "graphs", "mlo", "objectives", "training")
_FROM_TRAINING = ("Run", "TapWeight", "compare", "load")


def __getattr__(name: str) -> object:
    """Import what is asked for: ``import molweight`` itself takes milliseconds."""
    if name in _MODULES:
        return import_module(f"molweight.{name}")
    if name in _FROM_TRAINING:
        return getattr(import_module("molweight.training"), name)
    raise AttributeError(f"module 'molweight' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, whether imported already or not."""
    return sorted(__all__)
