"""scikit-learn estimators on SMILES: they work in ``Pipeline``, ``GridSearchCV``, ``clone``, and with joblib.

``X`` is one SMILES per row: a list, an array, a pandas column, or a table with one column. ``y`` may have several
columns, and NaN where a label is missing. Every option of :class:`molweight.Job` is a parameter, so a grid can search
over all of them. A fitted estimator is pickled as safetensors bytes and JSON, so its learned state contains no code.

Example:
    >>> from molweight.estimators import TapWeightRegressor
    >>> model = TapWeightRegressor(
    ...     encoder_options={"layers": 2, "width": 16},
    ...     objectives=("attribute_masking", "graphcl"),
    ...     corpus=None,
    ...     pretrain_steps=2,
    ...     steps=2,
    ...     epochs=2,
    ... )
    >>> smiles = ["C" * n for n in range(1, 21)]
    >>> model.fit(smiles, [float(n) for n in range(1, 21)]).predict(["CCO", "c1ccccc1"]).shape
    (2,)
"""

from molweight.estimators._base import MoleculeEstimator, TapWeightEstimator
from molweight.estimators._classifier import TapWeightClassifier
from molweight.estimators._embedder import MoleculeEmbedder
from molweight.estimators._regressor import TapWeightRegressor

__all__ = [
    "MoleculeEmbedder",
    "MoleculeEstimator",
    "TapWeightClassifier",
    "TapWeightEstimator",
    "TapWeightRegressor",
]
