"""Are enantiomers, and E and Z, distinguished in spellings never seen? CIP labels against OGB's tags.

    python -m experiments.studies.planted_stereo [--seeds 0 1 2] [--output ...]

Two synthetic tables: the label is R against S at one centre, or E against Z of one double bond, and the classes do not
differ otherwise. Each molecule is trained on in one random order of its atoms and scored in others; molecules are split
by skeleton, so that the scored ones were never seen in any order. The score is the ROC-AUC of a GIN of 3 layers of 32,
trained from scratch for 60 epochs. A second score is the largest change of a probability between two spellings.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rdkit import Chem
from sklearn.metrics import roc_auc_score

from experiments._provenance import provenance, write_result
from molweight import encoders
from molweight.encoders.internal import calibrate
from molweight.graphs import Featuriser, MoleculeDataset, build_dataset

AMINES: Final = ("N", "CN", "CCN", "CC(C)N", "CN(C)", "O=C(C)N", "CS(=O)(=O)N", "CCCN")
SIDES: Final = ("C", "CC", "CCC", "CC(C)C", "Cc1ccccc1", "Cc1ccncc1", "CCO", "CCSC", "CCC(=O)N", "Cc1ccc(O)cc1")
ENDS: Final = ("O", "OC", "OCC", "N", "NC")
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
EPOCHS: Final = 60
SPELLINGS: Final = 4


def centres() -> Iterator[tuple[str, str]]:
    """Amino acids and their derivatives, R and S, which differ only in the mark of the centre."""
    for amine, side, end in product(AMINES, SIDES, ENDS):
        yield f"{amine}[C@@H]({side})C(=O){end}", f"{amine}[C@H]({side})C(=O){end}"


def double_bonds() -> Iterator[tuple[str, str]]:
    """Cinnamic acids and the like, E and Z."""
    for amine, side, end in product(AMINES, SIDES, ENDS):
        yield f"{amine}c1ccc(cc1)/C=C/{side}C(=O){end}", f"{amine}c1ccc(cc1)/C=C\\{side}C(=O){end}"


def label(molecule: Chem.Mol) -> float:
    """1 for R or E by RDKit's older rules, which agree with CIP for these molecules; independent of molweight."""
    centres = [atom.GetProp("_CIPCode") for atom in molecule.GetAtoms() if atom.HasProp("_CIPCode")]
    if centres:
        return float(centres == ["R"])
    marks = [str(bond.GetStereo()) for bond in molecule.GetBonds()]
    return float("STEREOE" in marks)


def respelled(molecule: Chem.Mol, rng: np.random.Generator) -> str:
    """The molecule in a random order of its atoms."""
    order = [int(atom) for atom in rng.permutation(molecule.GetNumAtoms())]
    return str(Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False))


def spread_and_score(pairs: Iterator[tuple[str, str]], featuriser: Featuriser, seed: int) -> dict[str, float]:
    """Train on some skeletons, score on others, in several spellings each."""
    rng = np.random.default_rng(seed)
    skeletons = [[Chem.MolFromSmiles(text) for text in pair] for pair in pairs]
    order = rng.permutation(len(skeletons))
    train = [molecule for place in order[:300] for molecule in skeletons[place]]
    test = [molecule for place in order[300:] for molecule in skeletons[place]]
    known = build_dataset(
        [respelled(m, rng) for m in train],
        np.array([label(m) for m in train]),
        task="classification",
        featuriser=featuriser,
        cache=False,
        n_jobs=1,
    )
    texts = [respelled(molecule, rng) for molecule in test for _ in range(SPELLINGS)]
    unknown = build_dataset(texts, featuriser=featuriser, cache=False, n_jobs=1)
    probabilities = _probabilities(known, unknown, seed).reshape(-1, SPELLINGS)
    truth = np.array([label(molecule) for molecule in test])
    return {
        "roc_auc": float(roc_auc_score(np.repeat(truth, SPELLINGS), probabilities.ravel())),
        "greatest_change": float(np.ptp(probabilities, axis=1).max()),
    }


def _probabilities(known: MoleculeDataset, unknown: MoleculeDataset, seed: int) -> Array:
    torch.manual_seed(seed)
    encoder = encoders.create("gin", layers=3, width=32)
    head = torch.nn.Linear(32, 1)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(known), generator=generator), 100):
            graphs = known.graphs(batch)
            labels = torch.from_numpy(known.targets[batch.numpy()])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(head(encoder(graphs).graphs), labels)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    calibrate(encoder, [known.graphs(range(len(known)))])
    encoder.eval()
    with torch.no_grad():
        outputs = head(encoder(unknown.graphs(range(len(unknown)))).graphs).sigmoid()
    return np.asarray(outputs.double().numpy().ravel())


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("experiments/results/planted_stereo.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        {"label": name, "features": features, "seed": seed, **spread_and_score(pairs(), Featuriser(features), seed)}
        for name, pairs in (("R against S", centres), ("E against Z", double_bonds))
        for features in ("cip", "ogb")
        for seed in options.seeds
    ]
    write_result(options.output, {**provenance(options.seeds), "rows": rows})


if __name__ == "__main__":
    main()
