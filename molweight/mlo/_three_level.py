"""The three-level loop: pretraining under weights, finetuning under a proximal term, weights under the meta loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._average import OffsetAverage
from molweight.mlo._gauss_newton import CurvatureName, check_curvature, curvature_of
from molweight.mlo._hypergradient import solve_level
from molweight.mlo._passes import (
    check_objectives,
    loss_scales,
    mean_gradient,
    objective_pass,
    read_signals,
    weighted_curvature,
)
from molweight.mlo._record import Record
from molweight.mlo._setup import (
    as_list,
    check_levels,
    check_options,
    descend,
    restore,
    shared_first,
    solver_pair,
    tensors,
)
from molweight.mlo._vectors import Layout, LossFn, Params, value_and_gradient
from molweight.mlo.solvers import Operator, Solver, Stats
from molweight.mlo.weightings import Needs, Weighting

__all__ = ["OptimizerFactory", "ThreeLevel"]

OptimizerFactory: TypeAlias = Callable[[list[Tensor], float], torch.optim.Optimizer]
"""From the tensors of a level and its learning rate to its optimiser."""


def adam(tensors: list[Tensor], lr: float) -> torch.optim.Optimizer:
    """Adam without weight decay.

    Args:
        tensors: Leaves to be optimised.
        lr: Learning rate.
    """
    return torch.optim.Adam(tensors, lr=lr)


@dataclass(frozen=True)
class Answer:
    """What levels 3 and 2 send up to level 1: ``q1``, the meta loss and what the solves did."""

    direction: Tensor
    meta_loss: Tensor
    solves: dict[str, Stats]


class ThreeLevel:
    """Continued pretraining whose objective weights are learned by implicit differentiation.

    ::

        level 1 "pretrain"   theta*, phi*  =  argmin  sum_k w_k loss_k(theta, phi)
        level 2 "finetune"   omega*, h*    =  argmin  train(omega, h) + gamma |omega - theta*|^2
        level 3 weighting    min over w       meta(omega*, h*)

    Each :meth:`step` moves level 2, sends the meta gradient up through both levels, moves level 1 and updates the
    weights. A weighting that needs no hypergradient never touches levels 2 and 3: the same code path then costs what
    plain multi-task pretraining costs.

    Args:
        pretrained: Variables of level 1: the encoder theta and the objectives' heads phi. Leaves, updated in place.
        finetuned: Variables of level 2: the encoder copy omega under the names it has in ``pretrained``, and the
            task's head under other names. Leaves, updated in place. May be empty if the weighting needs no task.
        weighting: The rule that owns the weights; it is moved to the variables' device and type.
        solver: Solver of both linear systems, or a pair (finetune, pretrain).
        gamma: Strength of the proximal term that ties the shared names.
        pretrain_lr: Learning rate of level 1.
        finetune_lr: Learning rate of level 2.
        optimizer: Makes each level's optimiser from its tensors and learning rate.
        every: Steps between hypergradients; level 2 moves at every step.
        warm_start: Whether each solve starts from its last solution, for solvers that can.
        scale_losses: Divide each objective by its size at the first step, so that weights of objectives in different
            units can be compared. Weights and hypergradient then refer to the scaled losses.
        curvature: ``"hessian"``, or ``"gauss_newton"``: every train loss and objective that is solved with must then be
            a :class:`Composite`.
        follow: Move ``omega`` along with every step of ``theta``, so that level 2 searches for the offset between them.
            Its minimum is the same; the warm start is then the minimum's own prediction where ``gamma`` is larger than
            the curvature, and both levels meet the fluctuations of ``theta`` at the same point. Without it ``omega``
            lags behind by its own steps, and along sharp directions the meta gradient is unrelated to ``theta``.
        average: Decay of the average of level 2's iterates at which the meta gradient and level 2's curvature are
            taken; 0 for the last iterate. See :class:`molweight.mlo._average.OffsetAverage`.
        recompute: Build each objective's graph anew for every curvature product of level 1: of the K graphs only one is
            alive at any moment, at more time per product.

    Raises:
        ConfigError: If variables are missing, frozen, integer, on different devices, or share no name, or an option
            is out of range.

    Example:
        >>> from molweight.mlo.weightings import TapWeight
        >>> theta = {"encoder.w": torch.zeros(2, requires_grad=True)}
        >>> omega = {"encoder.w": torch.zeros(2, requires_grad=True)}
        >>> loop = ThreeLevel(theta, omega, TapWeight(["useful", "useless"]), gamma=1.0, pretrain_lr=0.05)
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

    joint: ClassVar[bool] = False
    """Whether one encoder is trained on objectives and task together."""

    def __init__(
        self,
        pretrained: Params,
        finetuned: Params,
        weighting: Weighting,
        *,
        solver: Solver | Sequence[Solver] | None = None,
        gamma: float = 1.0,
        pretrain_lr: float = 1e-3,
        finetune_lr: float = 1e-3,
        optimizer: OptimizerFactory = adam,
        every: int = 1,
        warm_start: bool = True,
        scale_losses: bool = False,
        curvature: CurvatureName = "hessian",
        recompute: bool = False,
        follow: bool = True,
        average: float = 0.95,
    ) -> None:
        """Check the variables and build both optimisers."""
        check_options(gamma, every, tied=weighting.needs.task and not weighting.joint)
        if weighting.joint and not self.joint:
            raise ConfigError(
                f"weighting {type(weighting).__name__} needs the two-level loop: mlo.loop_for(weighting)."
            )
        check_curvature("ThreeLevel", curvature)
        self.shared = check_levels(pretrained, finetuned, task=weighting.needs.task)
        self.pretrained, self.finetuned = shared_first(pretrained, self.shared), shared_first(finetuned, self.shared)
        reference = next(iter(pretrained.values()))
        self.weighting = weighting.to(device=reference.device, dtype=reference.dtype)
        self.solvers = solver_pair(solver)
        self.gamma, self.every, self.warm_start, self.scale_losses = gamma, every, warm_start, scale_losses
        self.pretrain_optimizer = optimizer(tensors(self.pretrained), pretrain_lr)
        self.finetune_optimizer = optimizer(tensors(self.finetuned), finetune_lr) if finetuned else None
        self.steps = 0
        self._starts: dict[str, Tensor] = {}
        self._layouts = Layout.of(self.pretrained), Layout.of(self.finetuned)
        self._block = sum(self.pretrained[name].numel() for name in self.shared)
        self._scales: Tensor | None = None
        self._curvature, self.recompute = curvature, recompute
        self.follow = follow and bool(self.shared)
        self._average = OffsetAverage(average, self.shared)

    @property
    def wants_train(self) -> bool:
        """Whether the coming step moves level 2."""
        return self.weighting.needs.task

    @property
    def wants_meta(self) -> bool:
        """Whether the coming step takes a hypergradient: the last of every ``every`` steps."""
        return self.weighting.needs.task and (self.steps + 1) % self.every == 0

    @property
    def wants_task(self) -> bool:
        """Whether the coming step needs any loss of the task."""
        return self.wants_train or self.wants_meta

    def step(
        self,
        objectives: Mapping[str, LossFn],
        train: LossFn | Sequence[LossFn] | None = None,
        meta: LossFn | Sequence[LossFn] | None = None,
        *,
        solve_objectives: Mapping[str, LossFn] | None = None,
        solve_train: LossFn | None = None,
    ) -> Record:
        """Move all three levels once.

        Args:
            objectives: Loss per objective name, of :attr:`pretrained`.
            train: Finetuning loss of :attr:`finetuned`, or several for as many steps of level 2; see
                :attr:`wants_train`.
            meta: Meta loss of :attr:`finetuned`, or several to be averaged against noise; see :attr:`wants_meta`.
            solve_objectives: Smaller-batch versions of ``objectives`` for level 1's curvature products.
            solve_train: Smaller-batch version of ``train`` for level 2's curvature products.

        Returns:
            What was measured.

        Raises:
            ConfigError: If a loss is missing, unknown, not scalar, or does not depend on its variables.
        """
        names = self.weighting.names
        check_objectives(names, objectives)
        ordered = {name: objectives[name] for name in names}
        if self.scale_losses and self._scales is None:
            self._scales = loss_scales(ordered, self.pretrained)
        train_loss = self._move_finetuned(train) if self.wants_train else None
        answer = None
        if self.wants_meta:
            last = solve_train or as_list(train, "train")[-1]
            answer = self._answer(as_list(meta, "meta"), last, solve_objectives or objectives)
        return self._move_pretrained(ordered, train_loss, answer)

    def _move_finetuned(self, train: LossFn | Sequence[LossFn] | None) -> Tensor:
        """Level 2: descend ``train + gamma |omega - theta|^2``, one step per loss given."""
        if self.finetune_optimizer is None:
            raise ConfigError(
                "level 'finetune' has no variables, and the weighting learns from the task. Pass finetuned."
            )
        values = []
        for loss in as_list(train, "train"):
            value, gradient = value_and_gradient(loss, self.finetuned, "level 'finetune'")
            values.append(value)
            self._add_proximal(gradient)
            descend(self.finetune_optimizer, tensors(self.finetuned), gradient)
            if self._average.decay:
                self._average.update(self.finetuned, self.pretrained)
        return values[0]

    def _add_proximal(self, gradient: list[Tensor]) -> None:
        """Add ``2 gamma (omega - theta)`` on the shared names."""
        with torch.no_grad():
            for i, name in enumerate(self.shared):
                distance = self.finetuned[name] - self.pretrained[name]
                gradient[i] = torch.add(gradient[i], distance, alpha=2 * self.gamma)

    def _answer(self, meta: list[LossFn], train: LossFn, objectives: Mapping[str, LossFn]) -> Answer:
        """``v``, ``q2``, ``u`` and ``q1`` of the hypergradient, in this order."""
        omega = self._average.point(self.pretrained) if self._average.count else self.finetuned
        meta_loss, v = mean_gradient(meta, omega, "level 'meta'")
        if self.weighting.needs is Needs.ALIGNMENT:
            return Answer(self._pad(v[: self._block]), meta_loss, {})
        q2, finetune = self._solve(0, "finetune", self._finetune_curvature(train, omega), v)
        u = self._pad(2 * self.gamma * q2[: self._block])
        q1, pretrain = self._solve(1, "pretrain", self._pretrain_curvature(objectives), u)
        return Answer(q1, meta_loss, {"finetune": finetune, "pretrain": pretrain})

    def _pad(self, block: Tensor) -> Tensor:
        """A direction over the shared names, continued with zeros over the objectives' heads."""
        return torch.cat([block, block.new_zeros(self._layouts[0].size - self._block)])

    def _finetune_curvature(self, train: LossFn, omega: Params) -> Operator:
        """``H_train + 2 gamma P`` at ``omega``, where ``P`` selects the shared names."""
        curvature = curvature_of(self._curvature, train, omega, "level 'finetune'")

        def product(vector: Tensor) -> Tensor:
            result = curvature(vector)
            result[: self._block].add_(vector[: self._block], alpha=2 * self.gamma)
            return result

        return product

    def _pretrain_curvature(self, objectives: Mapping[str, LossFn]) -> Operator:
        """``H`` of ``sum_k w_k loss_k``."""
        names = self.weighting.names
        check_objectives(names, objectives)
        ordered = {name: objectives[name] for name in names}
        return weighted_curvature(self._curvature, ordered, self._factors(), self.pretrained, recompute=self.recompute)

    def _factors(self) -> Tensor:
        """What each loss is multiplied by at level 1: its weight over its scale."""
        weights = self.weighting.weights
        return weights.clone() if self._scales is None else weights / self._scales

    def _solve(self, index: int, level: str, operator: Operator, b: Tensor) -> tuple[Tensor, Stats]:
        solver = self.solvers[index]
        solution = solve_level(level, solver, operator, b, self._starts.get(level))
        if self.warm_start and solver.uses_start:
            self._starts[level] = solution.value
        return solution.value, solution.stats

    def _move_pretrained(
        self, objectives: dict[str, LossFn], train_loss: Tensor | None, answer: Answer | None
    ) -> Record:
        """Level 1: one backward pass per objective, a step along their weighted sum; then the weights learn."""
        by_gradients = self.weighting.needs is Needs.GRADIENTS
        weights, direction = self.weighting.weights.clone(), None if answer is None else answer.direction
        passed = objective_pass(
            objectives, self.pretrained, self._factors(), direction, block=self._block, keep_rows=by_gradients
        )
        signals = read_signals(self.weighting.needs, passed, direction, self._scales)
        self.weighting.update(signals)
        total = passed.total
        if passed.rows is not None:
            weights = self.weighting.weights.clone()
            total = self._factors() @ passed.rows
        offsets = self._offsets() if self.follow and self.weighting.needs.task else []
        self._descend_pretrained(total)
        self._restore_offsets(offsets)
        self.steps += 1
        meta_loss, solves = (None, {}) if answer is None else (answer.meta_loss, answer.solves)
        measured = (passed.losses, weights, passed.norms, train_loss, meta_loss, signals.hypergradient, solves)
        return Record(self.steps - 1, self.weighting.names, *measured)

    def _descend_pretrained(self, total: Tensor) -> None:
        descend(self.pretrain_optimizer, tensors(self.pretrained), self._layouts[0].split(total))

    @torch.no_grad()
    def _offsets(self) -> list[Tensor]:
        """``omega - theta`` on the shared names."""
        return [self.finetuned[name] - self.pretrained[name] for name in self.shared]

    @torch.no_grad()
    def _restore_offsets(self, offsets: list[Tensor]) -> None:
        """Carry ``omega`` along with ``theta``: ``omega = theta + offset``."""
        for name, offset in zip(self.shared, offsets, strict=False):
            torch.add(self.pretrained[name], offset, out=self.finetuned[name].data)

    def state_dict(self) -> dict[str, Any]:
        """Everything an exact resume needs; the tensors are the live ones, so save or copy them before going on."""
        return {
            "steps": self.steps,
            "pretrained": {name: tensor.detach() for name, tensor in self.pretrained.items()},
            "finetuned": {name: tensor.detach() for name, tensor in self.finetuned.items()},
            "pretrain_optimizer": self.pretrain_optimizer.state_dict(),
            "finetune_optimizer": self.finetune_optimizer.state_dict() if self.finetune_optimizer else None,
            "weighting": self.weighting.state_dict(),
            "starts": dict(self._starts),
            "average": self._average.state_dict(),
            "scales": self._scales,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state; the variables are overwritten in place.

        Args:
            state: What :meth:`state_dict` gave, for the same variables and weighting.

        Raises:
            ConfigError: If it was saved for other variables.
        """
        for level, mine in (("pretrained", self.pretrained), ("finetuned", self.finetuned)):
            restore(level, mine, state[level])
        self.pretrain_optimizer.load_state_dict(state["pretrain_optimizer"])
        if self.finetune_optimizer is not None:
            self.finetune_optimizer.load_state_dict(state["finetune_optimizer"])
        self.weighting.load_state_dict(state["weighting"])
        where = self.weighting.weights.device  # states are read on the CPU
        self._average.load_state_dict(state["average"], where)
        self._starts = {name: tensor.to(where, copy=True) for name, tensor in state["starts"].items()}
        self._scales = None if state["scales"] is None else state["scales"].to(where, copy=True)
        self.steps = int(state["steps"])
