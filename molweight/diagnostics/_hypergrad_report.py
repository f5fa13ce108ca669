"""The result of a check of the hypergradient: numbers, a table, JSON values."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from molweight.mlo.solvers import Spectrum

__all__ = ["CheckedPoint", "CheckedSolver", "HypergradCheck", "LevelFacts"]

_CLOSE: Final = 0.9
"""Cosine from which a solver counts as close to the reference."""
_TIED: Final = 1e-3
"""Difference of cosines up to which solvers are equally close, so that the cheapest of them is named."""
_DOUBTFUL: Final = 1e-3
"""Residual of a reference above which the table warns."""
_DEFAULT: Final = "identity"
"""The default solver, with which a verdict begins."""
_UNCHECKED: Final = "unchecked"
"""Outcome of a solver that does not compute its residual."""
_HEADER: Final = ("solver", "cos", "rel.err", "tau", "products", "gradients", "seconds", "outcome")


@dataclass(frozen=True)
class CheckedSolver:
    """One solver at one point, against the reference.

    Args:
        solver: Its name and options.
        cosine: Cosine of ``dF/dalpha``, the gradient of the logits of the weights, with the reference's. With two
            objectives it is 1 or -1 up to rounding, because the components of ``dF/dalpha`` sum to zero.
        cosine_weights: Cosine of ``dF/dlambda``; too optimistic, because a component common to all objectives counts.
        relative_error: ``|g - g_ref| / |g_ref|`` of ``dF/dalpha``.
        kendall: Kendall's tau of the objectives' order by ``dF/dlambda`` with the reference's order: 1 is the same
            ranking, -1 the reverse.
        products: Curvature products, by level.
        gradients: The products in units of a gradient of the same level's loss, summed over the levels; without the
            gradient per level that builds the graph of the products, and without work common to all solvers.
        seconds: Wall time of the whole hypergradient.
        outcomes: How the solve of each level ended.
        hypergradient: ``dF/dlambda`` by objective.
    """

    solver: str
    cosine: float
    cosine_weights: float
    relative_error: float
    kendall: float
    products: dict[str, int]
    gradients: float
    seconds: float
    outcomes: dict[str, str]
    hypergradient: dict[str, float]


@dataclass(frozen=True)
class LevelFacts:
    """One level at one point.

    Args:
        level: Its name.
        spectrum: Spectrum of its Hessian, as estimated by the reference solve.
        gradient_seconds: Time of one gradient of its loss.
        product_seconds: Time of one curvature product.
    """

    level: str
    spectrum: Spectrum
    gradient_seconds: float
    product_seconds: float

    @property
    def multiple(self) -> float:
        """Gradients that one curvature product costs."""
        return self.product_seconds / self.gradient_seconds


@dataclass(frozen=True)
class CheckedPoint:
    """All solvers at one point of the run, against one reference.

    Args:
        step: Steps of adaptive pretraining before it.
        damping: Added to both Hessians in the reference.
        weights: Objective weights at this point.
        reference: The reference's ``dF/dlambda`` by objective.
        levels: Facts about each level, the lowest first.
        solvers: One entry per solver.
    """

    step: int
    damping: float
    weights: dict[str, float]
    reference: dict[str, float]
    levels: list[LevelFacts]
    solvers: list[CheckedSolver]


@dataclass(frozen=True)
class HypergradCheck:
    """The result of :func:`molweight.diagnostics.hypergrad_check`.

    Args:
        data: Name of the table.
        encoder: Name and options of the encoder.
        gamma: Strength of the proximal term.
        dtype: Floating-point type of the comparison.
        molecules: Number of molecules in each loss.
        seed: Seed of the run.
        points: The results along the run.
    """

    data: str
    encoder: str
    gamma: float
    dtype: str
    molecules: dict[str, int]
    seed: int
    points: list[CheckedPoint]

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        values = asdict(self)
        for point, shown in zip(self.points, values["points"], strict=True):
            for level, facts in zip(point.levels, shown["levels"], strict=True):
                facts["multiple"] = level.multiple
        return values

    def table(self) -> str:
        """A paragraph per point for a terminal: the weights, the reference with the observed curvature, the solvers."""
        batches = ", ".join(f"{count} {role}" for role, count in self.molecules.items())
        head = f"{self.data}, {self.encoder}, {self.dtype}, gamma {self.gamma:g}; molecules per loss: {batches}"
        return "\n\n".join([head, *(_paragraph(point) for point in self.points), self.verdict()])

    def verdict(self) -> str:
        """The default solver against the reference at the last checked step, the closest solver, and advice.

        It is judged at the last damping whose reference is reliable: positive definite, and converged. If the judgement
        at another damping is different, the verdict says so. Of solvers that are equally close, the cheapest is named.

        Example:
            >>> row = {"relative_error": 1.0, "products": {}, "gradients": 0.0, "seconds": 0.0}
            >>> row |= {"outcomes": {}, "hypergradient": {}, "cosine_weights": 0.0, "kendall": 1.0}
            >>> solvers = [CheckedSolver("identity", cosine=-0.2, **row), CheckedSolver("cg", cosine=0.97, **row)]
            >>> point = CheckedPoint(10, 14.0, {}, {}, [], solvers)
            >>> head, said = HypergradCheck("t", "gin", 1.0, "float64", {}, 0, [point]).verdict().split(": ")
            >>> print(head)
            verdict after 10 steps, with damping 14
            >>> print(said)
            identity, the default, points against the reference (cosine -0.20); closest is cg (0.97). Use cg.
        """
        if not self.points or not self.points[-1].solvers:
            return "verdict: no solver was checked."
        last = [point for point in self.points if point.step == self.points[-1].step]
        point = next((point for point in reversed(last) if not _doubts(point)), last[-1])
        head = f"verdict after {point.step} steps, with damping {point.damping:g}:"
        defined = [row for row in point.solvers if not math.isnan(row.cosine)]
        if not defined:
            return f"{head} {_why_undefined(point)}"
        best = _closest(defined)
        said = f"{head} {_compared(defined, best)}. {_advice(point, best)}"
        return "".join([said, *(_elsewhere(point, other) for other in last), _limits(point)])


def _compared(rows: Sequence[CheckedSolver], best: CheckedSolver) -> str:
    """The default solver, the others that are opposed to the reference, and the closest one."""
    default = [f"{_DEFAULT}, the default, {_judgement(row)}" for row in rows if row.solver == _DEFAULT]
    against = [f"{row.solver} {_judgement(row)}" for row in rows if row.cosine < 0 and row.solver != _DEFAULT]
    closest = [f"closest is {best.solver} ({best.cosine:.2f})"]
    return "; ".join([*default, *against, *closest])


def _kind(row: CheckedSolver) -> str:
    if row.cosine < 0:
        return "points against the reference"
    return "is close to the reference" if row.cosine > _CLOSE else "is not close to the reference"


def _judgement(row: CheckedSolver) -> str:
    return f"{_kind(row)} (cosine {row.cosine:.2f})"


def _elsewhere(point: CheckedPoint, other: CheckedPoint) -> str:
    """The judgement on the default solver at another damping, if it is different."""
    here, there = ([row for row in at.solvers if row.solver == _DEFAULT] for at in (point, other))
    differs = here and there and not math.isnan(there[0].cosine) and _kind(here[0]) != _kind(there[0])
    if not differs:
        return ""
    doubts = f", but that reference {' and '.join(found)}" if (found := _doubts(other)) else ""
    return f" With damping {other.damping:g} {_DEFAULT} {_judgement(there[0])}{doubts}."


def _doubts(point: CheckedPoint) -> list[str]:
    """Reasons why cosines with the reference are unreliable; empty if they are reliable."""
    found = []
    for text, levels in (
        ("is indefinite", [level.level for level in point.levels if level.spectrum.indefinite]),
        ("did not converge", [level.level for level in point.levels if level.spectrum.residual > _DOUBTFUL]),
    ):
        if levels:
            found.append(f"{text} ({', '.join(levels)})")
    return found


def _closest(rows: Sequence[CheckedSolver]) -> CheckedSolver:
    """The solver with the largest cosine; of those tied with it the cheapest, then the one with the least error."""
    largest = max(row.cosine for row in rows)
    tied = [row for row in rows if row.cosine >= largest - _TIED]
    return min(tied, key=lambda row: (row.gradients, row.relative_error))


def _why_undefined(point: CheckedPoint) -> str:
    unknown = [level.level for level in point.levels if math.isnan(level.spectrum.lowest)]
    if unknown:
        return (
            f"none, because a product with the curvature is not finite ({', '.join(unknown)}). Look for overflow or "
            "division by zero in the losses."
        )
    return "no solver gave a hypergradient that is finite and not zero."


def _limits(point: CheckedPoint) -> str:
    if len(point.weights) != 2:  # noqa: PLR2004 (two logit gradients that sum to zero are one number)
        return ""
    return " With two objectives only the sign of the hypergradient is compared: name a third to compare directions."


def _advice(point: CheckedPoint, best: CheckedSolver) -> str:
    doubts = _doubts(point)
    if doubts:
        return (
            f"But with damping {point.damping:g} the reference {' and '.join(doubts)}, so the cosines are unreliable: "
            "check again with more damping (--dampings)."
        )
    if best.cosine <= _CLOSE:
        return "None is close: raise the damping or the number of iterations."
    return f"Keep {_DEFAULT}." if best.solver == _DEFAULT else f"Use {best.solver}."


def _paragraph(point: CheckedPoint) -> str:
    weights = ", ".join(f"{name} {weight:.3f}" for name, weight in point.weights.items())
    head = f"after {point.step} steps, against the Hessians + {point.damping:g} I; weights: {weights}"
    return "\n".join([head, *map(_facts, point.levels), *_aligned([_HEADER, *map(_cells, point.solvers)])])


def _facts(level: LevelFacts) -> str:
    found = level.spectrum
    if math.isnan(found.lowest):
        return f"  {level.level}: {found.variables} variables, {found.method}: a product is not finite"
    doubt = " (not converged: interpret with care)" if found.residual > _DOUBTFUL else ""
    definite = "indefinite" if found.indefinite else "positive definite"
    return (
        f"  {level.level}: {found.variables} variables, {found.method}, residual {found.residual:.0e}{doubt}, "
        f"curvature {found.lowest:.2g} to {found.highest:.3g}, {definite} with the damping; a product costs "
        f"{level.multiple:.1f} gradients"
    )


def _cells(row: CheckedSolver) -> tuple[str, ...]:
    products = " + ".join(str(count) for count in row.products.values())
    outcomes = sorted({_ended(row, level) for level in row.outcomes})
    ended = outcomes[0] if len(outcomes) == 1 else ", ".join(f"{level} {_ended(row, level)}" for level in row.outcomes)
    numbers = (f"{row.cosine:.4f}", f"{row.relative_error:.1e}", f"{row.kendall:+.2f}")
    return (row.solver, *numbers, products, f"{row.gradients:.1f}", f"{row.seconds:.3f}", ended)


def _ended(row: CheckedSolver, level: str) -> str:
    """The end of the solve of a level; the identity and other substitutes of the inverse Hessian solve no system."""
    outcome = row.outcomes[level]
    return "no system solved" if outcome == _UNCHECKED and not row.products.get(level) else outcome.replace("_", " ")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the first and last column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.rjust(width) if 0 < place < last else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
