"""All options of a job."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from molweight.deprecation import renamed_options
from molweight.options._adaptation import AdaptationOptions
from molweight.options._encoder import EncoderOptions
from molweight.options._ensemble import EnsembleOptions
from molweight.options._field import OLD_NAMES, OLD_VALUES, hash_fields, list_options, settle_fields
from molweight.options._finetuning import FinetuningOptions
from molweight.options._pretraining import PretrainingOptions
from molweight.options._run import RunOptions
from molweight.options._task import TaskOptions

__all__ = ["GROUPS", "Job"]

GROUPS: Final = (
    EncoderOptions,
    PretrainingOptions,
    AdaptationOptions,
    TaskOptions,
    FinetuningOptions,
    EnsembleOptions,
    RunOptions,
)
"""The option groups in the order of the stages; option names are unique across groups."""


@renamed_options(OLD_VALUES, **OLD_NAMES)
@dataclass(frozen=True, kw_only=True)
class Job(
    RunOptions,
    EnsembleOptions,
    FinetuningOptions,
    TaskOptions,
    AdaptationOptions,
    PretrainingOptions,
    EncoderOptions,
):
    """Pretrain an encoder with several objectives, weighted for a task, and finetune it on that task.

    A job is the union of the option groups :class:`EncoderOptions`, :class:`PretrainingOptions`,
    :class:`AdaptationOptions`, :class:`TaskOptions`, :class:`FinetuningOptions`, :class:`EnsembleOptions` and
    :class:`RunOptions`, where each option is described. It is a value: :func:`molweight.fit` runs it,
    :func:`dataclasses.replace` changes it, and jobs with the same options are equal. Values of NumPy are stored as
    plain ones, and lists of names as tuples.

    Source: Zhang, Somayajula, Xie, *TapWeight*, TMLR 2025 (arXiv 2410.10006).

    Raises:
        ConfigError: If an option is of the wrong kind or out of range.

    Example:
        >>> from molweight import datasets, fit
        >>> data = datasets.load("freesolv")
        >>> small = Job(
        ...     encoder_options={"layers": 2, "width": 16},
        ...     objectives=["attribute_masking", "functional_groups"],
        ...     pretrain_steps=2,
        ...     steps=2,
        ...     epochs=1,
        ...     batch_size=32,
        ... )
        >>> run = fit(small, data, datasets.split(data, "scaffold"), datasets.load_corpus("zinc", size=64))
        >>> sorted(run.weights), round(sum(run.weights.values()), 6)
        (['attribute_masking', 'functional_groups'], 1.0)
        >>> run.predict(["CCO", "not a molecule"]).shape
        (2, 1)
    """

    def __post_init__(self) -> None:
        """Store plain values, and check kinds and ranges."""
        settle_fields(self)

    def __hash__(self) -> int:
        """A hash that agrees with equality."""
        return hash_fields(self)

    @property
    def adapts(self) -> bool:
        """Whether the job includes adaptive pretraining."""
        return self.weighting != "none" and self.steps > 0

    def options(self) -> dict[str, Any]:
        """All options as JSON values."""
        values = {item.name: getattr(self, item.name) for item in list_options(self)}
        return {**asdict(self), **{name: value if value is None else list(value) for name, value in values.items()}}
