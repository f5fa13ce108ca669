"""BRICS fragments against RDKit's own decomposition."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import BRICS

from molweight import encoders
from molweight.descriptors._parse import parse_smiles
from molweight.errors import ConfigError, DataError
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives import BricsMotifs, create
from molweight.objectives._rdkit_brics import fragment_hash, fragments, motif_codes
from molweight.objectives.building_blocks import BRICS_CODES

Make = Callable[[Sequence[str]], GraphBatch]


def broken(smiles: str) -> list[str]:
    """The fragments that remain when RDKit breaks all bonds of BRICS."""
    molecule = BRICS.BreakBRICSBonds(Chem.MolFromSmiles(smiles))  # type: ignore[no-untyped-call]  # RDKit's
    return Chem.MolToSmiles(molecule).split(".")


def decompose(smiles: str) -> set[str]:
    """The fragments that RDKit's recursive decomposition ends with."""
    found: set[str] = BRICS.BRICSDecompose(Chem.MolFromSmiles(smiles))  # type: ignore[no-untyped-call]  # RDKit's
    return found


def test_fragments_are_rdkits(corpus: MoleculeDataset) -> None:
    for smiles in [*corpus.smiles[:100], "CC(=O)Oc1ccccc1C(=O)O", "[Na+].CC(=O)[O-]", "C", "[Na+].[Cl-]"]:
        codes = motif_codes([smiles])
        assert Counter(codes[codes != 0].tolist()) == Counter(map(fragment_hash, broken(smiles))), smiles


def test_most_fragments_are_those_of_the_recursive_decomposition(corpus: MoleculeDataset) -> None:
    """It numbers attachment points after each cut, and splits double bonds otherwise, so not all are."""
    same = [
        {text for text, _ in fragments(parse_smiles(smiles))} == decompose(smiles) for smiles in corpus.smiles[:100]
    ]
    assert sum(same) >= 85


def test_motifs_are_the_most_frequent_fragments(corpus: MoleculeDataset) -> None:
    counts: Counter[str] = Counter()
    for smiles in corpus.smiles[:256]:
        counts.update(broken(smiles))
    objective = BricsMotifs(width=4, vocabulary=10)
    objective.prepare(corpus.columns)
    least = min(counts[name] for name, _ in counts.most_common(10))
    names = {fragment_hash(name): name for name in counts}
    found = [names[int(code)] for code in objective.motifs]
    assert {name for name, count in counts.items() if count > least} <= set(found)
    assert all(counts[name] >= least for name in found)


def test_labels_are_presence(make: Make) -> None:
    objective = BricsMotifs(width=4, vocabulary=8)
    smiles = ["CCCOCc1ccccc1", "CCOCCC", "c1ccccc1", "CCOCC"]
    objective.prepare({"brics_motifs": motif_codes(smiles)})
    views = objective.draw(make(smiles), torch.Generator())
    of = dict(zip(objective.motifs.tolist(), views.labels.T.tolist(), strict=True))
    assert of[fragment_hash("[3*]O[3*]")] == [1, 1, 0, 1]
    assert of[fragment_hash("[4*]CC")] == [0, 1, 0, 1]
    assert of[fragment_hash("c1ccccc1")] == [0, 0, 1, 0]
    assert of[fragment_hash("[4*]CCC")] == [1, 1, 0, 0]
    assert views.used.tolist() == [1] * 6 + [0] * 2
    assert views.labels[:, 6:].sum() == 0


def test_only_existing_motifs_count(make: Make) -> None:
    """With more room than fragments, the loss is that of a vocabulary of exactly the right size."""
    smiles = ["CCCOCc1ccccc1", "CCOCC"]
    losses = []
    for size in (50, 5):  # [4*]CCC, [3*]O[3*], [4*]C[8*], [16*]c1ccccc1, [4*]CC
        objective = BricsMotifs(width=4, vocabulary=size)
        torch.nn.init.zeros_(objective.head.weight)
        torch.nn.init.constant_(objective.head.bias, 2.0)
        objective.prepare({"brics_motifs": motif_codes(smiles)})
        encoder = encoders.create("gin", layers=1, width=4)
        losses.append(objective(encoder, objective.draw(make(smiles), torch.Generator())).item())
    assert losses[0] == pytest.approx(losses[1])


def test_a_vocabulary_is_needed(corpus: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match="no motifs: call prepare"):
        BricsMotifs(width=4).draw(corpus.graphs([0]), torch.Generator())
    with pytest.raises(DataError, match="no fragments"):
        BricsMotifs(width=4).prepare({BRICS_CODES.name: np.zeros((3, 1), dtype=np.int32)})
    with pytest.raises(DataError, match="needs the column 'brics_motifs'"):
        BricsMotifs(width=4).prepare({})
    with pytest.raises(ConfigError, match="vocabulary=0"):
        create("brics_motifs", width=4, vocabulary=0)
