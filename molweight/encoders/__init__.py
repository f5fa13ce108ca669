"""Graph neural networks that map molecules to vectors.

Every encoder is a pure function of its parameters and an optional dropout seed, differentiable to second order by
reverse and forward mode. ``available()`` lists the names, ``build("gin", layers=3, width=64)`` creates one.

Example:
    >>> from molweight import encoders
    >>> "gin" in encoders.available()
    True
    >>> encoders.build("gin", layer=3)
    Traceback (most recent call last):
        ...
    molweight.errors.ConfigError: encoder 'gin' has no option 'layer'; did you mean 'layers'? Options: layers, width, \
dropout, norm, readout, jk.
"""

from molweight.encoders._base import Encoder, Encoding
from molweight.encoders._calibrate import calibrate
from molweight.encoders._gin import GIN, GINLayer
from molweight.encoders._norm import BatchNorm
from molweight.encoders._registry import available, build, get, register

__all__ = [
    "GIN",
    "BatchNorm",
    "Encoder",
    "Encoding",
    "GINLayer",
    "available",
    "build",
    "calibrate",
    "get",
    "register",
]
