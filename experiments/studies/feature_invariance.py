"""Invariance of features to the order of atoms and to aromatic or Kekule bonds in a SMILES.

    python -m experiments.studies.feature_invariance [--most 1000] [--output ...]

Every molecule of a table (or a random sample) is written in four orders and once with Kekule bonds. An untrained GIN of
four layers in float64 tells any difference in features that message passing can see: its vectors differ by more than
1e-9.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rdkit import Chem, rdBase

from experiments._provenance import provenance, write_result
from molweight import datasets, encoders
from molweight.graphs import Featuriser, MoleculeDataset, build_dataset

TABLES: Final = (
    "bace",
    "bbbp",
    "clintox",
    "esol",
    "freesolv",
    "lipophilicity",
    "sider",
    "tox21",
    "toxcast",
    "muv",
    "hiv",
)
FORMS: Final = 6


def forms(smiles: str, rng: np.random.Generator) -> list[str]:
    """The molecule as given, in four orders, and with Kekule bonds."""
    molecule = Chem.MolFromSmiles(smiles)
    found = [smiles]
    for _ in range(FORMS - 2):
        order = [int(atom) for atom in rng.permutation(molecule.GetNumAtoms())]
        found.append(Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False))
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    return [*found, Chem.MolToSmiles(molecule)]


def changed(smiles: list[str], build: Callable[[list[str]], MoleculeDataset], seed: int) -> int:
    """Number of molecules whose vectors differ between their forms.

    Args:
        smiles: The molecules.
        build: Computes features.
        seed: Seed of the forms.
    """
    rng = np.random.default_rng(seed)
    with rdBase.BlockLogs():
        texts = [text for item in smiles for text in forms(item, rng)]
    data = build(texts)
    torch.manual_seed(seed)
    encoder = encoders.create("gin", layers=4, width=16, readout="sum").double().eval()
    with torch.no_grad():
        parts = torch.split(torch.arange(len(data)), 600)
        vectors = torch.cat([encoder(data.graphs(part)).graphs for part in parts]).view(len(smiles), FORMS, -1)
    scale = vectors.abs().amax((1, 2)).clamp(min=1)
    return int(((vectors - vectors[:, :1]).abs().amax((1, 2)) / scale > 1e-9).sum())


def _build(features: Featuriser, smiles: list[str]) -> MoleculeDataset:
    return build_dataset(smiles, featuriser=features, cache=False, n_jobs=1)


def main() -> None:
    """Count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/feature_invariance.json"))
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in TABLES:
        smiles = list(datasets.load(name).smiles)
        chosen = np.random.default_rng(options.seed).permutation(len(smiles))[: options.most]
        sample = [smiles[place] for place in chosen]
        marked = sum(not {"@", "/", "\\"}.isdisjoint(text) for text in sample)
        counts = {f: changed(sample, partial(_build, Featuriser(f)), options.seed) for f in ("ogb", "cip")}
        rows.append({"table": name, "molecules": len(sample), "with_stereochemistry": marked, **counts})
        print(rows[-1], flush=True)
    write_result(options.output, {**provenance([options.seed]), "rows": rows})


if __name__ == "__main__":
    main()
