"""Fingerprint clusters against scikit-learn's own answer."""

import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans
from torch.nn import functional

from molweight import encoders
from molweight.descriptors._rdkit_fingerprints import MACCS_BITS, unpack
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset
from molweight.objectives import FingerprintClusters, create
from molweight.objectives._kmeans import cluster_counts


@pytest.fixture
def objective(corpus: MoleculeDataset) -> FingerprintClusters:
    objective = FingerprintClusters(width=6)
    objective.prepare(corpus.columns)
    return objective


def bits_of(corpus: MoleculeDataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    keys = torch.from_numpy(np.asarray(corpus.columns["maccs_keys"], dtype=np.uint8))
    return unpack(keys, MACCS_BITS).numpy().astype(np.float32)


def test_clusters_are_scikit_learns(corpus: MoleculeDataset, objective: FingerprintClusters) -> None:
    views = objective.draw(corpus.graphs(range(256)), torch.Generator())
    assert [head.out_features for head in objective.heads] == [5, 11, 26]
    for count, clusters in zip([5, 11, 26], views.clusters, strict=True):
        model = MiniBatchKMeans(count, random_state=0, n_init=1, batch_size=1024, max_iter=20).fit(bits_of(corpus))
        assert np.array_equal(model.predict(bits_of(corpus)), clusters)
        assert len(np.unique(clusters)) > count / 2


def test_centres_come_from_the_cache(corpus: MoleculeDataset, objective: FingerprintClusters) -> None:
    again = FingerprintClusters(width=6)
    again.prepare(corpus.columns)
    first, second = objective.state_dict(), again.state_dict()
    for key in ("heads.0.centres", "heads.1.centres", "heads.2.centres"):
        assert torch.equal(first[key], second[key])


def test_loss_is_the_sum_of_cross_entropies(corpus: MoleculeDataset, objective: FingerprintClusters) -> None:
    encoder = encoders.create("gin", layers=1, width=6)
    views = objective.draw(corpus.graphs(range(20)), torch.Generator())
    graphs = encoder(views.graphs).graphs
    expected = torch.tensor(0.0)
    for head, clusters in zip(objective.heads, views.clusters, strict=True):
        expected = expected - functional.log_softmax(head(graphs), dim=1)[torch.arange(20), clusters].mean()
    torch.testing.assert_close(objective(encoder, views), expected)


@pytest.mark.parametrize("molecules", [3, 50, 1000, 10**5, 10**7])
def test_granularities_stay_apart(molecules: int) -> None:
    counts = cluster_counts((100, 1000, 10_000), molecules, molecules)
    assert counts == sorted(counts)
    assert counts[0] >= 2
    assert counts[-1] <= max(2, molecules / 10 + 1)
    assert len(set(counts)) == 3 or molecules < 100
    assert (counts == [100, 1000, 10_000]) == (molecules >= 10**5)


def test_states_of_other_sizes_are_taken_on(corpus: MoleculeDataset, objective: FingerprintClusters) -> None:
    small = FingerprintClusters(width=6)
    small.prepare({"maccs_keys": corpus.columns["maccs_keys"][:40]})
    small.load_state_dict(objective.state_dict())
    views = [item.draw(corpus.graphs(range(9)), torch.Generator()).clusters for item in (small, objective)]
    for first, second in zip(*views, strict=True):
        assert torch.equal(first, second)


def test_heads_depend_on_the_seed_at_their_creation(corpus: MoleculeDataset) -> None:
    weights = []
    for seed, noise in ((0, 5), (0, 6), (1, 5)):
        torch.manual_seed(seed)
        objective = FingerprintClusters(width=6)
        torch.manual_seed(noise)
        objective.prepare(corpus.columns)
        weights.append(objective.state_dict()["heads.0.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_what_cannot_be_clustered_is_refused(corpus: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match="no clusters: call prepare"):
        FingerprintClusters(width=4).draw(corpus.graphs([0]), torch.Generator())
    with pytest.raises(DataError, match="the same fingerprint"):
        FingerprintClusters(width=4).prepare({"maccs_keys": np.zeros((9, 21), dtype=np.uint8)})
    with pytest.raises(ConfigError, match=r"clusters=\[1\]"):
        create("fingerprint_clusters", width=4, clusters=[1])
