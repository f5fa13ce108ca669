"""GIN against PyG's own layers and ogb's own embeddings."""

import pytest
import torch
from ogb.graphproppred.mol_encoder import AtomEncoder, BondEncoder
from torch import nn
from torch_geometric.nn import GINEConv, global_mean_pool

from molweight.encoders import GIN, Topology
from molweight.encoders._embedding import FeatureEmbedding, atom_codes, bond_codes, codes
from molweight.encoders.building_blocks import GINLayer
from molweight.errors import DataError
from molweight.graphs import ATOM_MASK, ATOM_SIZES, BOND_SIZES, GraphBatch


def test_embedding_equals_ogb(molecules: GraphBatch) -> None:
    for reference, sizes, features, prepare in (
        (AtomEncoder(8), ATOM_SIZES, molecules.x, atom_codes),
        (BondEncoder(8), BOND_SIZES, molecules.edge_attr, bond_codes),
    ):
        ours = FeatureEmbedding(sizes, 8)
        tables = list(reference.parameters())
        with torch.no_grad():
            padded = [torch.cat([table, torch.zeros(1, 8)]) for table in tables]
            ours.weight.copy_(torch.cat(padded))
        torch.testing.assert_close(ours(prepare(features)), reference(features))


def test_mask_token_is_its_own_vector() -> None:
    embed = FeatureEmbedding(ATOM_SIZES, 4)
    masked = embed(atom_codes(torch.tensor([ATOM_MASK])))
    rows = torch.tensor(ATOM_SIZES) + torch.tensor([0, *(size + 1 for size in ATOM_SIZES[:-1])]).cumsum(0)
    torch.testing.assert_close(masked[0], embed.weight[rows].sum(0))


def test_initial_scale_is_glorot() -> None:
    embed = FeatureEmbedding((100, 3), 50)
    first, second = torch.split(embed.weight, [101, 4])
    assert first.abs().max() <= (6 / 151) ** 0.5 < second.abs().max() <= (6 / 54) ** 0.5


def test_layer_equals_gineconv(molecules: GraphBatch) -> None:
    layer = GINLayer(8)
    reference = GINEConv(layer.mlp)
    nodes, topology = torch.randn(molecules.num_nodes, 8), Topology.of(molecules)
    expected = reference(nodes, molecules.edge_index, layer.bonds(topology.bonds))
    torch.testing.assert_close(layer(nodes, topology), expected)


def test_network_equals_a_plain_one(molecules: GraphBatch) -> None:
    encoder = GIN(layers=3, width=8)
    bonds = bond_codes(molecules.edge_attr)
    nodes = encoder.atoms(atom_codes(molecules.x))
    for depth, layer in enumerate(encoder.layers):
        assert isinstance(layer, GINLayer)
        nodes = GINEConv(layer.mlp)(nodes, molecules.edge_index, layer.bonds(bonds))
        nodes = nn.BatchNorm1d(8)(nodes)
        nodes = nodes.relu() if depth < 2 else nodes
    encoding = encoder(molecules)
    torch.testing.assert_close(encoding.nodes, nodes)
    torch.testing.assert_close(encoding.graphs, global_mean_pool(nodes, molecules.batch))


def test_published_size() -> None:
    encoder = GIN()
    assert (len(encoder.layers), encoder.width) == (5, 300)
    assert GIN(layers=3, width=8, jk="concat").width == 32


@pytest.mark.parametrize(("row", "column", "found"), [(0, 1, 6), (2, 0, -1)])
def test_features_outside_the_tables_are_refused(molecules: GraphBatch, row: int, column: int, found: int) -> None:
    x = molecules.x.clone()
    x[row, column] = found
    with pytest.raises(DataError, match=f"atom feature {column} has the value {found}"):
        atom_codes(x)


def test_features_of_the_wrong_width_are_refused(molecules: GraphBatch) -> None:
    with pytest.raises(DataError, match=r"\(\d+, 8\), expected n x 9"):
        atom_codes(molecules.x[:, :8])


def test_many_distinct_rows() -> None:
    features = torch.randint(0, 3, (500, 9), generator=torch.Generator().manual_seed(0)).clamp(max=2)
    embed = FeatureEmbedding(ATOM_SIZES, 4)
    starts = torch.tensor([0, *(size + 1 for size in ATOM_SIZES[:-1])]).cumsum(0)
    torch.testing.assert_close(embed(codes(features, ATOM_SIZES)), embed.weight[features + starts].sum(1))
