"""What turns noisy gradients into logits."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["LogitRule", "keep_if"]


class LogitRule(nn.Module, ABC):
    """Moves K logits by gradients whose scale means nothing; everything it remembers is a buffer."""

    @abstractmethod
    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """The next logits.

        Args:
            alpha: Logits so far, K.
            origin: Logits of the prior, K.
            estimate: Derivative of what is minimised with respect to ``softmax(alpha)``, centred, K finite numbers.
            finite: Whether the estimate may be used, 0-dim; if not, the buffers are not changed.
        """


def keep_if(finite: Tensor, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Overwrite each first tensor by the second where ``finite`` holds, without asking the device.

    Args:
        finite: 0-dim, boolean.
        pairs: Buffers and their new values.
    """
    for old, new in pairs:
        old.copy_(torch.where(finite, new, old))
