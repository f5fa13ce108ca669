"""Readout by attention."""

from torch import Tensor, nn

from molweight.encoders._softmax import segment_softmax

__all__ = ["AttentionReadout"]


class AttentionReadout(nn.Module):
    """Mean of a molecule's atoms, weighted by a softmax of learned scores.

    The same function as PyG's ``AttentionalAggregation`` with a linear gate.

    Source: Li et al., *Gated Graph Sequence Neural Networks*, ICLR 2016; Li et al., *Graph Matching Networks for
    Learning the Similarity of Graph Structured Objects*, ICML 2019.

    Args:
        width: Size ``d`` of the vectors.
    """

    def __init__(self, width: int) -> None:
        """Create the scores' weights."""
        super().__init__()
        self.gate = nn.Linear(width, 1)

    def forward(self, nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """Vectors of molecules, ``G x d``, from those of atoms, ``N x d``."""
        shares = segment_softmax(self.gate(nodes).squeeze(1), batch, num_graphs)
        return nodes.new_zeros(num_graphs, nodes.size(1)).index_add(0, batch, nodes * shares[:, None])
