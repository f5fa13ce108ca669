"""The features that a job asks for."""

from dataclasses import replace

from molweight.graphs import MoleculeDataset
from molweight.options import EncoderOptions

__all__ = ["with_stereo"]


def with_stereo(job: EncoderOptions, data: MoleculeDataset) -> MoleculeDataset:
    """The molecules, without stereochemistry where the job ignores it.

    Args:
        job: Says so in its option ``stereo``. ``"use"`` leaves the molecules as they are.
        data: The molecules.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> data = build_dataset(["C[C@@H](C(=O)O)O"], cache=False)
        >>> with_stereo(EncoderOptions(stereo="ignore"), data).featuriser.stereo
        'ignore'
    """
    if job.stereo == "use":
        return data
    return data.with_featuriser(replace(data.featuriser, stereo="ignore"))
