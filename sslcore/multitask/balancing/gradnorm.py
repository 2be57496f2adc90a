"""GradNorm: all tasks pull on the last shared weights alike, those that learn slowly a little more.

Chen et al. 2018, arXiv:1711.02257. Weights descend ``sum_t |w_t n_t - mean(w n) r_t^alpha|``, n the gradient
norms on the last shared weights, ``r_t`` the loss over its first value, divided by the tasks' mean of that;
the right-hand side is held constant, and the weights are then scaled to the sum T. What differs: a plain step
on the logarithm of a weight, so that none can become negative.

When: one task's gradient drowns the others', and they still share most of what they need. It costs a backward
pass a task through the last shared weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.multitask import BALANCINGS
from sslcore.multitask.loss_weights import LossWeights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sslcore.models.network import Network

LEAST = 1e-8


@dataclass(frozen=True)
class GradNormConfig(Config):
    """Settings of GradNorm."""

    alpha: float = param(1.5, low=0, high=10, help="How much more a task that learns slowly may pull.")
    rate: float = param(0.025, low=0, high=1, help="How fast the weights move; 0: they stay equal.")


def pull_targets(weight_T: Tensor, norm_T: Tensor, pace_T: Tensor, *, alpha: float) -> Tensor:
    """``mean(w n) r^alpha``: the pull each task should have.

    Args:
        weight_T: The weights.
        norm_T: Gradient norms of the unweighted losses.
        pace_T: Losses over their first values; higher is slower.
        alpha: How much slowness counts.

    >>> import torch
    >>> pull_targets(torch.ones(2), torch.tensor([1.0, 3.0]), torch.tensor([0.5, 1.5]), alpha=1.0).tolist()
    [1.0, 3.0]
    """
    slowness_T = pace_T / pace_T.mean().clamp(min=LEAST)
    return (weight_T * norm_T).mean() * slowness_T.pow(alpha)


def moved_weights(weight_T: Tensor, norm_T: Tensor, target_T: Tensor, *, rate: float) -> Tensor:
    """Weights after a step towards the targets, with the sum T.

    The slope of ``|w n - target|`` in ``log w`` is ``sign(w n - target) w n``, here over the mean pull, so
    that a rate means the same whatever the scale of the gradients.

    >>> import torch
    >>> moved_weights(
    ...     torch.ones(2), torch.tensor([3.0, 1.0]), torch.tensor([2.0, 2.0]), rate=0.1
    ... ).sum().item()
    2.0
    """
    pull_T = weight_T * norm_T
    slope_T = (pull_T - target_T).sign() * pull_T / pull_T.mean().clamp(min=LEAST)
    moved_T = weight_T * (-rate * slope_T).exp()
    return len(moved_T) * moved_T / moved_T.sum()


@BALANCINGS.register(
    "gradnorm",
    title="Equal gradient norms (GradNorm)",
    family="balancing",
    paper="Chen et al. 2018, arXiv:1711.02257",
    config=GradNormConfig,
)
class GradNorm(LossWeights):
    """Keeps the tasks' pulls on the last shared weights alike."""

    one_device: ClassVar[str] = "it measures the tasks' gradients, and a device sees those of its own items"

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        super().__init__(config, tasks)
        self.state["first_T"] = torch.zeros(len(self.tasks))

    def weigh(self, loss_T: Sequence[Tensor], network: Network) -> Tensor:
        """The weights after one step on them."""
        import torch

        now_T = torch.stack(list(loss_T)).detach().float().clamp(min=LEAST)
        first_T = self.state["first_T"].to(now_T.device)
        first_T = torch.where(first_T > 0, first_T, now_T)  # a task's first loss is that of its first labels
        self.state["first_T"] = torch.where(now_T > LEAST, first_T, self.state["first_T"].to(now_T.device))
        last = last_shared(network)
        if not last:
            return self.state["weight_T"]
        norm_T = torch.stack([_norm(loss, last) for loss in loss_T])
        weight_T = self.state["weight_T"].to(now_T.device)
        if not torch.isfinite(norm_T).all():  # too large for float16: the scaler leaves this step out
            return weight_T
        target_T = pull_targets(weight_T, norm_T, now_T / first_T, alpha=self.config.alpha)
        return moved_weights(weight_T, norm_T, target_T, rate=self.config.rate)


def last_shared(network: Network) -> list[nn.Parameter]:
    """The trained weights of the last part that has any, of those that all tasks read."""
    for part in reversed(network.backbone.shared_parts()):
        found = [weight for weight in part.parameters() if weight.requires_grad]
        if found:
            return found
    return []


def _norm(loss: Tensor, weights: Sequence[nn.Parameter]) -> Tensor:
    import torch

    if not loss.requires_grad:
        return torch.zeros((), device=loss.device)
    found = torch.autograd.grad(loss, list(weights), retain_graph=True, allow_unused=True)
    squares = [part.float().square().sum() for part in found if part is not None]
    return torch.stack(squares).sum().sqrt() if squares else torch.zeros((), device=loss.device)
