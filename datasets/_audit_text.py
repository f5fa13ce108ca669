"""An audit as a few lines of text."""

from molweight.datasets._audit import Audit, Duplicates, Labels, Overlap
from molweight.graphs.internal import RejectCounts

__all__ = ["format_audit"]

_MOST = 12
"""Maximum number of labels shown; :meth:`Audit.to_dict` has all of them."""


def format_audit(found: Audit) -> str:
    """An audit as text for a terminal.

    Args:
        found: The audit.

    Returns:
        Lines, each with a heading.

    Example:
        >>> from molweight.datasets import audit, from_smiles
        >>> print(format_audit(audit(from_smiles(["CCO", "OCC", "C"], [0, 1, 1], name="three", cache=False))))
        three: 3 molecules, 0 rows without a molecule
        duplicates  1 repeated molecule: 1 group, 1 with conflicting labels
                    1 as compounds (other salts, charges, tautomers, stereoisomers): 1 group, 1 with conflicting labels
        stereo      0 molecules (0.0 %) with an undefined stereocentre
        scaffolds   0, of which 0 have one molecule and the largest has 0; 3 molecules (100.0 %) without a ring
        labels      y0: 3 known, 0 missing, mean 0.667, from 0 to 1
    """
    sections = {
        "duplicates": _duplicates(found),
        "stereo": [f"{_share(found.undefined_stereo, found.molecules)} with an undefined stereocentre"],
        "scaffolds": [_scaffolds(found)],
        "labels": _labels(found.labels),
        "split": [found.split, *(f"{role}: {size} molecules" for role, size in found.sizes.items())],
        "leakage": [
            f"{leak.role} in {leak.other}: {leak.molecules} of {leak.size} molecules, {leak.compounds} as compounds, "
            f"{leak.scaffold} by scaffold"
            for leak in found.leaks
        ],
        "corpus": _corpus(found),
    }
    lines = [f"{found.table}: {', '.join([f'{found.molecules} molecules', *_unusable(found)])}"]
    for name, part in sections.items():
        shown = [text for text in part if text]
        lines += [f"{'' if place else name:<12}{text}" for place, text in enumerate(shown)]
    return "\n".join(lines)


def _unusable(found: Audit) -> list[str]:
    words = RejectCounts(found.rejected, found.left_out, found.unread, found.repeated).words()
    return words if found.rejected else ["0 rows without a molecule", *words]


def _duplicates(found: Audit) -> list[str]:
    molecules, compounds = found.duplicates, found.duplicate_compounds
    kinds = "as compounds (other salts, charges, tautomers, stereoisomers)"
    counted = "1 row was" if found.merged == 1 else f"{found.merged} rows were"
    merged = f"{counted} merged with an earlier row of the same molecule; after that:"
    return [
        *([merged] if found.merged else []),
        f"{_counted(molecules.extra, 'repeated molecule')}: {_groups(molecules)}",
        f"{compounds.extra} {kinds}: {_groups(compounds)}",
    ]


def _scaffolds(found: Audit) -> str:
    of_which = f"of which {found.single_scaffolds} have one molecule and the largest has {found.largest_scaffold}"
    return f"{found.scaffolds}, {of_which}; {_share(found.acyclic, found.molecules)} without a ring"


def _groups(duplicates: Duplicates) -> str:
    return f"{_counted(duplicates.groups, 'group')}, {duplicates.conflicting} with conflicting labels"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _share(count: int, total: int) -> str:
    return f"{count} molecules ({100 * count / max(total, 1):.1f} %)"


def _labels(labels: list[Labels]) -> list[str]:
    shown = [_label(item) for item in labels[:_MOST]]
    return shown + ([f"and {len(labels) - _MOST} more"] if len(labels) > _MOST else [])


def _label(item: Labels) -> str:
    counts = f"{item.name}: {item.known} known, {item.missing} missing"
    return counts if item.known == 0 else f"{counts}, mean {item.mean:.3g}, from {item.lowest:g} to {item.highest:g}"


def _corpus(found: Audit) -> list[str]:
    if found.overlap is None:
        return []
    overlap = found.overlap
    totals = {"table": found.molecules, **found.sizes}
    head = f"{overlap.corpus}: {overlap.size} molecules, {overlap.duplicates} of them repeated"
    return [
        head,
        *(
            f"{overlap.found[role]} of {total} molecules of {role} are in it, {overlap.compounds[role]} as compounds"
            f"{_forms(overlap, role)}"
            for role, total in totals.items()
        ),
    ]


def _forms(overlap: Overlap, role: str) -> str:
    """How many molecules of the corpus ``--remove_overlap`` removes; empty if they were not counted."""
    return "" if overlap.forms is None else f"; {overlap.forms[role]} of its molecules are forms of them, with isotopes"
