"""The training molecules of a model, to compare new molecules with."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from molweight.arrays import BoolArray, Float32Array, Float32Matrix, Int64Array, Uint8Array
from molweight.features.internal import ECFP_COUNTS, feature_columns
from molweight.graphs import MoleculeDataset

__all__ = ["FINGERPRINT", "Domain", "Reference", "fingerprints", "nearest_similarity"]

FINGERPRINT: Final = "ecfp_counts"
"""Feature set for comparing molecules; a bit is set if the count is above 0."""
NEIGHBOURS: Final = 5
"""Number of nearest training molecules over which the vector distance is averaged."""
_KEPT: Final = 2000
"""Maximum number of training molecules whose vectors are kept."""
_OUTSIDE: Final = 0.05
"""Share of the calibration molecules that each limit excludes."""
_BLOCK: Final = 256


@dataclass(frozen=True, eq=False)
class Domain:
    """Distance of molecules to the training set of a model; NaN and false for a row without a valid molecule.

    Args:
        similarity: Tanimoto similarity of ECFP4 bits to the nearest training molecule, ``n``: 1 for the same bits.
        distance: Mean Euclidean distance of the encoder's vector to the 5 nearest training molecules, ``n``.
        inside: Whether similarity and distance are within the limits from the model's own table, ``n``.
    """

    similarity: Float32Array
    distance: Float32Array
    inside: BoolArray


@dataclass(frozen=True, eq=False)
class Reference:
    """Training molecules, and the limits of the domain.

    A molecule is inside the domain if its similarity to the nearest training molecule is above the 5th percentile of
    the calibration molecules, and its distance below the 95th percentile. Source: Sheridan et al., *Similarity to
    molecules in the training set is a good discriminator for prediction accuracy in QSAR*, J. Chem. Inf. Comput. Sci.
    2004; Sahigara et al., *Defining a novel k-nearest neighbours approach to assess the applicability domain of a QSAR
    model*, J. Cheminform. 2013.

    Args:
        bits: ECFP4 bits of all training molecules, folded to 1,024 and packed, ``n x 128``.
        vectors: Vectors of at most 2,000 of them, ``m x d`` float16.
        least_similarity: Lower limit of the similarity.
        most_distance: Upper limit of the distance.
    """

    bits: Uint8Array
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float16]]
    least_similarity: float
    most_distance: float

    @classmethod
    def of(
        cls, bits: Uint8Array, vectors: Float32Matrix, held_out: tuple[Uint8Array, Float32Matrix] | None
    ) -> "Reference":
        """The reference for given training molecules.

        Args:
            bits: Bits of all molecules.
            vectors: Vectors of some of them.
            held_out: Bits and vectors of other molecules of the table, from which the limits are estimated; ``None`` to
                compare each training molecule with all others.
        """
        kept = vectors.astype(np.float16)
        if held_out is None:
            places = spread_positions(len(bits), _KEPT)
            similarity = nearest_similarity(bits[places], bits, own=places)
            distance = _distance(vectors, kept, skip=1)
        else:
            similarity, distance = nearest_similarity(held_out[0], bits), _distance(held_out[1], kept)
        return cls(bits, kept, _quantile(similarity, _OUTSIDE, 0.0), _quantile(distance, 1 - _OUTSIDE, np.inf))

    def locate(self, bits: Uint8Array, vectors: Float32Matrix) -> Domain:
        """Domain of the given molecules.

        Args:
            bits: Their bits, ``n x 128``.
            vectors: Their vectors, ``n x d``.
        """
        similarity, distance = nearest_similarity(bits, self.bits), _distance(vectors, self.vectors)
        inside = (similarity >= self.least_similarity) & (distance <= self.most_distance)
        return Domain(similarity, distance, inside)


def fingerprints(data: MoleculeDataset) -> Uint8Array:
    """ECFP4 bits of the molecules of a dataset, packed, ``n x 128``; computed, or read from its columns.

    Args:
        data: The molecules.
    """
    counts: np.ndarray[Any, Any] = feature_columns(data, [FINGERPRINT]).columns[ECFP_COUNTS.spec.name]
    packed: Uint8Array = np.packbits(counts.reshape(len(data), ECFP_COUNTS.spec.dim) > 0, axis=1)
    return packed


def nearest_similarity(
    queries: Uint8Array, reference: Uint8Array, own: np.ndarray[Any, Any] | None = None
) -> Float32Array:
    """Tanimoto similarity of each query to the nearest reference: shared bits divided by all bits of the two.

    Args:
        queries: Packed bits, ``n x 8k``.
        reference: Packed bits, ``m x 8k``.
        own: For each query, its own row in the reference, which is left out, ``n``; ``None`` if there is none.

    Returns:
        ``n`` values; 0 without a reference.

    Example:
        >>> one, other = np.zeros((2, 1, 64), dtype=bool)
        >>> one[0, :2] = other[0, 1:3] = True
        >>> found = nearest_similarity(np.packbits(one, axis=1), np.packbits(other, axis=1))
        >>> round(float(found[0]), 2)
        0.33
    """
    found = np.zeros(len(queries), dtype=np.float32)
    words = np.ascontiguousarray(reference).view(np.uint64).T.copy()  # by word: sums run along contiguous memory
    sizes = np.bitwise_count(words).sum(axis=0, dtype=np.int32)
    for row, query in enumerate(np.ascontiguousarray(queries).view(np.uint64)):
        if not len(reference):
            break
        shared = np.bitwise_count(words & query[:, None]).sum(axis=0, dtype=np.int32)
        union = sizes + np.int32(np.bitwise_count(query).sum()) - shared
        ratio = shared / np.maximum(union, 1)
        if own is not None:
            ratio[own[row]] = 0.0
        found[row] = ratio.max()
    return found


def spread_positions(count: int, most: int) -> Int64Array:
    """At most ``most`` evenly spaced positions up to ``count``."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)) if count else np.empty(0, np.int64)


def _distance(queries: Float32Matrix, reference: np.ndarray[Any, Any], skip: int = 0) -> Float32Array:
    """Mean distance to the nearest references, the first ``skip`` of them left out."""
    found = np.zeros(len(queries), dtype=np.float32)
    base = reference.astype(np.float32)
    norms = (base**2).sum(axis=1)
    last = min(NEIGHBOURS + skip, len(base))
    for start in range(0, len(queries) if last > skip else 0, _BLOCK):
        part = queries[start : start + _BLOCK].astype(np.float32)
        squares = (part**2).sum(axis=1)[:, None] + norms - 2 * part @ base.T
        nearest = np.sort(np.partition(squares, last - 1, axis=1)[:, :last], axis=1)[:, skip:]
        found[start : start + _BLOCK] = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
    return found


def _quantile(values: Float32Array, share: float, otherwise: float) -> float:
    return float(np.quantile(values, share)) if len(values) else otherwise
