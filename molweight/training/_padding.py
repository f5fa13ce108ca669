"""Decision whether the steps of a job encode padded batches."""

import logging
from typing import Final

import numpy as np
import torch

from molweight.distributed import team
from molweight.encoders import Encoder
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import pad_batch
from molweight.options import Job

__all__ = ["pads"]

_LOG: Final = logging.getLogger(__name__)
_TRIED: Final = 16
"""Number of molecules for testing an encoder."""
_NEAR: Final = 1e-3
"""Tolerated rounding error of vectors, relative to their size."""


def pads(job: Job, encoder: Encoder, corpus: MoleculeDataset, device: torch.device) -> bool:
    """Whether batches are padded; warns if padding is requested but not possible.

    Args:
        job: The job, with its option ``pad_batches``.
        encoder: The encoder; it must return the same vectors for a padded batch, which is tested with a few molecules.
        corpus: Source of these molecules.
        device: Device of the encoder.
    """
    if not job.pad_batches:
        return False
    if team() is not None:
        reason = "several processes divide each batch among themselves"
    elif not _same_padded(encoder, corpus, device):
        reason = f"the encoder {job.encoder!r} returns different vectors for molecules in a padded batch"
    else:
        return True
    _LOG.warning("batches are not padded: %s.", reason)
    return False


@torch.no_grad()
def _same_padded(encoder: Encoder, corpus: MoleculeDataset, device: torch.device) -> bool:
    batch = corpus.graphs(np.arange(min(_TRIED, len(corpus))), device)
    plain, padded = encoder(batch), encoder(pad_batch(batch))
    pairs = ((plain.graphs, padded.graphs), (plain.nodes, padded.nodes[: batch.num_nodes]))
    return all(bool((one - other).norm() <= _NEAR * one.norm()) for one, other in pairs)
