"""FAMO: all losses should fall by the same share, at the cost of one backward pass.

Liu et al. 2023, arXiv:2306.03792. ``w_t = z_t / L_t / sum(z / L)`` with ``z = softmax(xi)``; xi follows Adam
(rate 0.025, decay 1e-3) on ``d log L``, how far each log loss fell in the step. What differs: the fall is
between the losses of two steps in a row, each on its own batch, which saves the second forward pass and is
the same in the mean; weights are times T; losses below a floor count as it, or a task whose few labels are
learned by heart would take all the weight.

When: many tasks, for which a backward pass each would be too dear: it watches the losses instead of the
gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.multitask import BALANCINGS
from sslcore.multitask.loss_weights import LossWeights

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class FAMOConfig(Config):
    """Settings of FAMO."""

    rate: float = param(0.025, low=0, high=10, help="Learning rate of the task weights; 0: they stay.")
    decay: float = param(1e-3, low=0, high=1, help="Pull of the task weights towards equality.")
    floor: float = param(0.01, low=1e-8, high=10, help="Losses below it count as it.")


def famo_weights(loss_T: Tensor, logits_T: Tensor) -> Tensor:
    """``T z / L / sum(z / L)`` with ``z = softmax(logits)``: the gradient of ``sum z log L``, rescaled.

    >>> import torch
    >>> famo_weights(torch.tensor([1.0, 3.0]), torch.zeros(2)).tolist()
    [1.5, 0.5]
    """
    share_T = logits_T.softmax(0) / loss_T
    return len(loss_T) * share_T / share_T.sum()


def famo_slope(logits_T: Tensor, before_T: Tensor, after_T: Tensor) -> Tensor:
    """The gradient of ``softmax(logits) . (log before - log after)``: tasks that fell more weigh less next.

    >>> import torch
    >>> famo_slope(torch.zeros(2), torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0])).mul(4).round(
    ...     decimals=4
    ... )
    tensor([ 0.6931, -0.6931])
    """
    share_T = logits_T.softmax(0)
    fall_T = before_T.log() - after_T.log()
    return share_T * (fall_T - (share_T * fall_T).sum())


@BALANCINGS.register(
    "famo",
    title="Equal relative progress (FAMO)",
    family="balancing",
    paper="Liu et al. 2023, arXiv:2306.03792",
    config=FAMOConfig,
)
class FAMO(LossWeights):
    """Weighs tasks so that all losses fall by the same share."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        super().__init__(config, tasks)
        for name in ("logits_T", "before_T", "mean_T", "square_T"):
            self.state[name] = torch.zeros(len(self.tasks))
        self.state["steps"] = torch.zeros(())

    def weigh(self, loss_T: Sequence[Tensor], network: Network) -> Tensor:
        """The weights for these losses, after having learned from how the last ones changed."""
        import torch

        held = self.state
        now_T = torch.stack(list(loss_T)).detach().float().clamp(min=self.config.floor)
        held.update({name: tensor.to(now_T.device) for name, tensor in held.items()})
        if held["before_T"].any():
            self._learn(famo_slope(held["logits_T"], held["before_T"], now_T))
        held["before_T"] = now_T
        return famo_weights(now_T, held["logits_T"])

    def _learn(self, slope_T: Tensor) -> None:
        """One step of Adam (Kingma & Ba 2015), whose moments live in the state."""
        held = self.state
        slope_T = slope_T + self.config.decay * held["logits_T"]
        held["steps"] = held["steps"] + 1
        held["mean_T"] = 0.9 * held["mean_T"] + 0.1 * slope_T
        held["square_T"] = 0.999 * held["square_T"] + 0.001 * slope_T.square()
        mean_T = held["mean_T"] / (1 - 0.9 ** held["steps"])
        square_T = held["square_T"] / (1 - 0.999 ** held["steps"])
        held["logits_T"] = held["logits_T"] - self.config.rate * mean_T / (square_T.sqrt() + 1e-8)
