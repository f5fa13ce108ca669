"""Standard forms of molecules: without counter-ions, uncharged, one tautomer; off by default."""

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, Literal

from molweight.arguments import check_choice

__all__ = ["STANDARD_STEPS", "StandardStep", "standardize"]

StandardStep = Literal["salts", "charges", "tautomers"]

STANDARD_STEPS: Final[tuple[StandardStep, ...]] = ("salts", "charges", "tautomers")
"""The steps of :func:`standardize`, in the order of application."""

_LOG: Final = logging.getLogger(__name__)
_CHUNK: Final = 256
_SHOWN: Final = 60
"""Maximum length of a SMILES in a message."""


def standardize(
    smiles: Iterable[str],
    steps: str | Sequence[str] = STANDARD_STEPS,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> list[str]:
    """Standardise molecules with RDKit's MolStandardize.

    RDKit's clean-up of functional groups and bonds to metals comes first. Then, if requested, ``"salts"`` keeps the
    largest fragment, an organic one if there is one; ``"charges"`` neutralises charges as far as moving protons allows;
    ``"tautomers"`` replaces the molecule by its canonical tautomer, which may lose stereocentres that tautomerism can
    invert, and takes milliseconds per molecule. Published benchmarks do none of this.

    Args:
        smiles: The molecules.
        steps: The steps.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        Canonical SMILES in the same order. A SMILES that cannot be parsed, or takes more than a few seconds, is
        unchanged; the latter causes a warning. A step that would make a molecule which RDKit cannot read again is left
        out for it, and a warning says for how many.

    Raises:
        ConfigError: If there is no such step.

    Example:
        >>> standardize(["[Na+].CC(=O)[O-]", "C1CC", "Oc1ccccn1"], ["salts", "charges"])
        ['CC(=O)O', 'C1CC', 'Oc1ccccn1']
        >>> standardize(["Oc1ccccn1"], "tautomers")
        ['O=c1cccc[nH]1']
    """
    from molweight.datasets._rdkit_standardize import standardize_chunk
    from molweight.graphs.internal import guarded_list, map_chunks

    chosen = check_steps(steps)
    texts = list(smiles)
    slow = "tautomers" in chosen  # even small molecules may have very many tautomers
    given_up = "is used as it is; its standard form"
    work = guarded_list(partial(standardize_chunk, steps=chosen), _unchanged, given_up, slow=slow)
    title = "standardising" if progress else None
    parts = map_chunks(work, texts, chunk=_CHUNK, n_jobs=n_jobs, parallel_from=2048, progress=title)
    found = [item for part in parts for item in part] if texts else []
    _warn([text for text, (_, applied) in zip(texts, found, strict=True) if not applied])
    return [form for form, _ in found]


def _unchanged(text: str) -> tuple[str, bool]:
    return text, True  # already reported


def _warn(partly: Sequence[str]) -> None:
    """Report the molecules for which a step was left out."""
    if partly:
        _LOG.warning(
            "%d molecule%s, e.g. %r, %s not changed by every step of standardisation: the result would not be a valid "
            "molecule",
            len(partly), "s" if len(partly) > 1 else "", partly[0][:_SHOWN], "are" if len(partly) > 1 else "is",
        )  # fmt: skip


def check_steps(steps: str | Sequence[str]) -> tuple[str, ...]:
    """The steps as a tuple.

    Raises:
        ConfigError: If there is no such step.
    """
    chosen = (steps,) if isinstance(steps, str) else tuple(steps)
    for step in chosen:
        check_choice("", "standardize", step, STANDARD_STEPS)
    return chosen
