"""Standard forms of molecules: without counter-ions, uncharged, one tautomer; off by default."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, Literal

from molweight.arguments import check_choice

__all__ = ["STANDARD_STEPS", "StandardStep", "standardize"]

StandardStep = Literal["salts", "charges", "tautomers"]

STANDARD_STEPS: Final[tuple[StandardStep, ...]] = ("salts", "charges", "tautomers")
"""The steps of :func:`standardize`, in the order of application."""

_CHUNK: Final = 256


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
        unchanged; the latter causes a warning. A step that would make an invalid molecule is left out for it.

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
    work = guarded_list(partial(standardize_chunk, steps=chosen), str, "is used as it is; its standard form", slow=slow)
    title = "standardising" if progress else None
    parts = map_chunks(work, texts, chunk=_CHUNK, n_jobs=n_jobs, parallel_from=2048, progress=title)
    return [text for part in parts for text in part] if texts else []


def check_steps(steps: str | Sequence[str]) -> tuple[str, ...]:
    """The steps as a tuple.

    Raises:
        ConfigError: If there is no such step.
    """
    chosen = (steps,) if isinstance(steps, str) else tuple(steps)
    for step in chosen:
        check_choice("", "standardize", step, STANDARD_STEPS)
    return chosen
