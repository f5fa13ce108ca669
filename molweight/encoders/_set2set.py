"""Readout by set2set."""

import torch
from torch import Tensor, nn

from molweight.encoders._softmax import segment_softmax

__all__ = ["Set2SetReadout"]


class Set2SetReadout(nn.Module):
    """Repeated attention over a molecule's atoms, with queries from an LSTM that reads the results.

    The same function as PyG's ``Set2Set``, followed by a linear map from ``2d`` back to ``d``. The LSTM is implemented
    explicitly because ``torch.nn.LSTM`` calls cuDNN on a GPU, which has no double backward.

    Source: Vinyals et al., *Order Matters: Sequence to Sequence for Sets*, ICLR 2016; Gilmer et al., ICML 2017.

    Args:
        width: Size ``d`` of the vectors.
        steps: Number of attention steps.
    """

    def __init__(self, width: int, steps: int = 3) -> None:
        """Create the weights of the LSTM, initialised as ``torch.nn.LSTM``, and the map."""
        super().__init__()
        self.steps = steps
        self.answer = nn.Linear(2 * width, 4 * width)
        self.memory = nn.Linear(width, 4 * width)
        self.out = nn.Linear(2 * width, width)
        for parameter in (*self.answer.parameters(), *self.memory.parameters()):
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)

    def forward(self, nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """Vectors of molecules, ``G x d``, from those of atoms, ``N x d``."""
        query = cell = read = nodes.new_zeros(num_graphs, nodes.size(1))
        for _ in range(self.steps):
            gates = self.answer(torch.cat([query, read], dim=1)) + self.memory(query)
            enter, forget, value, leave = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * value.tanh()
            query = leave.sigmoid() * cell.tanh()
            scores = (nodes * query.index_select(0, batch)).sum(1)
            shares = segment_softmax(scores, batch, num_graphs)
            read = torch.zeros_like(query).index_add(0, batch, nodes * shares[:, None])
        mapped: Tensor = self.out(torch.cat([query, read], dim=1))
        return mapped
