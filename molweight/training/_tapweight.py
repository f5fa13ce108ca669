"""From a table and a corpus to a finetuned model: the public entry point."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import torch

from molweight import encoders, objectives
from molweight.datasets import Splits
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.mlo import solvers, weightings
from molweight.options import check_kind
from molweight.training._callback import Callback
from molweight.training._checkpoint import AUTO, SHIPPED, STARTS, read_checkpoint
from molweight.training._continued import continued_pretraining, fresh_predictor
from molweight.training._device import resolve_device
from molweight.training._finetune import Finetuning, finetune
from molweight.training._finetunings import finetune_several
from molweight.training._general import general_pretraining
from molweight.training._models import Predictor, check_models
from molweight.training._resume import describe_job, finish, finished_run
from molweight.training._run import Run
from molweight.training._sampling import Batches, generator_for
from molweight.training._session import Session, Stage
from molweight.training._tables import HeldOut, choose_tables

__all__ = ["DEFAULT_OBJECTIVES", "SOLVER_DEFAULTS", "TapWeight"]

DEFAULT_OBJECTIVES: Final = ("attribute_masking", "graphcl", "functional_groups", "descriptors")

SOLVER_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "cg": {"iterations": 5, "damping": 10.0},
    "neumann": {"iterations": 5, "damping": 10.0},
    "nystrom": {"rank": 5, "damping": 10.0},
    "dense": {"damping": 10.0},
}
"""What a solver is given on molecules.

The Hessians met there are indefinite, with negative curvature of the order of 10 during a run
(``experiments/results/solver_accuracy.md``); with a smaller damping conjugate gradients stop after a few products.
"""


@dataclass(frozen=True, kw_only=True)
class TapWeight:
    """Pretrain an encoder with several objectives, weighted for a task, and finetune it on that task.

    Three stages: general pretraining on the corpus with equal weights (cached, as it does not depend on the task);
    continued pretraining with the weights of ``weighting``; finetuning from there. All weightings run through the same
    code.

    Source: Zhang, Somayajula, Xie, *TapWeight*, TMLR 2025 (arXiv 2410.10006).

    Args:
        encoder: Name of the encoder; see ``molweight list encoders``.
        encoder_options: Options of the encoder, e.g. ``{"layers": 3, "width": 64}``.
        objectives: Names of the pretraining objectives; see ``molweight list objectives``.
        objective_options: Options by name of objective, e.g. ``{"graphcl": {"strength": 0.1}}``.
        weighting: How the objectives are weighted: ``"tapweight"`` learns the weights, ``"equal"``, ``"fixed"``, ...;
            ``"none"`` leaves continued pretraining out.
        weighting_options: Options of the weighting, e.g. ``{"weights": [0.7, 0.1, 0.1, 0.1]}`` for ``"fixed"``.
        solver: How the inverse Hessians are applied: ``"identity"``, ``"cg"``, ``"neumann"``, ... The default is what
            the planted objectives of ``experiments/planted.py`` speak for so far.
        solver_options: Options of the solver, e.g. ``{"iterations": 10}``; those that are left out suit the solver.
        start: ``"gin_zinc"``, the checkpoint that is part of the package; ``"pretrained"`` for general pretraining of
            its own; ``"scratch"`` for a random encoder; or the folder of a checkpoint (``molweight pretrain``) or of a
            run, whose encoder is then used. ``"auto"`` becomes ``"gin_zinc"`` where ``encoder``, ``encoder_options``,
            ``general_steps`` and ``general_seed`` are left at their defaults, and ``"pretrained"`` otherwise.
        gamma: Strength of the proximal term that holds the finetuned encoder near the pretrained one while the weights
            are learned: level 2 of the method.
        finetune_gamma: The same in the finetuning that ends the job; 0 lets the encoder go. Up to 0.1 it made no
            difference on FreeSolv, 1 was worse (``experiments/finetune_gamma.py``, one seed).
        every: Steps of continued pretraining between hypergradients.
        follow: Move the finetuned encoder along with every step of the pretrained one; see
            :class:`molweight.mlo.Loop`.
        average: Decay of the average of finetuning's iterates that the weights are judged at; 0 for the last iterate.
        scale_losses: Divide each objective by its size at the first step, so that weights of objectives in different
            units can be compared; see :class:`molweight.mlo.Loop`.
        recompute: Keep one objective's graph at a time while solving: less memory, more time per product.
        warm_start: Start each solve from the last solution, for solvers that can.
        meta_batches: Meta batches that one hypergradient is averaged over; more give less noise at more time.
        general_steps: Steps of general pretraining.
        general_seed: Seed of general pretraining, for runs that share a pretrained encoder and differ in ``seed``;
            ``None`` for ``seed``.
        steps: Steps of continued pretraining.
        batch_size: Molecules of the corpus per step.
        solve_batch_size: Molecules of the corpus that level 1's curvature is taken on.
        task_batch_size: Labelled molecules per step of finetuning.
        meta_batch_size: Labelled molecules per hypergradient.
        pretrain_lr: Learning rate of pretraining.
        finetune_lr: Learning rate of finetuning.
        epochs: Most epochs of finetuning.
        patience: Epochs without a better metric on ``select`` after which finetuning stops.
        finetunings: How often the pretrained encoder is finetuned, with other random numbers each time; the model that
            is best on ``select`` is kept. On small tables two finetunings of one encoder can differ by more than two
            sets of weights do (``experiments/level_with_search.py``).
        seed: Seed of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        ConfigError: If an option is out of range.
        UnknownNameError: If a name is unknown, with the nearest ones.

    Example:
        >>> from molweight import datasets
        >>> data = datasets.load("freesolv")
        >>> small = TapWeight(
        ...     encoder_options={"layers": 2, "width": 16},
        ...     objectives=["attribute_masking", "functional_groups"],
        ...     general_steps=2,
        ...     steps=2,
        ...     every=1,
        ...     epochs=1,
        ...     batch_size=32,
        ... )
        >>> run = small.fit(data, datasets.split(data, "scaffold"), datasets.load_corpus("zinc", size=64))
        >>> sorted(run.weights), round(sum(run.weights.values()), 6)
        (['attribute_masking', 'functional_groups'], 1.0)
        >>> run.predict(["CCO", "not a molecule"]).shape
        (2, 1)
    """

    encoder: str = "gin"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    objectives: Sequence[str] = DEFAULT_OBJECTIVES
    objective_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    weighting: str = "tapweight"
    weighting_options: dict[str, Any] = field(default_factory=dict)
    solver: str = "identity"
    solver_options: dict[str, Any] = field(default_factory=dict)
    start: str = "auto"
    gamma: float = 1.0
    finetune_gamma: float = 0.0
    every: int = 1
    follow: bool = True
    average: float = 0.95
    scale_losses: bool = False
    recompute: bool = False
    warm_start: bool = True
    meta_batches: int = 1
    general_steps: int = 500
    general_seed: int | None = None
    steps: int = 200
    batch_size: int = 256
    solve_batch_size: int = 48
    task_batch_size: int = 64
    meta_batch_size: int = 64
    pretrain_lr: float = 1e-3
    finetune_lr: float = 1e-3
    epochs: int = 100
    patience: int = 20
    finetunings: int = 1
    seed: int = 0
    device: str = "auto"

    _asked: ClassVar[dict[str, Any] | None] = None
    """Of a job whose start was left to be chosen: the encoder that was asked for."""

    def __post_init__(self) -> None:
        """Refuse unknown names and impossible numbers before any work is done."""
        for item in fields(self):
            check_kind("", item.name, getattr(self, item.name), item.type)
        if self.start == AUTO:
            _choose_start(self)
        if self.start not in STARTS:
            _adopt_encoder(self)
        encoders.get(self.encoder)
        if not self.objectives:
            raise ConfigError(f"no objective is chosen. Choose among: {', '.join(objectives.available())}.")
        for name in self.objectives:
            objectives.get(name)
        self.make_solver()
        _check_numbers(self)
        _check_weighting(self)
        check_models(self.encoder, self.encoder_options, self.objectives, self.objective_options)
        resolve_device(self.device)

    def make_solver(self) -> solvers.Solver:
        """The solver with its options: those given, over those of :data:`SOLVER_DEFAULTS`."""
        return solvers.create(self.solver, **{**SOLVER_DEFAULTS.get(self.solver, {}), **self.solver_options})

    def variant(self, **changes: Any) -> "TapWeight":
        """The same options but for ``changes``; what ``"auto"`` becomes is decided anew unless they name a start."""
        undecided = {"start": AUTO, **self._asked} if self._asked is not None and "start" not in changes else {}
        return replace(self, **{**undecided, **changes})

    def options(self) -> dict[str, Any]:
        """All options as JSON values."""
        return {**asdict(self), "objectives": list(self.objectives)}

    def fit(
        self,
        data: MoleculeDataset,
        splits: Splits,
        corpus: MoleculeDataset | None = None,
        *,
        progress: bool = False,
        resume: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
        session: Session | None = None,
    ) -> Run:
        """Pretrain and finetune.

        Args:
            data: The labelled table.
            splits: Its roles; see :func:`molweight.datasets.split`. ``test`` is not touched.
            corpus: Unlabelled molecules to pretrain on; the training molecules of ``data`` if ``None``.
            progress: Whether to show progress bars on a terminal.
            resume: Folder where the state of the work is kept, once a minute and on Ctrl-C. A fit that is interrupted,
                by whatever, and called again with the same folder ends exactly as if it had not been; one that is
                finished returns its run at once.
            callbacks: Objects to tell of every step; see :class:`molweight.training.Callback`.
            session: The two above in one, for a fit that is part of other work.

        Returns:
            The finetuned model with the learned weights and the history.

        Raises:
            ConfigError: If the table has no labels, or the folder holds the state of another job.
            TrainingError: If a loss stops being finite.
        """
        if data.task is None:
            raise ConfigError(f"{data.name} has no labels. Load a table with targets, or use it as corpus.")
        settled = choose_tables(self, data)
        if settled is not self:
            return settled.fit(
                data, splits, corpus, progress=progress, resume=resume, callbacks=callbacks, session=session
            )
        device, unlabelled = resolve_device(self.device), _corpus(data, splits, corpus)
        unlabelled = unlabelled.with_featuriser(data.featuriser)
        session = session or Session(None if resume is None else Path(resume), callbacks=callbacks)
        session = replace(session, job=describe_job(self, data, splits, unlabelled, device))
        found = finished_run(session, data, splits, device)
        if found is None:
            found = self._train(data, splits, unlabelled, device, session, progress=progress)
            finish(session, self, found)
        return found

    def _train(
        self,
        data: MoleculeDataset,
        splits: Splits,
        corpus: MoleculeDataset,
        device: torch.device,
        session: Session,
        *,
        progress: bool,
    ) -> Run:
        """The three stages."""
        started = time.perf_counter()
        held = HeldOut(data, splits)
        pretrainer, prepared = general_pretraining(self, corpus, device, progress=progress, session=session, held=held)
        history: list[dict[str, Any]] = []
        if self.weighting != "none" and self.steps > 0:
            setup = continued_pretraining(self, pretrainer, prepared, data, splits, device=device)
            title = f"{self.weighting} pretraining" if progress else None
            history = setup.run(self.steps, title, session.stage("continued"))
        model, tuned = finetune_several(
            self,
            lambda own: fresh_predictor(own, pretrainer, data, splits, device),
            lambda own, model, stage: own.finetune(model, data, splits, device, progress=progress, stage=stage),
            session,
        )
        return Run(
            self.options(),
            pretrainer=pretrainer,
            model=model,
            data=data,
            splits=splits,
            weights=history[-1]["weights"] if history else {},
            records=history,
            finetuning=tuned,
            seconds=time.perf_counter() - started,
            device=device,
        )

    def finetune(
        self,
        model: Predictor,
        data: MoleculeDataset,
        splits: Splits,
        device: torch.device,
        *,
        progress: bool = False,
        stage: Stage | None = None,
    ) -> Finetuning:
        """The last stage alone: finetune a model whose encoder is pretrained.

        Args:
            model: Encoder and head, e.g. from :func:`molweight.training.fresh_predictor`; changed in place.
            data: The labelled table.
            splits: Its roles; ``train`` and ``select`` are used.
            device: Where to compute.
            progress: Whether to show a progress bar on a terminal.
            stage: Where states are kept and whom to tell.

        Returns:
            How it went.
        """
        # A random encoder is nothing to stay near to: without any pretraining the proximal term is left out.
        untrained = self.start == "scratch" and (self.weighting == "none" or self.steps == 0)
        return finetune(
            model,
            data,
            splits,
            Batches(splits.train, self.task_batch_size, generator_for(self.seed, "finetune")),
            epochs=self.epochs,
            patience=self.patience,
            lr=self.finetune_lr,
            gamma=0.0 if untrained else self.finetune_gamma,
            seeds=generator_for(self.seed, "finetune dropout"),
            device=device,
            progress="finetuning" if progress else None,
            stage=stage,
        )


def _corpus(data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset | None) -> MoleculeDataset:
    return data.subset(splits.train) if corpus is None else corpus


def _check_numbers(options: TapWeight) -> None:
    values: Mapping[str, Any] = vars(options)
    for name in (
        "batch_size",
        "solve_batch_size",
        "task_batch_size",
        "meta_batch_size",
        "meta_batches",
        "every",
        "patience",
        "finetunings",
    ):
        if values[name] < 1:
            raise ConfigError(f"{name}={values[name]} must be at least 1.")
    for name in ("general_steps", "general_seed", "steps", "epochs", "gamma", "finetune_gamma", "seed"):
        if values[name] is not None and values[name] < 0:
            raise ConfigError(f"{name}={values[name]} must not be negative.")
    if not 0 <= options.average < 1:
        raise ConfigError(f"average={options.average} must be at least 0 and below 1.")
    for name in ("pretrain_lr", "finetune_lr"):
        if not values[name] > 0:
            raise ConfigError(f"{name}={values[name]} must be positive.")


def _choose_start(options: TapWeight) -> None:
    """Put the shipped checkpoint, or general pretraining, in the place of ``"auto"``; keep what was asked for."""
    asked = {"encoder": options.encoder, "encoder_options": options.encoder_options}
    sizes = {**asked, "general_steps": options.general_steps, "general_seed": options.general_seed}
    plain = all(value == _default(name) for name, value in sizes.items())
    object.__setattr__(options, "_asked", asked)  # beside _adopt_encoder the one moment a frozen job is written to
    object.__setattr__(options, "start", SHIPPED if plain else "pretrained")


def _default(name: str) -> Any:
    """The default of an option."""
    found = next(item for item in fields(TapWeight) if item.name == name)
    return found.default_factory() if callable(found.default_factory) else found.default


def _adopt_encoder(options: TapWeight) -> None:
    """Take the encoder of the checkpoint that is started from; refuse another one if that was asked for.

    Raises:
        ConfigError: If the encoder is not that of the checkpoint.
    """
    found = read_checkpoint(options.start)
    asked = (options.encoder, options.encoder_options)
    if asked not in (("gin", {}), (found.encoder, found.encoder_options)):
        raise ConfigError(
            f"start={options.start!r} holds the encoder {found.encoder!r} with {found.encoder_options}, and "
            f"{options.encoder!r} with {options.encoder_options} is asked for. Leave encoder and encoder_options out."
        )
    object.__setattr__(options, "encoder", found.encoder)
    object.__setattr__(options, "encoder_options", dict(found.encoder_options))


def _check_weighting(options: TapWeight) -> None:
    """Refuse options of the weighting, and others that it cannot do with."""
    if options.weighting == "none":
        return
    weighting = weightings.create(options.weighting, options.objectives, **options.weighting_options)
    if weighting.needs.task and weighting.graph.proximal and not options.gamma > 0:
        raise ConfigError(
            f"gamma={options.gamma} leaves the finetuned encoder untied from the pretrained one, and "
            f"weighting={options.weighting!r} learns through that tie. Make gamma positive, e.g. 1."
        )
    if not weighting.graph.proximal and options.recompute:
        raise ConfigError(
            f"recompute=True has no effect with weighting={options.weighting!r}, which trains one encoder on "
            "everything. Leave recompute out."
        )
