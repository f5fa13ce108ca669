"""The training loop: weighted pretraining, the task, and the weights, which minimise the meta loss."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from molweight.deprecation import renamed_options
from molweight.errors import ConfigError, OptionError
from molweight.mlo._chains import Adjoint, solve_chain
from molweight.mlo._curvature import CurvatureName
from molweight.mlo._gradients import loss_scales, objective_gradients, ordered_objectives
from molweight.mlo._hypergradient import Hypergradient
from molweight.mlo._level import Level
from molweight.mlo._level_graph import GraphOptions, LevelGraph, TaskStep
from molweight.mlo._level_solvers import adapted, solver_by_level
from molweight.mlo._loop_point import LoopPoint
from molweight.mlo._record import Record
from molweight.mlo._signals import SignalReader
from molweight.mlo._vectors import LossFn, Params
from molweight.mlo.solvers import Solver, Stats
from molweight.mlo.weightings import Needs, Weighting
from molweight.mlo.weightings._base import check_values, checked

__all__ = ["Loop", "OptimizerFactory"]


OptimizerFactory: TypeAlias = Callable[[list[Tensor], float], torch.optim.Optimizer]
"""Maps the tensors of a level and its learning rate to its optimiser."""


Guard: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Maps the description of some code of the weighting to the context in which it runs."""


Losses: TypeAlias = LossFn | Sequence[LossFn]
"""One loss, or several of one kind."""


class Loop:
    """Continued pretraining whose objective weights are learned by implicit differentiation.

    ::

        level 1 "pretrain"   theta*, phi*  =  argmin  sum_k w_k loss_k(theta, phi)
        level 2 "finetune"   omega*, h*    =  argmin  train(omega, h) + proximal_strength |omega - theta*|^2
        level 3 weighting    min over w       meta(omega*, h*)

    Each :meth:`step` moves level 2, propagates the meta gradient up through both levels (:func:`implicit_adjoint`),
    moves level 1 and updates the weights. For a weighting without hypergradients, levels 2 and 3 are not computed, and
    a step costs the same as plain multi-task pretraining. The graph determines the number of levels:
    :class:`TwoLevelGraph` merges the levels 1 and 2.

    Args:
        pretrained: Variables of level 1: the encoder theta and the objectives' heads phi. Leaves, updated in place.
        finetuned: Variables of level 2: the encoder copy omega under the names it has in ``pretrained``, and the
            task's head under other names. Leaves, updated in place. May be empty if the weighting needs no task.
        weighting: The rule that holds the weights; it is moved to the variables' device and type.
        graph: Arrangement of the levels; the weighting's own if ``None``.
        solver: Solver of all linear systems, or a pair (finetune, pretrain).
        proximal_strength: Strength of the proximal term that ties the shared names.
        pretrain_lr: Learning rate of level 1.
        finetune_lr: Learning rate of level 2.
        optimizer: Creates each level's optimiser from its tensors and learning rate.
        hypergradient_interval: Steps between hypergradients; level 2 moves at every step.
        warm_start: Whether each solve starts from its last solution, for solvers that can.
        scale_losses: Divide each objective by its size at the first step, so that weights of objectives in different
            units can be compared. Weights and hypergradient then refer to the scaled losses.
        curvature: ``"hessian"``, or ``"gauss_newton"``: the train loss and the objectives used in the solves must then
            be :class:`Composite`.
        recompute_graphs: Rebuild each objective's graph for every curvature product of level 1: only one of the K
            graphs is in memory at a time, but products take longer.
        track_encoder: Move ``omega`` along with every step of ``theta``, so that level 2 searches for the offset
            between them. The minimum is the same. If the proximal strength is larger than the curvature, the warm start
            is then close to the minimum, and fluctuations of ``theta`` affect both levels at the same point. Without
            it, ``omega`` lags behind ``theta``, and along sharp directions the meta gradient is unrelated to ``theta``.
        finetune_ema: Decay of the average of level 2's iterates, at which the meta gradient and level 2's curvature are
            computed; 0 for the last iterate. See :class:`molweight.mlo._level_graph.OffsetAverage`.
        gradient_norm_interval: Steps between records with the norms of the objectives' whole gradients, if these cost
            extra; 0 for none. See :attr:`Record.norms`.
        mixed_share: Share of the gradients of ``mixed_objectives`` in the hypergradient, if :meth:`step` is given any;
            the rest comes from ``objectives``. The step and the curvature of level 1 use ``objectives`` alone.
        encoder: Names of the encoder's variables, over which norms and inner products of gradients are taken; the names
            that ``finetuned`` shares with ``pretrained``, or all if both are empty.
        guard: Creates the context in which the weighting's code runs, from a description of that code; for messages
            that name the code of others.

    Attributes:
        pretrained: Variables of level 1, the shared names first.
        finetuned: Variables of the task, the shared names first.
        shared: The names of the encoder's variables.

    Raises:
        ConfigError: If variables are missing, frozen, integer, on different devices, or share no name, an option is out
            of range, or the weighting does not return one weight per objective.
        TrainingError: If its weights are not on the simplex; those on a device other than the CPU are not checked.

    Example:
        >>> from molweight.mlo.weightings import TapWeight
        >>> theta = {"encoder.w": torch.zeros(2, requires_grad=True)}
        >>> omega = {"encoder.w": torch.zeros(2, requires_grad=True)}
        >>> loop = Loop(theta, omega, TapWeight(["useful", "useless"]), pretrain_lr=0.05)
        >>> target = torch.tensor([1.0, 1.0])
        >>> objectives = {
        ...     "useful": lambda p: ((p["encoder.w"] - target) ** 2).sum(),
        ...     "useless": lambda p: ((p["encoder.w"] + target) ** 2).sum(),
        ... }
        >>> task = lambda p: ((p["encoder.w"] - target) ** 2).sum()
        >>> for _ in range(50):
        ...     record = loop.step(objectives, train=task, meta=task)
        >>> loop.weighting.as_dict()["useful"] > 0.6
        True
    """

    @renamed_options(
        gamma="proximal_strength",
        every="hypergradient_interval",
        follow="track_encoder",
        average="finetune_ema",
        recompute="recompute_graphs",
    )
    def __init__(
        self,
        pretrained: Params,
        finetuned: Params,
        weighting: Weighting,
        *,
        graph: type[LevelGraph] | None = None,
        solver: Solver | Sequence[Solver] | None = None,
        proximal_strength: float = 1.0,
        pretrain_lr: float = 1e-3,
        finetune_lr: float = 1e-3,
        optimizer: OptimizerFactory = torch.optim.Adam,
        hypergradient_interval: int = 1,
        warm_start: bool = True,
        scale_losses: bool = False,
        curvature: CurvatureName = "hessian",
        recompute_graphs: bool = False,
        track_encoder: bool = True,
        finetune_ema: float = 0.95,
        gradient_norm_interval: int = 100,
        mixed_share: float = 1.0,
        encoder: Sequence[str] = (),
        guard: Guard = nullcontext,
    ) -> None:
        """Check the variables and build both optimisers."""
        check_loop_options(hypergradient_interval, mixed_share)
        options = GraphOptions(
            proximal_strength, curvature, recompute_graphs, track_encoder, finetune_ema, tuple(encoder)
        )
        self.graph = (graph or weighting.graph)(pretrained, finetuned, options, task=weighting.needs.task)
        self.pretrained, self.finetuned, self.shared = self.graph.pretrained, self.graph.finetuned, self.graph.shared
        reference = next(iter(pretrained.values()))
        self.weighting, self._guard = weighting.to(device=reference.device, dtype=reference.dtype), guard
        weights_of(self.weighting, self._guard, 0)
        self.solvers = solver_by_level(solver)
        self.hypergradient_interval, self.warm_start = hypergradient_interval, warm_start
        self.scale_losses, self.mixed_share = scale_losses, mixed_share
        self.gradient_norm_interval, self.steps = gradient_norm_interval, 0
        self.pretrain_optimizer = optimizer(list(self.pretrained.values()), pretrain_lr)
        self.finetune_optimizer = optimizer(list(self.finetuned.values()), finetune_lr) if finetuned else None
        self._starts: dict[str, Tensor] = {}
        self._scales: Tensor | None = None

    @property
    def wants_train(self) -> bool:
        """Whether the next step moves level 2."""
        return self.wants_meta or (self.weighting.needs.task and self.graph.moves_task)

    @property
    def wants_meta(self) -> bool:
        """Whether the next step computes a hypergradient: the last of every ``hypergradient_interval`` steps."""
        return self.weighting.needs.task and (self.steps + 1) % self.hypergradient_interval == 0

    def step(
        self,
        objectives: Mapping[str, LossFn],
        train: Losses | None = None,
        meta: Losses | None = None,
        *,
        solve_objectives: Mapping[str, LossFn] | None = None,
        solve_train: LossFn | None = None,
        mixed_objectives: Mapping[str, LossFn] | None = None,
    ) -> Record:
        """Move all levels once.

        Args:
            objectives: Loss per objective name, of :attr:`pretrained`; :class:`SharedObjectives` if some of them share
                intermediate results.
            train: Finetuning loss of :attr:`finetuned`, or several for as many steps of level 2; see
                :attr:`wants_train`.
            meta: Meta loss of :attr:`finetuned`, or several to be averaged to reduce noise; see :attr:`wants_meta`.
            solve_objectives: Smaller-batch versions of ``objectives`` for level 1's curvature products.
            solve_train: Smaller-batch version of ``train`` for level 2's curvature products.
            mixed_objectives: Losses whose gradients enter the hypergradient, of some names or all; see ``mixed_share``.

        Returns:
            The measurements of the step.

        Raises:
            ConfigError: If a loss is missing, unknown, not scalar, or does not depend on its variables.
            TrainingError: If the new weights are on the CPU, and not on the simplex.
        """
        ordered = ordered_objectives(self.weighting.names, objectives)
        if self.scale_losses and self._scales is None:
            self._scales = loss_scales(ordered, self.pretrained)
        task = None
        if self.wants_train:
            if self.finetune_optimizer is None:
                raise ConfigError("the weighting needs the finetuned variables. Pass finetuned.")
            task = self.graph.move_task(as_list(train, "train"), self.finetune_optimizer)
        solved = _Solved()
        if self.wants_meta:
            last = solve_train or as_list(train, "train")[-1]
            solved = self._solve(as_list(meta, "meta"), last, solve_objectives or objectives)
        return self._move_pretrained(ordered, task, solved, mixed_objectives or {})

    def levels(self, objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
        """The chain through which the loop is differentiated, for :func:`hypergradient` and the reference rules.

        Args:
            objectives: Loss per objective name.
            train: Task loss, without the proximal term.

        Raises:
            ConfigError: If a loss is missing or unknown.
        """
        return self.graph.levels(ordered_objectives(self.weighting.names, objectives), train)

    def point(self) -> LoopPoint:
        """The point of the next hypergradient, as a copy that further steps do not change."""
        here = self._here()
        return here.to(here.scales.dtype)

    def adjoint(
        self,
        objectives: Mapping[str, LossFn],
        train: LossFn,
        meta: Losses,
        *,
        at: LoopPoint | None = None,
        solver: Solver | Sequence[Solver] | None = None,
        starts: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Adjoint]:
        """The solves of a hypergradient, as in :meth:`step`, without moving any variables.

        Args:
            objectives: Losses for level 1's curvature.
            train: Task loss for level 2's curvature.
            meta: Meta loss, or several to be averaged.
            at: The point; the loop's current one if ``None``. It may have another floating-point type, together with
                the losses.
            solver: One solver, or a pair (finetune, pretrain); the loop's own if ``None``.
            starts: Initial values of the solves, by level name; zero if ``None``. The dict is emptied, so that the
                start of one level is freed before the next one is solved.

        Returns:
            The meta loss and the adjoint.

        Raises:
            ConfigError: If a loss is missing, unknown, not scalar, or does not depend on its variables.
        """
        here = at or self._here()
        levels = self.levels(objectives, train)
        solvers = self.solvers if solver is None else solver_by_level(solver)
        loss, gradient = self.graph.meta_gradient(as_list(meta, "meta"), train, here.variables[-1])
        optimizers = (self.finetune_optimizer, self.pretrain_optimizer)
        per_level = [adapted(solvers[level.name], level.name, here, self.graph, optimizers) for level in levels]
        starts = {} if starts is None else starts
        return loss, solve_chain(levels, here.variables, here.upper, gradient, solvers=per_level, starts=starts)[0]

    def hypergradient(
        self,
        objectives: Mapping[str, LossFn],
        train: LossFn,
        meta: Losses,
        *,
        solve_objectives: Mapping[str, LossFn] | None = None,
        at: LoopPoint | None = None,
        solver: Solver | Sequence[Solver] | None = None,
        starts: Mapping[str, Tensor] | None = None,
        mixed_objectives: Mapping[str, LossFn] | None = None,
    ) -> Hypergradient:
        """The hypergradient that :meth:`step` would compute with these losses, without moving any variables.

        Args:
            objectives: Losses to differentiate with respect to their weights.
            train: Task loss for level 2's curvature.
            meta: Meta loss, or several to be averaged.
            solve_objectives: Losses for level 1's curvature; ``objectives`` if ``None``.
            at: As in :meth:`adjoint`.
            solver: As in :meth:`adjoint`.
            starts: As in :meth:`adjoint`.
            mixed_objectives: As in :meth:`step`.

        Returns:
            Its value under ``"weights"``: K derivatives of the meta loss with respect to the weights.

        Raises:
            ConfigError: If a loss is missing, unknown, not scalar, or does not depend on its variables.
        """
        here = at or self._here()
        loss, adjoint = self.adjoint(
            solve_objectives or objectives, train, meta, at=here, solver=solver, starts=dict(starts or {})
        )
        slopes = slopes_of(self.levels(objectives, train)[0], here, adjoint)
        if mixed_objectives:
            first = self.levels({**objectives, **mixed_objectives}, train)[0]
            slopes = slopes.lerp(slopes_of(first, here, adjoint), self.mixed_share)
        # The chain knows the factors w_k / s_k; the derivative with respect to w_k is 1 / s_k times theirs.
        value = {"weights": slopes * (1 / here.scales)}
        return Hypergradient(value, loss, adjoint.stats, adjoint.directions, adjoint.products)

    def _here(self) -> LoopPoint:
        factors = self._factors()
        scales = torch.ones_like(factors) if self._scales is None else self._scales
        return LoopPoint(tuple(self.graph.variables()), {"weights": factors}, scales)

    def _factors(self) -> Tensor:
        """Factor of each loss at level 1: its weight divided by its scale."""
        weights = weights_of(self.weighting, self._guard)
        return weights if self._scales is None else weights / self._scales

    def _solve(self, meta: list[LossFn], train: LossFn, objectives: Mapping[str, LossFn]) -> "_Solved":
        if self.weighting.needs is Needs.ALIGNMENT:
            loss, gradient = self.graph.meta_gradient(meta, train, self._here().variables[-1])
            return _Solved(loss, self.graph.encoder_direction(gradient))
        loss, adjoint = self.adjoint(objectives, train, meta, starts=self._starts)
        for level, direction in adjoint.directions.items():
            if self.warm_start and self.solvers[level].uses_start:
                self._starts[level] = direction  # the solves have emptied the dict
        # Only the part over level 1's variables is kept, so that the rest of the adjoint is freed before the K backward
        # passes.
        return _Solved(loss, adjoint.direction[: self.graph.layout.size], adjoint.stats)

    def _move_pretrained(
        self, objectives: Mapping[str, LossFn], task: TaskStep | None, solved: "_Solved", mixed: Mapping[str, LossFn]
    ) -> Record:
        """Level 1: the objectives' gradients, a step along their weighted sum, and the update of the weights."""
        used, needs, every = weights_of(self.weighting, self._guard), self.weighting.needs, self.gradient_norm_interval
        gradients = objective_gradients(
            objectives,
            self.pretrained,
            self._factors(),
            solved.direction,
            block=self.graph.block,
            keep_rows=needs is Needs.GRADIENTS,
            norms=needs in {Needs.NORMS, Needs.ALIGNMENT} or (every > 0 and self.steps % every == 0),
        )
        reader = SignalReader(self.weighting, self.graph, solved.direction, self._scales)
        signals = reader.mixed(reader.read(gradients), mixed, self.mixed_share)
        with self._guard("update"):
            self.weighting.update(signals)
        after, total = weights_of(self.weighting, self._guard, self.steps + 1), gradients.total
        if gradients.rows is not None:
            # Weights computed from the gradients of a step apply to that same step (PCGrad, MGDA, UPGrad).
            used, total = after, self._factors() @ gradients.rows
        if task is not None and task.encoder_gradient is not None:
            total = total + task.encoder_gradient
        self.graph.move_encoder(total, self.pretrain_optimizer, task=self.weighting.needs.task)
        self.steps += 1
        return Record(
            self.steps - 1,
            self.weighting.names,
            gradients.losses,
            used,
            gradients.norms,
            gradients.reach,
            None if task is None else task.loss,
            solved.meta_loss,
            signals.hypergradient,
            solved.stats if task is None else {**task.solves, **solved.stats},
            after,
        )

    def state_dict(self) -> dict[str, Any]:
        """The state for an exact resume. The tensors are not copied: save or copy them before the next step."""
        return {
            "steps": self.steps,
            "pretrained": {name: tensor.detach() for name, tensor in self.pretrained.items()},
            "finetuned": {name: tensor.detach() for name, tensor in self.finetuned.items()},
            "pretrain_optimizer": self.pretrain_optimizer.state_dict(),
            "finetune_optimizer": self.finetune_optimizer.state_dict() if self.finetune_optimizer else None,
            "weighting": self.weighting.state_dict(),
            "starts": dict(self._starts),
            "average": self.graph.average.state_dict(),
            "scales": self._scales,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; the variables are overwritten in place.

        Args:
            state: The result of :meth:`state_dict`, for the same variables and weighting.

        Raises:
            ConfigError: If it was saved for other variables.
        """
        for level, mine in (("pretrained", self.pretrained), ("finetuned", self.finetuned)):
            restore(level, mine, state[level])
        self.pretrain_optimizer.load_state_dict(state["pretrain_optimizer"])
        if self.finetune_optimizer is not None:
            self.finetune_optimizer.load_state_dict(state["finetune_optimizer"])
        self.weighting.load_state_dict(state["weighting"])
        where = weights_of(self.weighting, self._guard).device  # states are read on the CPU
        self.graph.average.load_state_dict(state["average"], where)
        self._starts = {name: tensor.to(where, copy=True) for name, tensor in state["starts"].items()}
        self._scales = None if state["scales"] is None else state["scales"].to(where, copy=True)
        self.steps = int(state["steps"])


@dataclass(frozen=True)
class _Solved:
    """Input of level 1 from the lower levels; empty in a step without a hypergradient."""

    meta_loss: Tensor | None = None
    direction: Tensor | None = None
    stats: dict[str, Stats] = field(default_factory=dict)


def check_loop_options(hypergradient_interval: int, mixed_share: float) -> None:
    """Refuse options of the loop itself that are out of range.

    Raises:
        OptionError: Naming the option.
    """
    if hypergradient_interval < 1:
        raise OptionError("hypergradient_interval", hypergradient_interval, "must be at least 1")
    if not 0 <= mixed_share <= 1:
        raise OptionError("mixed_share", mixed_share, "must be at least 0 and at most 1")


def weights_of(weighting: Weighting, guard: Guard, step: int | None = None) -> Tensor:
    """A copy of the weights.

    Args:
        weighting: The weighting.
        guard: Creates the context in which its code runs.
        step: Step in which they are used, to check their values as well; ``None`` to check the shape alone.

    Raises:
        ConfigError: If they are not one number per objective.
        TrainingError: If they are on the CPU and not on the simplex.
    """
    with guard("weights"):
        weights = checked(weighting.names, weighting.weights).clone()
    return weights if step is None else check_values(weighting, step, weights)


def slopes_of(first: Level, at: LoopPoint, adjoint: Adjoint) -> Tensor:
    """Derivatives of the meta loss with respect to the factors of the losses of level 1.

    Args:
        first: Level 1 with these losses.
        at: The point.
        adjoint: The solves.
    """
    return first.vjp(first.at(at.variables[0], at.upper), adjoint.direction)["weights"]


def as_list(given: Losses | None, which: str) -> list[LossFn]:
    """The losses of one kind, ``train`` or ``meta``, as a list.

    Args:
        given: One loss or several.
        which: ``"train"`` or ``"meta"``, for the message.

    Raises:
        ConfigError: If there is none.
    """
    losses = [given] if callable(given) else list(given or [])
    if not losses:
        raise ConfigError(f"the next step needs the {which} loss (see wants_{which}), but none was given.")
    return losses


def restore(level: str, mine: Params, saved: Mapping[str, Tensor]) -> None:
    """Copy saved values into the variables, in place.

    Args:
        level: Name of the variables, for the message.
        mine: The variables.
        saved: Their values.

    Raises:
        ConfigError: If names or shapes differ.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in mine.items()}
    found = {name: tuple(tensor.shape) for name, tensor in saved.items()}
    if expected != found:
        changed = sorted(set(expected.items()) ^ set(found.items()))
        raise ConfigError(
            f"the saved state belongs to other variables of level {level!r}; different or missing: {changed[:4]}."
        )
    with torch.no_grad():
        for name, tensor in mine.items():
            tensor.copy_(saved[name])
