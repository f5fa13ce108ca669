"""Graph neural networks that map molecules to vectors.

Every encoder is a pure function of its parameters and an optional dropout seed, differentiable to second order by
reverse and forward mode. ``available()`` lists the names, ``create("gin", layers=3, width=64)`` creates one. Those of
atoms and bonds take the options of :class:`Trunk`; one of your own needs only a layer, see
:class:`MessagePassingEncoder`.

Example:
    >>> from molweight import encoders
    >>> "gin" in encoders.available()
    True
    >>> encoders.create("gin", layer=3)
    Traceback (most recent call last):
        ...
    molweight.errors.ConfigError: encoder 'gin' has no option 'layer'; did you mean 'layers'? Options: layers, width, \
dropout, norm, readout, jk, virtual_node.
"""

from molweight.encoders._base import Encoder, Encoding
from molweight.encoders._composed_readout import COMPOSABLE, ComposedReadout, readout_parts
from molweight.encoders._dmpnn import DMPNN
from molweight.encoders._embedding import FeatureEmbedding, bond_codes
from molweight.encoders._gatv2 import GATv2, GATv2Layer
from molweight.encoders._gcn import GCN, GCNLayer
from molweight.encoders._gin import GIN, GINLayer
from molweight.encoders._gps import GPS, GPSLayer, MoleculeAttention
from molweight.encoders._graphsage import GraphSAGE, GraphSAGELayer
from molweight.encoders._handedness import merge_handedness
from molweight.encoders._message_passing import CommonOptions, MessagePassingEncoder, Trunk, TrunkOptions
from molweight.encoders._norm import BatchNorm
from molweight.encoders._pna import PNA, PNALayer
from molweight.encoders._readout import READOUTS
from molweight.encoders._recalibrate_norm import calibrate
from molweight.encoders._registry import available, create, get, register
from molweight.encoders._registry import build as build
from molweight.encoders._schnet import Conformers, SchNet, SchNetLayer, near_pairs
from molweight.encoders._topology import Topology

__all__ = [
    "COMPOSABLE",
    "DMPNN",
    "GCN",
    "GIN",
    "GPS",
    "PNA",
    "READOUTS",
    "BatchNorm",
    "CommonOptions",
    "ComposedReadout",
    "Conformers",
    "Encoder",
    "Encoding",
    "FeatureEmbedding",
    "GATv2",
    "GATv2Layer",
    "GCNLayer",
    "GINLayer",
    "GPSLayer",
    "GraphSAGE",
    "GraphSAGELayer",
    "MessagePassingEncoder",
    "MoleculeAttention",
    "PNALayer",
    "SchNet",
    "SchNetLayer",
    "Topology",
    "Trunk",
    "TrunkOptions",
    "available",
    "bond_codes",
    "calibrate",
    "create",
    "get",
    "merge_handedness",
    "near_pairs",
    "readout_parts",
    "register",
]
