"""molweight learns how much each pretraining objective matters for your molecular property.

Example:
    >>> import molweight as mw
    >>> data = mw.datasets.load("freesolv")
    >>> splits = mw.datasets.split(data, "scaffold")
    >>> job = mw.Job(encoder="gin", objectives=["attribute_masking", "graphcl"], weighting="tapweight", seed=0)
    >>> run = mw.fit(job, data, splits, corpus=mw.datasets.load_corpus("zinc"))  # doctest: +SKIP
    >>> run.weights, run.evaluate("test").value  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from molweight._version import __version__

if TYPE_CHECKING:
    from molweight import (
        benchmark,
        datasets,
        diagnostics,
        encoders,
        ensemble,
        errors,
        estimators,
        features,
        graphs,
        mlo,
        models,
        objectives,
        options,
        report,
        runs,
        training,
    )
    from molweight.options import Job
    from molweight.runs import Run, load
    from molweight.training import compare, fit
    from molweight.training.internal import TapWeight

_HOME: Final = {
    **dict.fromkeys(("Job",), "options"),
    **dict.fromkeys(("Run", "load"), "runs"),
    **dict.fromkeys(("TapWeight", "compare", "fit"), "training"),
}
"""The module that defines each lazily imported name."""

__all__ = [
    "Job",
    "Run",
    "TapWeight",
    "__version__",
    "benchmark",
    "compare",
    "datasets",
    "diagnostics",
    "encoders",
    "ensemble",
    "errors",
    "estimators",
    "features",
    "fit",
    "graphs",
    "load",
    "mlo",
    "models",
    "objectives",
    "options",
    "report",
    "runs",
    "training",
]


def __getattr__(name: str) -> object:
    """Import a public name on first access, so that ``import molweight`` itself takes milliseconds."""
    if name in _HOME:
        return getattr(import_module(f"molweight.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"molweight.{name}")
    raise AttributeError(f"module 'molweight' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, including those not imported yet."""
    return sorted(__all__)
