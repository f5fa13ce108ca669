"""The splits that OGB publishes."""

from dataclasses import replace
from pathlib import Path

from molweight.datasets._ogb import ogb_entries, ogb_folder
from molweight.datasets._ogb_raw import read_parts
from molweight.datasets._splits import SPLITTERS, Request, Splits
from molweight.datasets._user_splits import split_by_indices
from molweight.errors import DataError, mention
from molweight.graphs import MoleculeDataset


@SPLITTERS.register("ogb")
def ogb(data: MoleculeDataset, request: Request, root: str | None = None) -> Splits:
    """The split published in the data set's folder.

    Args:
        data: A data set of OGB.
        request: The protocol; fractions and seed are not used.
        root: The folder that holds the data set's folder, if it was loaded from there.

    Returns:
        The splits.

    Raises:
        DataError: If ``data`` is not of OGB, or a file is damaged.
    """
    if data.name not in ogb_entries():
        raise DataError(f"{data.name}: the split 'ogb' is for data sets of OGB. Use {mention('method', 'scaffold')}.")
    method = ogb_entries()[data.name].split
    folder: Path = ogb_folder(data.name, root)
    parts = read_parts(folder, method)
    splits = split_by_indices(data, parts, request.protocol, source=f"{folder / 'split' / method}")
    held = "" if request.protocol == "paper" else "; select held out of train"
    return replace(splits, name="ogb", definition=f"OGB's published split {method!r}{held}", frozen=True)
