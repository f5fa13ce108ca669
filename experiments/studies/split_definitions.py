"""Effect of the definition of a split on a score: one model, one table, every split.

    python -m experiments.studies.split_definitions [--table bbbp] [--output ...]

The model uses no graphs: Morgan fingerprints (radius 2, 2048 bits) and a forest of 500 trees. Under the protocol of the
paper it trains on the training part and is scored on the test part; randomised methods are repeated with several seeds.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from sklearn.ensemble import RandomForestClassifier

from experiments._provenance import provenance, write_result
from molweight.datasets import Splits, load, score, split
from molweight.graphs import MoleculeDataset

DETERMINISTIC = ("scaffold", "scaffold_achiral", "scaffold_generic", "butina")
DRAWN = ("scaffold_balanced", "random_scaffold", "random", "stratified")


def fingerprints(data: MoleculeDataset) -> np.ndarray:
    """Morgan bits, molecules x 2048."""
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    with rdBase.BlockLogs():
        return np.array([generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in data.smiles])


def test_score(bits: np.ndarray, data: MoleculeDataset, splits: Splits, seed: int) -> float:
    """ROC-AUC on test in percent."""
    forest = RandomForestClassifier(500, random_state=seed, n_jobs=2)
    forest.fit(bits[splits.train], data.targets[splits.train, 0])
    predicted = forest.predict_proba(bits[splits.test])[:, 1:]
    return 100 * score("roc_auc", data.targets[splits.test], predicted).value


def measure(data: MoleculeDataset, bits: np.ndarray, method: str, seeds: list[int]) -> dict[str, Any]:
    """Scores over seeds of the split, or of the forest if the split is deterministic."""
    drawn = [split(data, method, protocol="paper", seed=seed) for seed in seeds]
    scores = [test_score(bits, data, splits, seed) for seed, splits in zip(seeds, drawn, strict=True)]
    print(f"{method:<18} {' '.join(f'{value:5.1f}' for value in scores)}  {drawn[0].sizes}", flush=True)
    return {
        "mean": statistics.mean(scores),
        "standard_deviation": statistics.stdev(scores),
        "scores": scores,
        "sizes": [splits.sizes for splits in drawn],
        "definition": drawn[0].definition,
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="bbbp")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/split_definitions.json"))
    options = parser.parse_args()
    data, seeds = load(options.table), list(range(options.seeds))
    bits = fingerprints(data)
    result = {
        "table": data.name,
        "metric": "ROC-AUC on test, percent",
        "methods": {method: measure(data, bits, method, seeds) for method in (*DETERMINISTIC, *DRAWN)},
        "provenance": provenance(seeds),
    }
    write_result(options.output, result)


if __name__ == "__main__":
    main()
