"""Building blocks of encoders, for authors of new ones: layers, embeddings of features, readouts and common options."""

from molweight.encoders._composed_readout import COMPOSABLE, ComposedReadout, readout_parts
from molweight.encoders._embedding import bond_codes
from molweight.encoders._gatv2 import GATv2Layer
from molweight.encoders._gcn import GCNLayer
from molweight.encoders._gin import GINLayer
from molweight.encoders._gps import GPSLayer, MoleculeAttention
from molweight.encoders._graphsage import GraphSAGELayer
from molweight.encoders._message_passing import CommonOptions, Trunk, TrunkOptions
from molweight.encoders._pna import PNALayer
from molweight.encoders._readout import READOUTS
from molweight.encoders._schnet import SchNetLayer, near_pairs

__all__ = [
    "COMPOSABLE",
    "READOUTS",
    "CommonOptions",
    "ComposedReadout",
    "GATv2Layer",
    "GCNLayer",
    "GINLayer",
    "GPSLayer",
    "GraphSAGELayer",
    "MoleculeAttention",
    "PNALayer",
    "SchNetLayer",
    "Trunk",
    "TrunkOptions",
    "bond_codes",
    "near_pairs",
    "readout_parts",
]
