"""Graph neural networks that map molecules to vectors.

Every encoder is a pure function of its parameters and an optional dropout seed, differentiable to second order by
reverse and forward mode. ``available()`` lists the names, ``create("gin", layers=3, width=64)`` creates one. Encoders
of atoms and bonds take the options of :class:`Trunk`; a new one needs only a layer, see :class:`MessagePassingEncoder`.

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

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.encoders._base import Encoder, Encoding
from molweight.encoders._chemprop import Chemprop as Chemprop
from molweight.encoders._dmpnn import DMPNN
from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._gatv2 import GATv2
from molweight.encoders._gcn import GCN
from molweight.encoders._gin import GIN
from molweight.encoders._gps import GPS
from molweight.encoders._graphsage import GraphSAGE
from molweight.encoders._message_passing import MessagePassingEncoder
from molweight.encoders._norm import BatchNorm
from molweight.encoders._pna import PNA
from molweight.encoders._registry import available, create, get, register
from molweight.encoders._registry import build as build
from molweight.encoders._schnet import Conformers, SchNet
from molweight.encoders._topology import Topology

__all__ = [
    "DMPNN",
    "GCN",
    "GIN",
    "GPS",
    "PNA",
    "BatchNorm",
    "Conformers",
    "Encoder",
    "Encoding",
    "FeatureEmbedding",
    "GATv2",
    "GraphSAGE",
    "MessagePassingEncoder",
    "SchNet",
    "Topology",
    "available",
    "create",
    "get",
    "register",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal", "building_blocks")
