"""Resolution of names, checkpoints, ``"auto"``, tables and initial weights of a job."""

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from molweight import encoders, objectives
from molweight.datasets.internal import OF_CLASSES
from molweight.devices import resolve_device
from molweight.encoders.building_blocks import readout_parts
from molweight.ensemble.internal import (
    MOST_TARGETS,
    PROFILE,
    check_partners,
    default_partners,
    members_for,
    read_network,
)
from molweight.errors import ConfigError, Message, OptionError, mention
from molweight.features.internal import check_features
from molweight.graphs import CHIRALITY, MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.mlo import solvers, weightings
from molweight.mlo.weightings import Needs
from molweight.models.internal import check_models
from molweight.options import (
    AdaptationOptions,
    EncoderOptions,
    EnsembleOptions,
    FinetuningOptions,
    Job,
    PretrainingOptions,
)
from molweight.options.internal import AUTO, INITS, OWN_ENCODER, SHIPPED
from molweight.runs import read_checkpoint
from molweight.training._held_out import learns_task
from molweight.training._learned import check_learned
from molweight.training._sources import resolve_assay_table, without_part
from molweight.training._weighting import create_weighting, with_seed

__all__ = [
    "SOLVER_DEFAULTS",
    "check_job",
    "check_weighting",
    "create_solver",
    "resolve",
    "resolve_init",
    "variant",
    "warn_idle",
    "with_metric",
    "with_stereo",
]

_LOG: Final = logging.getLogger(__name__)
SOLVER_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "cg": {"iterations": 5, "damping": 10.0},
    "neumann": {"iterations": 5, "damping": 10.0},
    "nystrom": {"rank": 5, "damping": 10.0},
    "dense": {"damping": 10.0},
}
"""Default options of solvers on molecules.

The Hessians are indefinite, with negative curvature of the order of 10 during a run
(``experiments/results/solver_accuracy.md``); with a smaller damping conjugate gradients stop after a few products.
"""

_PLAIN: Final = {**vars(EncoderOptions()), **vars(PretrainingOptions())}
"""Defaults of the options that determine the source of an encoder."""
_OF_PRETRAINING: Final = ("pretrain_steps", "pretrain_seed")
"""Options of generic pretraining that are not used with a checkpoint."""
_OF_SINGLE_MODELS: Final = ("finetune_restarts", "finetune_proximal_strength", "patience")
"""Options of finetuning that only a single model has."""
_OF_LEVEL_2: Final = ("finetune_lr", "task_batch_size")
"""Options of the steps on labelled molecules in adaptive pretraining and in the finetuning of a single model."""
_WITH_TASK: Final = {
    "stop_when_decided": (Needs.HYPERGRADIENT,),
    "learn": (Needs.HYPERGRADIENT,),
    "align_on": (Needs.HYPERGRADIENT, Needs.ALIGNMENT),
}
"""Options that require a weighting with certain measurements of the task."""


def resolve(job: Job, data: MoleculeDataset) -> Job:
    """The job with all automatic options resolved, after refusing invalid ones.

    Args:
        job: The options.
        data: The table of the task.

    Returns:
        The resolved job; the job itself if there is nothing to resolve.

    Raises:
        ConfigError: If an option cannot be used, the table has no labels, or a checkpoint holds another encoder.
        UnknownNameError: If a name is unknown, with the nearest ones.
    """
    job = resolve_assay_table(check_job(job), data)
    if data.task is None:
        raise ConfigError(f"{data.name} has no labels. Load a table with targets, or use it as corpus.")
    _check_network(job, data)
    members = members_for(len(data)) if job.members is None else job.members
    partners = job.partners
    if partners is None and members > 1:
        partners = default_partners(len(data), sources=_has_sources(job))
    _check_profile(job)
    if (members, partners) == (job.members, job.partners):
        return job
    return replace(job, members=members, partners=partners)


def warn_idle(job: Job) -> None:
    """Warn of options without effect: of pretraining with a checkpoint, of a single model's finetuning in an ensemble.

    ``init="scratch"`` is not reported: as the baseline of a comparison, it has the options of a job that pretrains.

    Args:
        job: The options, resolved.
    """
    if job.init not in (*INITS, AUTO):
        reason = f"generic pretraining is replaced by {mention('init', job.init)}"
        _warn_of(job, _OF_PRETRAINING, reason, f"To pretrain an encoder of your own: {mention('init', 'pretrain')}")
    if job.members == 1:
        return
    single = f"For a single model: {mention('members', 1)}"
    _warn_of(job, _OF_SINGLE_MODELS, "members of an ensemble are finetuned once, for a fixed number of epochs", single)
    if not _trains_level_2(job):
        reason = "members of an ensemble have their own, and no level 2 of adaptive pretraining is trained"
        _warn_of(job, _OF_LEVEL_2, reason, single)


def _warn_of(job: Job, names: Sequence[str], reason: str, remedy: str) -> None:
    """Warn of options that were changed without effect."""
    plain = vars(Job())
    changed = [mention(name, getattr(job, name)) for name in names if getattr(job, name) != plain[name]]
    if changed:
        _LOG.warning("%s", Message(f"{', '.join(changed)}: no effect, because {reason}. {remedy}"))


def _trains_level_2(job: Job) -> bool:
    """Whether adaptive pretraining finetunes a copy of the model by gradient steps."""
    return job.adapts and weightings.get(job.weighting).needs.task and job.task_level != "closed_form"


def _has_sources(job: Job) -> bool:
    return bool(job.aux) or any(name.startswith("source:") for name in job.objectives)


def _check_profile(job: Job) -> None:
    """Refuse the partner that reads predictions of auxiliary tables if there are none."""
    if PROFILE in (job.partners or ()) and not _has_sources(job):
        raise OptionError(
            "partners", PROFILE, "reads the labels of auxiliary tables", f"Name some: {mention('aux', ...)}."
        )


def check_job(job: Job) -> Job:
    """Refuse a job that would fail later, before any data is loaded.

    Args:
        job: The options.

    Returns:
        The job with ``init`` resolved.

    Raises:
        ConfigError: If an option cannot be used, or the device does not exist here.
        UnknownNameError: If a name is unknown, with the nearest ones.
    """
    job = resolve_init(job)
    encoders.get(job.encoder)
    if not (job.objectives or job.aux) and (job.init == "pretrain" or job.adapts):
        raise ConfigError(f"no objective is chosen. Choose among: {', '.join(objectives.available())}.")
    for name in job.objectives:
        objectives.get(name)
    _check_ensemble(job)
    _check_members(job)
    create_solver(job)
    _check_interval(job)
    check_weighting(job)
    check_models(job.encoder, job.encoder_options, job.objectives, job.objective_options)
    resolve_device(job.device)
    return job


def resolve_init(job: Job) -> Job:
    """The job with ``init`` resolved and, if it is a checkpoint, with the encoder of the checkpoint.

    Args:
        job: The options.

    Raises:
        ConfigError: If there is no such checkpoint, or another encoder than the checkpoint's is requested.
    """
    if job.init == AUTO:
        plain = all(getattr(job, name) == _PLAIN[name] for name in OWN_ENCODER) and not _shape(job.encoder_options)
        job = replace(job, init=SHIPPED if plain else "pretrain")
    return job if job.init in INITS else _adopt_encoder(job)


def variant(job: Job, **changes: Any) -> Job:
    """The same job with ``changes``.

    A change of ``init`` keeps the encoder of the job: a model from scratch has the architecture of the checkpoint with
    which it is compared. A change to a weighting that does not learn from the task drops the options that only other
    weightings have.

    Args:
        job: The options.
        **changes: Changed options.

    Example:
        >>> variant(Job(), init="scratch").encoder_options == variant(Job(), init="gin_zinc").encoder_options
        True
    """
    if "init" in changes and job.init == AUTO:
        job = resolve_init(job)
    asked, plain = changes.get("weighting", job.weighting), vars(AdaptationOptions())
    idle = {name: plain[name] for name, needs in _WITH_TASK.items() if not _measures(asked, *needs)}
    if not _has_initial_weights(asked):
        idle["weights_from"] = None
    return replace(job, **{**(idle if "weighting" in changes else {}), **changes})


def _measures(weighting: str, *needs: Needs) -> bool:
    """Whether a weighting needs one of these measurements."""
    return weighting != "none" and weightings.get(weighting).needs in needs


def create_solver(job: Job) -> solvers.Solver:
    """The solver with its options; given ones override those of :data:`SOLVER_DEFAULTS` and the seed of the job.

    Args:
        job: Name and options of the solver, and the seed.

    Example:
        >>> one, other = (create_solver(Job(solver="nystrom", seed=seed)).seed for seed in (0, 1))
        >>> one == other, create_solver(Job(solver="nystrom", solver_options={"seed": 5})).seed
        (False, 5)
    """
    given = with_seed(solvers.get(job.solver), job.solver_options, job.seed, "solver")
    return solvers.create(job.solver, **{**SOLVER_DEFAULTS.get(job.solver, {}), **given})


def _adopt_encoder(job: Job) -> Job:
    """The job with the encoder of its checkpoint; requesting another one, except for dropout, is refused."""
    checkpoint = read_checkpoint(job.init)
    asked = (job.encoder, _shape(job.encoder_options))
    if asked not in ((_PLAIN["encoder"], {}), (checkpoint.encoder, _shape(checkpoint.encoder_options))):
        raise ConfigError(
            f"{mention('init', job.init)} holds the encoder {checkpoint.encoder!r} with {checkpoint.encoder_options}, "
            f"but {job.encoder!r} with {job.encoder_options} was requested. Leave encoder and encoder_options "
            "out, except for dropout."
        )
    options = {**checkpoint.encoder_options, **job.encoder_options}
    return replace(job, encoder=checkpoint.encoder, encoder_options=options)


def _shape(encoder_options: dict[str, Any]) -> dict[str, Any]:
    """The options fixed by a checkpoint: all except dropout, which has no parameters."""
    return {name: value for name, value in encoder_options.items() if name != "dropout"}


def check_weighting(job: Job) -> None:
    """Refuse invalid options of the weighting, and others that are incompatible with it.

    Options that give a number per objective are checked once all objectives are known: call this again with the job
    from :func:`molweight.training._sources.with_parts`.

    Args:
        job: The options.

    Raises:
        OptionError: Naming the option.
    """
    if job.weighting == "none":
        _check_measured(job)
        return
    if job.aux and not any(name.startswith("source:") for name in job.objectives):
        return  # the number of weights is unknown before auxiliary tables are read
    rule = weightings.get(job.weighting)
    if not without_part(job):
        create_weighting(job)
    _check_measured(job)
    solved = job.task_level == "closed_form"
    if solved and not rule.graph.proximal:
        raise OptionError(
            "task_level",
            job.task_level,
            f"does not apply to {mention('weighting', job.weighting)}, which trains one encoder on everything",
            "Leave task_level out.",
        )
    if rule.needs.task and rule.graph.proximal and not solved and not job.proximal_strength > 0:
        raise OptionError(
            "proximal_strength",
            job.proximal_strength,
            "removes the term that links the finetuned encoder to the pretrained one, which "
            f"{mention('weighting', job.weighting)} needs",
            f"Use a positive strength, e.g. {mention('proximal_strength', 1)}.",
        )
    if not rule.graph.proximal and job.recompute_graphs:
        raise OptionError(
            "recompute_graphs",
            job.recompute_graphs,
            f"has no effect with {mention('weighting', job.weighting)}, which trains one encoder on everything",
            "Leave recompute_graphs out.",
        )


def _check_measured(job: Job) -> None:
    """Refuse options that need measurements, or initial weights, which the weighting does not have."""
    if job.stop_when_decided and not _measures(job.weighting, *_WITH_TASK["stop_when_decided"]):
        raise OptionError(
            "stop_when_decided",
            job.stop_when_decided,
            f"waits for evidence from hypergradients, which {mention('weighting', job.weighting)} does not compute",
            "Leave stop_when_decided out.",
        )
    _check_alignment(job)
    _check_learning(job)
    if job.weights_from is not None and not _has_initial_weights(job.weighting):
        reason = f"sets initial weights, which {mention('weighting', job.weighting)} does not have"
        raise OptionError("weights_from", job.weights_from, reason, "Leave weights_from out.")


def _has_initial_weights(weighting: str) -> bool:
    return weighting != "none" and bool(weightings.get(weighting).prior_option)


def _check_interval(job: Job) -> None:
    """Refuse an interval in which the weights would never be updated."""
    if job.adapts and weightings.get(job.weighting).needs.task and job.hypergradient_interval > job.steps:
        reason = f"exceeds the {job.steps} steps of adaptive pretraining, so no weight would be learned"
        raise OptionError(
            "hypergradient_interval",
            job.hypergradient_interval,
            reason,
            f"Use at most {job.steps}, or more steps: {mention('steps', job.hypergradient_interval)}.",
        )


def _check_alignment(job: Job) -> None:
    """Refuse ``align_on`` if there are no such gradients, or no choice of molecules."""
    if job.align_on == "corpus":
        return
    if not _measures(job.weighting, *_WITH_TASK["align_on"]):
        reason = f"compares gradients with the task's, which {mention('weighting', job.weighting)} does not use"
        raise OptionError("align_on", job.align_on, reason, "Leave align_on out.")
    if job.corpus_weights == "part":
        parts = mention("corpus_weights", "part")
        reason = f"computes all gradients on the same molecules, but {parts} weights the molecules of each part"
        raise OptionError("align_on", job.align_on, reason, "Leave one of them out.")


def _check_learning(job: Job) -> None:
    """Refuse options of objectives to learn where there is no hypergradient to learn them from."""
    if not job.learn:
        return
    if not _measures(job.weighting, *_WITH_TASK["learn"]):
        reason = f"is learned from hypergradients, which {mention('weighting', job.weighting)} does not compute"
        raise OptionError("learn", list(job.learn), reason, "Leave learn out.")
    check_learned(job)


def with_metric(job: FinetuningOptions, data: MoleculeDataset) -> MoleculeDataset:
    """The table with the job's metric for selection and scoring.

    Args:
        job: The job, with its option ``select_metric``; if empty, the table is unchanged.
        data: The table.

    Raises:
        OptionError: If the metric is not for the labels of the table.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["C", "CC", "CCC"], [0, 1, 1], cache=False)
        >>> with_metric(FinetuningOptions(select_metric="ap"), data).metric
        'ap'
    """
    if not job.select_metric:
        return data
    wanted = ("classification", "multiclass") if job.select_metric in OF_CLASSES else ("regression",)
    if data.task not in wanted:
        reason = f"is for {' or '.join(wanted)}, but {data.name} has targets of task {data.task!r}"
        raise OptionError("select_metric", job.select_metric, reason, "Leave it out, or name another.")
    other = copy.copy(data)
    other.metric = job.select_metric
    return other


def with_stereo(job: EncoderOptions, data: MoleculeDataset) -> MoleculeDataset:
    """The molecules, without stereochemistry if the job ignores it.

    Args:
        job: The job, with its option ``stereo``; with ``"use"`` the molecules are unchanged.
        data: The molecules.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> data = build_dataset(["C[C@@H](C(=O)O)O"], cache=False)
        >>> with_stereo(EncoderOptions(stereo="ignore"), data).featuriser.stereo
        'ignore'
    """
    if job.stereo == "use":
        if data.featuriser.features == "ogb" and (data.molecules.atoms[:, CHIRALITY] > 0).any():
            _say_once(data.name)
        return data
    return data.with_featuriser(replace(data.featuriser, stereo="ignore"))


@cache
def _say_once(name: str) -> None:
    _LOG.warning(
        "%s has OGB's features, whose stereo tags depend on the order of the atoms in the SMILES: the same molecule "
        "written differently may get another prediction. For features that do not depend on it: "
        "data.with_featuriser(Featuriser())",
        name,
    )


def _check_ensemble(options: EnsembleOptions) -> None:
    """Refuse options of the ensemble that would fail later.

    Args:
        options: The options of the ensemble.

    Raises:
        ConfigError: If a feature set is given twice, or a readout or a partner is unknown.
        UnknownNameError: If there is no such feature set.
    """
    check_features(list(options.features))
    check_partners(options.partners or ())
    if options.readout:
        readout_parts(options.readout, owner="")
    if options.in_context:
        read_network(options.in_context)


def _check_members(job: Job) -> None:
    """Refuse an ensemble whose members would start from an encoder that has learned the labels of all of them."""
    if job.members != 1 and learns_task(job):
        raise OptionError(
            "weighting",
            job.weighting,
            "trains the pretrained encoder on the labels of train, so members that start from it are not evaluated on "
            "unseen molecules",
            f"Use a single model, {mention('members', 1)}, or another weighting.",
        )


def _check_network(options: EnsembleOptions, data: MoleculeDataset) -> None:
    """Refuse weights of TabICL that do not match the table.

    Raises:
        OptionError: If they are for another kind of labels, or the table has too many targets.
    """
    if not options.in_context:
        return
    kind = "classes" if read_network(options.in_context).classes else "numbers"
    kinds = {{"regression": "numbers"}.get(task, "classes") for task in tasks_of(data.task, len(data.target_names))}
    if kinds != {kind}:
        reason = f"holds the weights for {kind}, but {data.name} has targets that are {' and '.join(sorted(kinds))}"
        other = "the classifier's" if kind == "numbers" else "the regressor's"
        remedy = (
            f"Give {other} file."
            if len(kinds) == 1
            else f"Fit classes and numbers separately: {mention('targets', [...])}."
        )
        raise OptionError("in_context", options.in_context, reason, remedy)
    if len(data.target_names) > MOST_TARGETS and data.task != "multiclass":
        reason = f"supports at most {MOST_TARGETS} targets, but {data.name} has {len(data.target_names)}"
        raise OptionError(
            "in_context",
            options.in_context,
            reason,
            f"Leave in_context out, or name fewer: {mention('targets', [...])}.",
        )
