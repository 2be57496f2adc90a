"""Balancings that give each task's loss a weight and send the weighted sum back once.

``sum_t u_t w_t L_t``: one backward pass, whatever the number of tasks. Weights average 1, so that equal
weights are the plain sum and one learning rate suits all of them. The user's weights u come last: a rule that
brings losses or gradients to one scale would take them for a scale, too, and cancel them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslcore.models import TaskShape
from sslcore.multitask.base import Balancing

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.config import Config
    from sslcore.models.network import Network


class LossWeights(Balancing):
    """Base of the balancings that weigh losses.

    Attributes:
        state: ``weight_T``, the weights of the last step, and what else a rule remembers.
    """

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        super().__init__(config, tasks)
        self.state["weight_T"] = torch.ones(len(self.tasks))

    @abstractmethod
    def weigh(self, loss_T: Sequence[Tensor], network: Network) -> Tensor:
        """Weights ``T`` of this step, without gradient.

        Args:
            loss_T: The losses, before the user's weights, with their graphs, which must stay whole.
            network: The network they came from.
        """

    def weights(self) -> Tensor | None:
        """The weights of the last step."""
        return self.state["weight_T"]

    def backward(self, loss_T: Sequence[Tensor], beside: Tensor, network: Network) -> Tensor:
        """Fills the gradients; returns the weighted total, detached."""
        import torch

        loss = torch.stack(self.user_weighted(loss_T))
        if len(loss_T) > 1:
            weight_T = self.weigh(loss_T, network).to(loss.device)
            self.state["weight_T"] = weight_T
            loss = weight_T * loss
        total = loss.sum() + beside
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()
