"""Concatenation of several readouts without parameters."""

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.encoders._readout import readout
from molweight.errors import OptionError

__all__ = ["COMPOSABLE", "ComposedReadout", "readout_parts"]

COMPOSABLE = ("mean", "sum", "max", "scaled_sum")
"""Readouts without parameters, which can be combined and chosen on an existing checkpoint."""


def readout_parts(composition: str, *, owner: str = "encoder") -> tuple[str, ...]:
    """The readouts of a composition such as ``"mean+scaled_sum"``.

    Args:
        composition: Names of :data:`COMPOSABLE`, joined by ``+``.
        owner: Owner of the option ``readout``, for messages; empty for a job.

    Raises:
        OptionError: If a name is unknown or given twice.

    Example:
        >>> readout_parts("mean+max")
        ('mean', 'max')
    """
    parts = tuple(part.strip() for part in composition.split("+"))
    for part in parts:
        check_choice(owner, "readout", part, COMPOSABLE)
        if parts.count(part) > 1:
            raise OptionError("readout", composition, f"names {part!r} twice", "Name each readout once.", owner=owner)
    return parts


class ComposedReadout(nn.Module):
    """Concatenation of readouts without parameters, e.g. the mean and the scaled sum over a molecule's atoms.

    A mean cannot distinguish a molecule from one twice its size; a sum can, but its magnitude grows with the size of
    the molecule. ``scaled_sum`` is the sum divided by the number of atoms of a typical training molecule, so that both
    parts have comparable scales. All reductions are index-based and correct to second order.

    Source: Corso et al., *Principal Neighbourhood Aggregation for Graph Nets*, NeurIPS 2020, on combining aggregators.

    Args:
        composition: Names of :data:`COMPOSABLE`, joined by ``+``.
        atoms: Divisor of ``scaled_sum``.

    Attributes:
        count: Number of readouts; the output has ``count`` times the width of the input.

    Raises:
        ConfigError: If a name is unknown or given twice, or ``atoms`` is not positive.

    Example:
        >>> pooled = ComposedReadout("mean+scaled_sum", atoms=4.0)
        >>> atoms = torch.tensor([[1.0], [3.0], [8.0]])
        >>> pooled(atoms, torch.tensor([0, 0, 1]), 2).tolist()
        [[2.0, 1.0], [8.0, 2.0]]
    """

    atoms: Tensor

    def __init__(self, composition: str, *, atoms: float = 1.0) -> None:
        """Store the number of atoms as a buffer, so that it is saved with the model."""
        super().__init__()
        if not atoms > 0:
            raise OptionError("readout", composition, f"needs a positive number of atoms to scale by, not {atoms}")
        self.parts = readout_parts(composition)
        self.count = len(self.parts)
        self.register_buffer("atoms", torch.tensor(float(atoms)))

    def forward(self, nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """Pool the atoms of each molecule.

        Args:
            nodes: Vectors of atoms, ``N x d``.
            batch: Molecule of each atom, ``N`` int64.
            num_graphs: ``G``.

        Returns:
            ``G x (count * d)``; zeros for a molecule without atoms.
        """
        pooled = [self._part(name, nodes, batch, num_graphs) for name in self.parts]
        return torch.cat(pooled, dim=1)

    def _part(self, name: str, nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        if name == "scaled_sum":
            return readout("sum", nodes, batch, num_graphs) / self.atoms.to(nodes.dtype)
        return readout(name, nodes, batch, num_graphs)
