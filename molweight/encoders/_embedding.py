"""Embeddings of discrete atom and bond features: the sum of one learned vector per feature."""

from math import prod
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from molweight.errors import DataError
from molweight.graphs import ATOM_SIZES, BOND_SIZES, CHIRALITY
from molweight.graphs.internal import BOND_STEREO

__all__ = ["Codes", "FeatureEmbedding", "atom_codes", "bond_codes", "merge_handedness"]

_GRID_LIMIT = 1024
_HANDS = (1, 2)
"""Values of ``chirality`` of both hands: clockwise and counter-clockwise, or R and S."""


class Codes(NamedTuple):
    """Discrete features of ``n`` items, prepared for any number of embedding tables.

    Args:
        hot: Zeros and ones, ``k x rows``: the rows of the table to sum for each of ``k`` combinations of values.
        items: The combination of each item, ``n`` int64; ``None`` if items and combinations are the same.
    """

    hot: Tensor
    items: Tensor | None


class FeatureEmbedding(nn.Module):
    """Sum of one learned vector per discrete feature, with one extra vector per feature for masked items.

    The same function as ``AtomEncoder`` and ``BondEncoder`` of ogb (Hu et al., *Open Graph Benchmark*, NeurIPS 2020),
    with all tables in one parameter. A batch has few distinct combinations of values, about a hundred among 6,000
    drug-like atoms: each is computed once and then copied to its atoms, which on CPU takes a third of the time of nine
    look-ups, for all orders of differentiation.

    Args:
        sizes: Number of values of each feature; the value ``sizes[i]`` means masked.
        width: Size of the vectors.

    Example:
        >>> embed = FeatureEmbedding((4, 2), width=8)
        >>> embed(codes(torch.tensor([[0, 1], [3, 0], [4, 2]]), (4, 2))).shape
        torch.Size([3, 8])
    """

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        """Initialise each feature's table as ogb does: uniform after Glorot & Bengio (2010)."""
        super().__init__()
        self.sizes = sizes
        self.weight = nn.Parameter(torch.empty(sum(sizes) + len(sizes), width))
        with torch.no_grad():
            for table in torch.split(self.weight, [size + 1 for size in sizes]):
                nn.init.xavier_uniform_(table)

    def forward(self, codes: Codes) -> Tensor:
        """The vectors of the items, ``n x width``."""
        distinct = self.distinct(codes)
        return distinct if codes.items is None else distinct.index_select(0, codes.items)

    def distinct(self, codes: Codes) -> Tensor:
        """The vectors of the combinations of values, ``k x width``."""
        return codes.hot.to(self.weight.dtype) @ self.weight

    @torch.no_grad()
    def merge_hands(self) -> None:
        """Give both hands the same vector; see :func:`merge_handedness`."""
        tables = torch.split(self.weight, [size + 1 for size in self.sizes])  # for each value, then for the mask
        if self.sizes == ATOM_SIZES:
            rows = tables[CHIRALITY]
            rows[1:-1] = rows[list(_HANDS)].mean(0)
        elif self.sizes == BOND_SIZES:
            rows = tables[BOND_STEREO]
            rows[3:5] = rows[3:5].mean(0)


def atom_codes(x: Tensor) -> Codes:
    """Codes of atoms from their features ``x``, ``N x 9``."""
    return codes(x, ATOM_SIZES, "atom")


def bond_codes(edge_attr: Tensor) -> Codes:
    """Codes of edges from their features ``edge_attr``, ``E x 3``."""
    return codes(edge_attr, BOND_SIZES, "bond")


def codes(features: Tensor, sizes: tuple[int, ...], item: str = "item") -> Codes:
    """Codes of items from their discrete features.

    Args:
        features: ``n x len(sizes)`` int64; the value ``sizes[i]`` of feature ``i`` means masked.
        sizes: Number of values of each feature.
        item: Name of the rows in messages.

    Returns:
        The codes. Features with few possible combinations get one code per combination. Others get one per distinct
        row on CPU, and one per row on an accelerator, where a search for distinct rows would synchronise.

    Raises:
        DataError: If the features do not match ``sizes`` (values are checked on CPU only).
    """
    if features.dim() != 2 or features.size(1) != len(sizes):  # noqa: PLR2004 - a matrix
        raise DataError(f"{item} features have shape {tuple(features.shape)}, expected n x {len(sizes)}.")
    on_cpu = features.device.type == "cpu"
    if on_cpu:
        _check_range(features, sizes, item)
    if prod(size + 1 for size in sizes) <= _GRID_LIMIT:
        grid = torch.cartesian_prod(*[torch.arange(size + 1, device=features.device) for size in sizes])
        return Codes(_multi_hot(grid, sizes), _packed(features, sizes))
    if not on_cpu:
        return Codes(_multi_hot(features, sizes), None)
    distinct, index = torch.unique(_packed(features, sizes), return_inverse=True)
    rows = torch.arange(len(features), device=features.device)
    example = torch.empty_like(distinct).scatter_(0, index, rows)
    return Codes(_multi_hot(features.index_select(0, example), sizes), index)


def _check_range(features: Tensor, sizes: tuple[int, ...], item: str) -> None:
    if len(features) == 0:
        return
    low, high = features.aminmax(dim=0)
    for column, (least, most, size) in enumerate(zip(low.tolist(), high.tolist(), sizes, strict=True)):
        if least < 0 or most > size:
            found = least if least < 0 else most
            raise DataError(
                f"{item} feature {column} has the value {found}; it must lie in 0..{size} ({size} means masked). "
                "Build graphs with molweight.graphs or ogb.utils.smiles2graph, which define these features."
            )


def _packed(features: Tensor, sizes: tuple[int, ...]) -> Tensor:
    code = features[:, 0]
    for column, size in enumerate(sizes[1:], start=1):
        code = code * (size + 1) + features[:, column]
    return code


def _multi_hot(features: Tensor, sizes: tuple[int, ...]) -> Tensor:
    starts = torch.tensor([0, *(size + 1 for size in sizes[:-1])], device=features.device).cumsum(0)
    hot = torch.zeros(len(features), sum(sizes) + len(sizes), device=features.device)
    return hot.scatter_(1, features + starts, 1.0)


@runtime_checkable
class Handed(Protocol):
    """Protocol of a part of an encoder that distinguishes the hands of a stereocentre."""

    def merge_hands(self) -> None:
        """Give both hands of a stereocentre the same vector, until training separates them."""


def merge_handedness(model: nn.Module) -> None:
    """Give both hands of a stereocentre the same vector, in place, in all embeddings of atoms and bonds.

    An encoder trained on RDKit's tags (``features="ogb"``) has no embeddings of R and S, and vice versa: vectors
    learned for one must not be used for the other. Their common part, the presence of a stereocentre, is kept as the
    mean. Training can separate them again. Z and E have the same meaning in both sets of features and are kept; bond
    values that only one set has (cis and trans, or M and P) are also merged.

    Args:
        model: The encoder, with or without heads. Modules without ``merge_hands`` are not changed.

    Example:
        >>> from molweight import encoders
        >>> encoder = encoders.create("gin", layers=1, width=2)
        >>> merge_handedness(encoder)
        >>> table = encoder.atoms.weight
        >>> bool((table[121] == table[122]).all()), bool((table[120] == table[121]).all())
        (True, False)
    """
    for module in model.modules():
        if isinstance(module, Handed):
            module.merge_hands()
