"""Standard forms of molecules: without counter-ions, uncharged, one tautomer; off unless asked for."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, Literal

from molweight.datasets._labels import check_choice

__all__ = ["STANDARD_STEPS", "StandardStep", "standardize"]

StandardStep = Literal["salts", "charges", "tautomers"]

STANDARD_STEPS: Final[tuple[StandardStep, ...]] = ("salts", "charges", "tautomers")
"""The steps :func:`standardize` knows, in the order in which they are done."""

_CHUNK: Final = 256


def standardize(
    smiles: Iterable[str],
    steps: str | Sequence[str] = STANDARD_STEPS,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> list[str]:
    """Bring molecules into a standard form, through RDKit's MolStandardize.

    First comes RDKit's clean-up of functional groups and bonds to metals. Then, where asked for, ``"salts"`` keeps the
    largest fragment, an organic one if there is one; ``"charges"`` neutralises what can be neutralised by moving
    protons; ``"tautomers"`` takes the canonical tautomer, which may give up stereocentres that tautomerism can invert,
    and takes milliseconds per molecule. Published benchmarks do none of this.

    Args:
        smiles: The molecules.
        steps: Which steps.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        Canonical SMILES in the same order; what cannot be parsed, or takes more than seconds, stays as it is, and for
        the latter there is a warning.

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
    slow = "tautomers" in chosen  # of which even small molecules may have very many
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
        check_choice("standardize", step, STANDARD_STEPS)
    return chosen
