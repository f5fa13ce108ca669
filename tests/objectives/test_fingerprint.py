"""Fingerprints against RDKit's own bits."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from molweight.descriptors._rdkit_fingerprints import MACCS_BITS, ecfp_bits, maccs_bits, unpack
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset, attach_targets
from molweight.objectives import Fingerprint, create
from molweight.objectives.building_blocks import fingerprint_spec

SMILES = ["C", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O", "*CC*", "C" * 40, r"C/C=C\C"]


def bits_of(packed: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], bits: int) -> list[list[int]]:
    rows: list[list[int]] = [row.nonzero().squeeze(1).tolist() for row in unpack(torch.from_numpy(packed), bits)]
    return rows


@pytest.mark.parametrize("bits", [512, 100])
def test_bits_are_rdkits(corpus: MoleculeDataset, bits: int) -> None:
    smiles = [*corpus.smiles[:60], *SMILES]
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    generators = {
        "ecfp": rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=bits),
        "path": rdFingerprintGenerator.GetRDKitFPGenerator(minPath=1, maxPath=7, fpSize=bits),
    }
    for kind, generator in generators.items():
        expected = [list(generator.GetFingerprint(molecule).GetOnBits()) for molecule in molecules]
        assert bits_of(fingerprint_spec(kind, bits)(smiles), bits) == expected


def test_counts_are_rdkits_and_are_learned(corpus: MoleculeDataset) -> None:
    smiles = [*corpus.smiles[:30], *SMILES]
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=100)
    expected = np.array([generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in smiles])
    assert (fingerprint_spec("counts", 100)(smiles) == expected).all()
    objective = Fingerprint(width=4, kind="counts", bits=100)
    few = attach_targets(corpus.subset(range(8)), objective.targets)
    views = objective.draw(few.graphs(range(8)), torch.Generator().manual_seed(0))
    torch.testing.assert_close(views.labels, torch.from_numpy(np.log1p(expected[:8])).float())
    graphs = torch.randn(8, 4)

    def encoder(_graphs: object, seed: int | None = None) -> object:
        return type("Encoding", (), {"graphs": graphs})

    loss = objective.loss(encoder, views)  # type: ignore[arg-type]  # a stand-in
    torch.testing.assert_close(loss, (objective.head(graphs) - views.labels).square().mean())


def test_maccs_keys_are_rdkits(corpus: MoleculeDataset) -> None:
    smiles = [*corpus.smiles[:30], *SMILES]
    expected = [list(rdMolDescriptors.GetMACCSKeysFingerprint(Chem.MolFromSmiles(text)).GetOnBits()) for text in smiles]
    assert bits_of(maccs_bits(smiles), MACCS_BITS) == expected


def test_labels_are_the_bits(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs([5, 0])
    views = Fingerprint(width=4).draw(batch, torch.Generator())
    expected = ecfp_bits([corpus.smiles[5], corpus.smiles[0]], bits=512)
    assert [row.nonzero().squeeze(1).tolist() for row in views.labels] == bits_of(expected, 512)


@pytest.mark.parametrize(
    ("options", "message"), [({"kind": "ecpf"}, "did you mean 'ecfp'"), ({"bits": 0}, "bits=0 must be at least 1")]
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create("fingerprint", width=8, **options)
