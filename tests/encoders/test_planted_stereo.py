"""Stereoisomers are distinguished in spellings never seen; experiments/studies/planted_stereo.py measures it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from rdkit import Chem
from sklearn.metrics import roc_auc_score

from molweight import encoders
from molweight.encoders.internal import calibrate
from molweight.graphs import Featuriser, MoleculeDataset, build_dataset

AMINES = ("N", "CN", "CC(C)N", "O=C(C)N", "CS(=O)(=O)N")
SIDES = ("C", "CC", "CC(C)C", "Cc1ccccc1", "CCO", "CCC(=O)N")
ENDS = ("O", "OC", "NC")
SKELETONS = [(amine, side, end) for amine in AMINES for side in SIDES for end in ENDS]


def centre(amine: str, side: str, end: str, mark: int) -> str:
    return f"{amine}[C{'@' * (1 + mark)}H]({side})C(=O){end}"


def double_bond(amine: str, side: str, end: str, mark: int) -> str:
    return f"{amine}c1ccc(cc1)/C=C{'/' if mark else chr(92)}{side}C(=O){end}"


def dataset(write: Callable[[str, str, str, int], str], places: range, featuriser: Featuriser) -> MoleculeDataset:
    """Both forms of some skeletons in random orders of atoms; which of the two is the label."""
    rng = np.random.default_rng(places.start)
    texts, labels = [], []
    for place in places:
        for mark in (0, 1):
            molecule = Chem.MolFromSmiles(write(*SKELETONS[(37 * place) % len(SKELETONS)], mark))
            order = [int(atom) for atom in rng.permutation(molecule.GetNumAtoms())]
            texts.append(Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False))
            labels.append(float(mark))
    return build_dataset(texts, np.array(labels), task="classification", featuriser=featuriser, cache=False, n_jobs=1)


def score(write: Callable[[str, str, str, int], str], featuriser: Featuriser) -> float:
    known, unknown = dataset(write, range(60), featuriser), dataset(write, range(60, 90), featuriser)
    torch.manual_seed(0)
    encoder, head = encoders.create("gin", layers=3, width=16), torch.nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=5e-3)
    graphs = known.graphs(range(len(known)))
    assert graphs.y is not None
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(encoder(graphs).graphs), graphs.y)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    calibrate(encoder, [graphs])
    with torch.no_grad():
        outputs = head(encoder.eval()(unknown.graphs(range(len(unknown)))).graphs)
    return float(roc_auc_score(unknown.targets.ravel(), outputs.numpy().ravel()))


@pytest.mark.parametrize("write", [centre, double_bond])
def test_labels_are_learned(write: Callable[[str, str, str, int], str]) -> None:
    assert score(write, Featuriser()) >= 0.95


def test_tags_teach_nothing_of_hands() -> None:
    assert score(centre, Featuriser("ogb")) < 0.7


def test_without_stereochemistry_nothing_can_be_learned() -> None:
    data = dataset(centre, range(5), Featuriser(stereo="ignore"))
    assert torch.equal(data.graphs([0]).x.sort(0).values, data.graphs([1]).x.sort(0).values)
