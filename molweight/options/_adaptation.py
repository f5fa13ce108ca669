"""How the pretraining is adapted to the task: the three levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from molweight.options._field import hash_fields, option, settle_fields

__all__ = ["AdaptationOptions"]


@dataclass(frozen=True, kw_only=True)
class AdaptationOptions:
    """Task-adaptive pretraining under learned weights.

    Args:
        aux: Auxiliary tables, whose labels become objectives with weights of their own: files, names of tables, or
            ``TABLE:COLUMN``. Compounds that the task holds out are left out of them; see ``docs/sources.md``.
        aux_weights: ``"table"`` for one weight per auxiliary table, ``"column"`` for one per label column; for a table
            with more than 32 columns, one per group of columns that were measured on similar sets of molecules.
        source_heads: How heads of auxiliary tables start: ``"solved"`` on the encoder's vectors of up to 4,096
            molecules, or ``"random"``.
        corpus_weights: ``"joint"`` for one weight per objective, ``"part"`` for one per objective and part of a corpus
            such as ``own+near+zinc``: ``graphcl:own``, ``graphcl:near``, ``graphcl:zinc``.
        align_on: Molecules on which the hypergradient takes the gradients of the objectives: ``"corpus"`` for those
            that the step trains on, ``"own"`` for a batch of the task's ``train`` molecules, without their labels,
            ``"both"`` for the mean of the two. Objectives that learn from tables keep theirs.
        weighting: How the objectives are weighted: ``"tapweight"`` learns the weights, ``"equal"``, ``"fixed"``, ...;
            ``"none"`` skips adaptive pretraining.
        weighting_options: Options of the weighting, e.g. ``{"weights": [0.7, 0.1, 0.1, 0.1]}`` for ``"fixed"``. The
            ``seed`` of a randomised weighting follows from the job's by default.
        weights_from: Folder of a run whose learned weights are the initial ones, e.g. before a source was added:
            objectives keep their proportions, new ones have the mean weight. ``weighting="fixed"`` trains with these
            weights.
        learn: Options of objectives that are learned together with the weights, ``"OBJECTIVE.OPTION"``, e.g.
            ``"graphcl.temperature"``. The loss must be a differentiable function of the option.
        learn_lr: Approximate relative change, per hypergradient, of the options named by ``learn``.
        solver: How the inverse Hessians are applied: ``"identity"``, ``"cg"``, ``"neumann"``, ... The default is
            supported by the planted objectives of ``experiments/studies/planted.py``.
        solver_options: Options of the solver, e.g. ``{"iterations": 10}``; defaults depend on the solver. The ``seed``
            of a randomised solver follows from the job's by default.
        task_level: How the task is trained while the weights are learned: ``"proximal"`` finetunes a copy of the
            encoder and a head, a step at a time; ``"closed_form"`` solves a linear head on all of ``train`` and
            evaluates it on all of ``meta`` (up to 2,048 molecules of each) at every hypergradient; best every 10 steps.
        proximal_strength: Strength of the proximal term that holds the finetuned encoder near the pretrained one while
            the weights are learned: gamma of level 2.
        hypergradient_interval: Steps of adaptive pretraining between hypergradients.
        track_encoder: Move the finetuned encoder along with every step of the pretrained one; see
            :class:`molweight.mlo.Loop`.
        finetune_ema: Decay of the running average of finetuning's iterates, at which the hypergradient is taken; 0 for
            the last iterate.
        scale_losses: Divide each objective by its loss at the first step, so that weights of objectives in different
            units can be compared; see :class:`molweight.mlo.Loop`.
        recompute_graphs: Keep one objective's graph at a time while solving: less memory, more time per product.
        warm_start: Start each solve from the last solution, for solvers that can.
        meta_batches: Meta batches that one hypergradient is averaged over; more batches give less noise and take more
            time.
        gradient_norm_interval: Steps between records of the objectives' gradient norms, each of which costs one
            backward pass per objective; 0 for none.
        steps: Steps of adaptive pretraining.
        stop_when_decided: End adaptive pretraining before its last step, once no verdict on an objective is likely to
            change: each is decided, or its effect is too small to be detected. It saves time; the encoder is
            pretrained less. See ``docs/sources.md``.
        solve_batch_size: Molecules of the corpus on which the curvature of level 1 is computed.
        meta_batch_size: Labelled molecules per hypergradient.

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.
    """

    aux: Sequence[str] = ()
    aux_weights: str = option("table", choices=("table", "column"))
    source_heads: str = option("solved", choices=("solved", "random"))
    corpus_weights: str = option("joint", choices=("joint", "part"))
    align_on: str = option("corpus", choices=("corpus", "own", "both"))
    weighting: str = "tapweight"
    weighting_options: dict[str, Any] = option(factory=dict)
    weights_from: str | None = None
    learn: Sequence[str] = ()
    learn_lr: float = option(0.01, above=0)
    solver: str = "identity"
    solver_options: dict[str, Any] = option(factory=dict)
    task_level: str = option("proximal", choices=("proximal", "closed_form"))
    proximal_strength: float = option(1.0, at_least=0)
    hypergradient_interval: int = option(1, at_least=1)
    track_encoder: bool = True
    finetune_ema: float = option(0.95, at_least=0, below=1)
    scale_losses: bool = False
    recompute_graphs: bool = False
    warm_start: bool = True
    meta_batches: int = option(1, at_least=1)
    gradient_norm_interval: int = option(100, at_least=0)
    steps: int = option(200, at_least=0)
    stop_when_decided: bool = False
    solve_batch_size: int = option(48, at_least=1)
    meta_batch_size: int = option(64, at_least=1)

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)

    def __hash__(self) -> int:
        """A hash that agrees with equality."""
        return hash_fields(self)
