"""One member of an ensemble: an encoder, a readout, features, and a head with a hidden layer."""

import torch
from torch import Tensor, nn

from molweight.encoders import Encoder
from molweight.encoders.building_blocks import ComposedReadout
from molweight.graphs import GraphBatch

__all__ = ["Member"]


class Member(nn.Module):
    """A model of a task from the graph of a molecule and molecule-level features.

    The graph vector and the standardised features are concatenated, followed by one hidden layer with dropout. The
    encoder therefore needs to learn only information that the features lack.

    Source: Yang et al., *Analyzing Learned Molecular Representations for Property Prediction*, J. Chem. Inf. Model.
    2019 (descriptors next to a graph network).

    Args:
        encoder: The encoder.
        outputs: Number of outputs ``T``.
        features: Number of standardised features; 0 for none.
        readout: Readout over the encoder's atoms; ``None`` for the encoder's own.
        hidden: Width of the hidden layer.
        dropout: Dropout rate of the hidden layer, applied if a seed is given.

    Example:
        >>> from molweight import encoders
        >>> from molweight.graphs import build_dataset
        >>> member = Member(encoders.create("gin", layers=2, width=16), outputs=3, features=2)
        >>> graphs = build_dataset(["CCO", "C"], cache=False).graphs([0, 1])
        >>> member(graphs, torch.zeros(2, 2)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        encoder: Encoder,
        outputs: int,
        *,
        features: int = 0,
        readout: ComposedReadout | None = None,
        hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        """Create the head."""
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.dropout = dropout
        width = encoder.width * (1 if readout is None else readout.count)
        self.hidden = nn.Linear(width + features, hidden)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, graphs: GraphBatch, features: Tensor, seed: int | None = None) -> Tensor:
        """Outputs ``G x T``: logits, or labels in standard units.

        Args:
            graphs: The molecules.
            features: Standardised features, ``G x features``.
            seed: Seed of the dropout masks; ``None`` for none.
        """
        return self.with_vectors(graphs, features, seed)[0]

    def with_vectors(self, graphs: GraphBatch, features: Tensor, seed: int | None = None) -> tuple[Tensor, Tensor]:
        """Outputs, as from :meth:`forward`, and the encoder's molecule vectors, ``G x d``.

        Args:
            graphs: The molecules.
            features: Standardised features, ``G x features``.
            seed: Seed of the dropout masks; ``None`` for none.
        """
        encoding = self.encoder(graphs, seed)
        vectors = encoding.graphs
        if self.readout is not None:
            vectors = self.readout(encoding.nodes, graphs.batch, graphs.num_graphs)
        hidden = self.hidden(torch.cat([vectors, features], dim=1)).relu()
        return self.output(_dropped(hidden, self.dropout, seed)), encoding.graphs


def _dropped(hidden: Tensor, rate: float, seed: int | None) -> Tensor:
    if seed is None or not rate > 0:
        return hidden
    generator = torch.Generator(hidden.device).manual_seed(seed)
    kept = torch.rand(hidden.shape, generator=generator, device=hidden.device) >= rate
    return hidden * kept / (1 - rate)
