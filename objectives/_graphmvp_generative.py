"""GraphMVP, generative part: reconstruct the conformer's vector from the graph's, and vice versa."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molweight.encoders import BatchNorm, SchNet
from molweight.errors import OptionError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import Encode, Objective, draw_seed, register
from molweight.objectives._conformers import CONFORMERS, Embedded, embedded

__all__ = ["GraphMVPGenerative", "NoisyConformers", "VariationalMap"]


@dataclass(frozen=True)
class NoisyConformers:
    """Molecules with their conformers, as far as they have one, and the noise of the two reconstructions.

    Args:
        graphs: The molecules.
        space: Their conformers.
        noise: Standard normal, ``2 x C x d``.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    space: Embedded
    noise: Tensor
    seed: int


class VariationalMap(nn.Module):
    """A map between two vectors of a molecule through a Gaussian code: ``z = mu(x) + exp(log_var(x) / 2) noise``.

    Args:
        width: Size ``d`` of both vectors and of the code.
    """

    def __init__(self, width: int) -> None:
        """Create the two linear maps to the code and the decoder."""
        super().__init__()
        self.mean, self.log_variance = nn.Linear(width, width), nn.Linear(width, width)
        self.decoder = nn.Sequential(nn.Linear(width, width), BatchNorm(width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, given: Tensor, wanted: Tensor, noise: Tensor, beta: float) -> Tensor:
        r"""Error of the reconstruction plus ``beta`` times the divergence of the code from a standard normal.

        With ``KL = -\frac12 \sum (1 + log_var - mu^2 - exp(log_var))`` per molecule; both are means over molecules, and
        the squared error is also averaged over the entries of a vector. Without molecules it is 0.

        Args:
            given: Input vectors, ``C x d``.
            wanted: Target vectors, ``C x d``.
            noise: Standard normal, ``C x d``.
            beta: Weight of the divergence.
        """
        mean, log_variance = self.mean(given), self.log_variance(given)
        guess = self.decoder(mean + (log_variance / 2).exp() * noise)
        divergence = -(1 + log_variance - mean.square() - log_variance.exp()).sum() / 2
        error = (guess - wanted).square().sum() / wanted.size(1)
        total: Tensor = (error + beta * divergence) / max(len(given), 1)
        return total


@register("graphmvp_generative")
class GraphMVPGenerative(Objective):
    """Reconstruct the vector of a molecule's conformer from that of its graph, and vice versa.

    The graph passes through the encoder, the conformer (ETKDGv3, one per molecule) through a separate
    :class:`molweight.encoders.SchNet`. A :class:`VariationalMap` for each direction learns to reconstruct the other
    vector, which is detached, so that gradients do not move the target towards the guess. Molecules without a conformer
    are ignored; without any conformer the loss is 0.

    Source: Liu et al., *Pre-training Molecular Graph Representation with 3D Geometry* (GraphMVP), ICLR 2022, eq. 8
    (variational representation reconstruction).

    Args:
        width: Size of the encoder's vectors.
        beta: Weight of the divergence of the code.
        detach: Whether the target vector is treated as a constant. Otherwise the gradient is that of the full loss,
            which can be made small by constant vectors.
        layers: Interactions of SchNet.
        filters: Size of its filters.
        gaussians: Number of its radial functions.
        cutoff: Cutoff distance of its interactions, in Angstrom.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> GraphMVPGenerative(width=8, layers=1).forth.decoder[3].out_features
        8
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "Liu et al., ICLR 2022 (GraphMVP)"
    targets: tuple[TargetSpec, ...] = (CONFORMERS,)
    cost: ClassVar[float] = 2.0
    collapses: ClassVar[bool] = True

    def __init__(
        self,
        width: int,
        *,
        beta: float = 1.0,
        detach: bool = True,
        layers: int = 6,
        filters: int = 128,
        gaussians: int = 51,
        cutoff: float = 10.0,
    ) -> None:
        """Create SchNet and the two maps."""
        super().__init__(width)
        if not beta >= 0:
            raise OptionError("beta", beta, "must not be negative", owner="objective 'graphmvp_generative'")
        self.beta, self.detach = beta, detach
        self.space = SchNet(width, layers=layers, filters=filters, gaussians=gaussians, cutoff=cutoff)
        self.forth, self.back = VariationalMap(width), VariationalMap(width)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> NoisyConformers:
        """Find the conformers and draw the noise."""
        space = embedded(batch, self.space.cutoff)
        like = self.forth.mean.weight
        shape = (2, len(space.known), self.width)
        noise = torch.randn(shape, generator=generator, device=batch.device, dtype=like.dtype)
        return NoisyConformers(batch, space, noise, draw_seed(generator))

    def loss(self, encoder: Encode, views: NoisyConformers) -> Tensor:
        """Mean of the two directions."""
        graphs = encoder(views.graphs, seed=views.seed).graphs.index_select(0, views.space.known)
        conformers = self.space(views.space.conformers)
        goals = (graphs.detach(), conformers.detach()) if self.detach else (graphs, conformers)
        forth = self.forth(graphs, goals[1], views.noise[0], self.beta)
        back = self.back(conformers, goals[0], views.noise[1], self.beta)
        mean: Tensor = (forth + back) / 2
        return mean
