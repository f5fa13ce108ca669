"""The table of weightings."""

from molweight.mlo.weightings._base import Weighting, remember
from molweight.registry import Registry

__all__ = ["weightings"]

weightings: Registry[type[Weighting]] = Registry(
    "weighting", group="molweight.weightings", base=Weighting, check=remember, given=("names",)
)
