"""k-means of fingerprints, once per corpus."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.arrays import Float32Array, Uint8Array
from molweight.graphs.internal import cache_root, content_key, read_array, write_array

__all__ = ["cluster_counts", "fit_centres"]

_VERSION: Final = 1
"""Part of the cache key; incremented whenever the centres change."""


def cluster_counts(wanted: Sequence[int], molecules: int, distinct: int) -> list[int]:
    """Number of clusters of a corpus at each granularity.

    The finest clustering has at least ten molecules per cluster on average. If it is therefore coarser than requested,
    the others are made coarser in the same proportion on a logarithmic scale, so that they remain distinct.

    Args:
        wanted: Number of clusters for a large corpus, at each granularity.
        molecules: Size of the corpus.
        distinct: Number of different fingerprints, the upper bound on the number of clusters.

    Returns:
        At least 2 each, unless all fingerprints are the same.

    Example:
        >>> cluster_counts((100, 1000, 10000), 250_000, 100_000), cluster_counts((100, 1000, 10000), 50_000, 30_000)
        ([100, 1000, 10000], [71, 595, 5000])
        >>> cluster_counts((100, 1000, 10000), 256, 240)
        [5, 11, 26]
    """
    finest = max(wanted)
    power = min(1.0, np.log(max(2.0, molecules / 10)) / np.log(finest)) if finest > 1 else 1.0
    return [min(distinct, max(2, round(count**power))) for count in wanted]


def fit_centres(bits: Uint8Array, clusters: int) -> Float32Array:
    """Centres of a mini-batch k-means of fingerprints, cached.

    Args:
        bits: Zeros and ones, ``n x b``.
        clusters: Number of centres.

    Returns:
        ``clusters x b``; the same for the same input.
    """
    from sklearn import __version__
    from sklearn.cluster import MiniBatchKMeans

    about = f"k-means {_VERSION}, scikit-learn {__version__}, {clusters} clusters, {bits.shape[1]} bits"
    path = cache_root() / "kmeans" / f"{content_key([about.encode(), np.packbits(bits).tobytes()])}.npy"
    stored = read_array(path)
    if stored is not None:
        return stored
    model = MiniBatchKMeans(clusters, random_state=0, n_init=1, batch_size=max(1024, 2 * clusters), max_iter=20)
    centres: Float32Array = model.fit(bits.astype(np.float32)).cluster_centers_.astype(np.float32)
    write_array(path, centres)
    return centres
