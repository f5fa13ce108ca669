"""Methods of a study: pretraining under every weighting, searches over fixed weights, models without a graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from molweight.errors import OptionError, UnknownNameError
from molweight.mlo import weightings
from molweight.options import Job
from molweight.training.internal import create_solver

__all__ = ["METHODS", "OF_VARIANT", "Method", "gradients_per_step", "method_of", "variant_of"]

_SOLVED: Final = {"solver": "cg", "hypergradient_interval": 10}
"""The more accurate solver, called less often because of its cost."""
OF_VARIANT: Final = ("of", "title", "trials")
"""Keys of a variant besides options of a job."""


@dataclass(frozen=True)
class Method:
    """A method of a study.

    Args:
        title: A short description.
        kind: ``"fit"``: a job of :class:`molweight.Job` with ``changes``; ``"search"``: fixed weights, proposed by
            ``search``; ``"classical"``: fingerprints or descriptors with a model of scikit-learn, trained on ``train``;
            ``"peer"``: such a model, a model of vectors of MiniMol, or chemprop, with usual settings, trained on all
            rows except the test set.
        changes: Options that differ from the study's.
        search: ``"random"`` or ``"tpe"``.
        equal: Whether all trials of a search together take as many steps as one job, instead of each trial.
        trials: Trials of a search; ``None`` for those of the study.
    """

    title: str
    kind: Literal["fit", "search", "classical", "peer"] = "fit"
    changes: Mapping[str, Any] = field(default_factory=dict)
    search: Literal["random", "tpe"] = "random"
    equal: bool = False
    trials: int | None = None


def _weighting(name: str, title: str, **changes: Any) -> Method:
    return Method(title, changes={"weighting": name, **changes})


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "scratch": Method("from scratch", changes={"weighting": "none", "init": "scratch"}),
        "no_continued": Method("generic pretraining only", changes={"weighting": "none"}),
        "tapweight": _weighting("tapweight", "TapWeight, identity solver"),
        "tapweight_cg": _weighting("tapweight", "TapWeight, conjugate gradients every 10 steps", **_SOLVED),
        "bilevel": _weighting("bilevel", "two levels in place of three"),
        "alignment": _weighting("alignment", "alignment of gradients (META-TARTAN)"),
        "equal": _weighting("equal", "equal weights"),
        "ensemble": _weighting("tapweight", "the default fit: an ensemble", members=None),
        "random": _weighting("random", "random weights (RLW)"),
        "uncertainty": _weighting("uncertainty", "uncertainty weighting"),
        "dwa": _weighting("dwa", "dynamic weight average"),
        "gradnorm": _weighting("gradnorm", "GradNorm"),
        "pcgrad": _weighting("pcgrad", "PCGrad"),
        "mgda": _weighting("mgda", "MGDA"),
        "upgrad": _weighting("upgrad", "UPGrad"),
        "random_search": Method("random search over fixed weights", "search"),
        "tpe": Method("TPE over fixed weights", "search", search="tpe"),
        "random_search_equal": Method("random search, all trials within the time of one job", "search", equal=True),
        "tpe_equal": Method("TPE, all trials within the time of one job", "search", search="tpe", equal=True),
        "ecfp_rf": Method("ECFP, random forest", "classical"),
        "ecfp_gbm": Method("ECFP, gradient boosting", "classical"),
        "descriptors_gbm": Method("RDKit descriptors, gradient boosting", "classical"),
        "forest_ecfp": Method("ECFP4, random forest, all rows", "peer"),
        "lightgbm_descriptors": Method("RDKit descriptors, LightGBM, all rows", "peer"),
        "lightgbm_descriptors_ecfp": Method("RDKit descriptors and ECFP counts, LightGBM, all rows", "peer"),
        "minimol_linear": Method("MiniMol vectors, linear model, all rows", "peer"),
        "minimol_mlp": Method("MiniMol vectors, a network, all rows", "peer"),
        "chemprop": Method("chemprop, defaults, all rows", "peer"),
        "chemprop_rdkit2d": Method("chemprop with RDKit descriptors, all rows", "peer"),
    }
)
"""Every method by name."""


def method_of(name: str) -> Method:
    """The method of that name.

    Raises:
        UnknownNameError: If there is none, with the nearest names.
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def variant_of(name: str, settings: Mapping[str, Any]) -> Method:
    """A method defined by a study: one of :data:`METHODS` with changed options.

    Args:
        name: Its name in the study.
        settings: ``of``: the base method, ``"tapweight"`` by default; ``title``: a short description, the name by
            default; ``trials``: number of trials of a search; all other keys are options of :class:`molweight.Job`.

    Raises:
        OptionError: If the base method takes no options, or ``trials`` is invalid.
        UnknownNameError: If there is no such method.

    Example:
        >>> variant_of("strength_10", {"proximal_strength": 10.0}).changes
        {'weighting': 'tapweight', 'proximal_strength': 10.0}
    """
    of = method_of(settings.get("of", "tapweight"))
    if of.kind in ("classical", "peer"):
        reason = "has no options to change"
        raise OptionError("of", settings["of"], reason, "Name a neural method.", owner=f"variants.{name}")
    changes = {key: value for key, value in settings.items() if key not in OF_VARIANT}
    title, trials = str(settings.get("title", name)), settings.get("trials")
    if trials is not None and of.kind != "search":
        reason = f"applies to a search only, but {of.title!r} is not one"
        remedy = "Leave it out, or name a search under `of`."
        raise OptionError("trials", trials, reason, remedy, owner=f"variants.{name}")
    if trials is not None and (type(trials) is not int or trials < 1):
        raise OptionError("trials", trials, "must be a whole number, at least 1", owner=f"variants.{name}")
    return replace(of, title=title, trials=trials, changes={**of.changes, **changes})


def gradients_per_step(job: Job) -> float:
    """Mean number of loss gradients evaluated in a step of adaptive pretraining.

    There is one per objective. If the weighting learns from the task, there is also one of the training loss and, per
    hypergradient, one of the validation loss for every meta batch. Solvers other than the identity solve two systems,
    with as many products as iterations, and each product counts as two gradients.

    Args:
        job: The options of the job.

    Example:
        >>> gradients_per_step(Job(weighting="equal")), gradients_per_step(Job())
        (4.0, 6.0)
    """
    own = float(len(job.objectives))
    if job.weighting == "none":
        return 0.0
    if not weightings.get(job.weighting).needs.task:
        return own
    made = create_solver(job)
    products = 0 if job.solver == "identity" else getattr(made, "iterations", getattr(made, "rank", 0))
    return own + 1 + (job.meta_batches + 2 * 2 * products) / job.hypergradient_interval
