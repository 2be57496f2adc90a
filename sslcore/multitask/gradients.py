"""One gradient of the shared weights for each task, and how they become one.

The rules that look at gradients (PCGrad, CAGrad, Nash-MTL) need only the Gramian ``M_ij = g_i . g_j`` of the
shared weights, and answer with a weight a task: the shared weights get ``sum_t w_t g_t``, heads and all
that belongs to one task keep their own plain gradient, as in the papers and in TorchJD. A pass a task: each
loss is sent back by itself, so nothing is computed twice and no gradient is taken by difference.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from sslcore.models import TaskShape
from sslcore.multitask.base import Balancing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sslcore.config import Config
    from sslcore.models.network import Network

Gradients: TypeAlias = "list[Tensor | None]"
"""A gradient for each shared weight; None where a loss does not reach it."""


def gramian(gradient_T: Sequence[Gradients]) -> Tensor:
    """Inner products ``TT`` of the tasks' gradients over all shared weights, float32.

    >>> import torch
    >>> gramian([[torch.tensor([3.0, 4.0]), None], [torch.tensor([1.0, 0.0]), torch.tensor([2.0])]]).tolist()
    [[25.0, 3.0], [3.0, 5.0]]
    """
    import torch

    found = [part for gradients in gradient_T for part in gradients if part is not None]
    inner_TT = torch.zeros(
        len(gradient_T), len(gradient_T), device=found[0].device if found else torch.device("cpu")
    )
    for part_T in zip(*gradient_T, strict=True):
        for one, left in enumerate(part_T):
            for other, right in enumerate(part_T[: one + 1]):
                if left is None or right is None:
                    continue
                inner = (left.float() * right.float()).sum()
                inner_TT[one, other] += inner
                if other < one:
                    inner_TT[other, one] += inner
    return inner_TT


def merge(gradient_T: Sequence[Gradients], weight_T: Tensor) -> Gradients:
    """``sum_t w_t g_t`` for each shared weight; None where no task reaches it.

    >>> import torch
    >>> merge([[torch.tensor([3.0]), None], [torch.tensor([1.0]), None]], torch.tensor([2.0, 10.0]))
    [tensor([16.]), None]
    """
    merged: Gradients = []
    for part_T in zip(*gradient_T, strict=True):
        total: Tensor | None = None
        for weight, part in zip(weight_T.unbind(), part_T, strict=True):
            if part is not None:
                scaled = weight.to(part) * part
                total = scaled if total is None else total + scaled
        merged.append(total)
    return merged


def shared_weights(network: Network) -> list[nn.Parameter]:
    """The weights that tasks have in common and that are trained: the backbone's."""
    return [weight for weight in network.backbone.parameters() if weight.requires_grad]


class GradientBalancing(Balancing):
    """Base of the balancings that look at the tasks' gradients.

    Attributes:
        user_after: Whether the user's weights count after the rule, which would make up for them before.
        state: ``weight_T``, how much of each task's gradient went into the last step.
    """

    user_after: ClassVar[bool] = False
    one_device: ClassVar[str] = "it mends the gradient of each task, and a device sees those of its own items"

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        super().__init__(config, tasks)
        self.state["weight_T"] = torch.ones(len(self.tasks))

    @abstractmethod
    def combine(self, inner_TT: Tensor) -> Tensor:
        """Weights ``T`` for gradients with these inner products; all 1 is the plain sum."""

    def weights(self) -> Tensor | None:
        """How much of each task's gradient went into the last step."""
        return self.state["weight_T"]

    def backward(self, loss_T: Sequence[Tensor], beside: Tensor, network: Network) -> Tensor:
        """Fills the gradients, which must be empty before.

        Args:
            loss_T: The loss of each task, before the user's weights.
            beside: A loss that is no task's; its gradient is added as it is.
            network: The network the losses came from.

        Returns:
            The sum of the losses with the user's weights, detached.
        """
        import torch

        user_T = self.user_weighted(loss_T)
        total = torch.stack(user_T).sum() + beside
        shared = shared_weights(network)
        if len(user_T) == 1 or not shared:
            total.backward()  # type: ignore[no-untyped-call]
            return total.detach()
        gradient_T = [_sent_back(loss, shared) for loss in user_T]
        extra = _sent_back(beside, shared)
        inner_TT = self._plain(gramian(gradient_T))
        weight_T = torch.ones(len(user_T), device=inner_TT.device)
        if torch.isfinite(inner_TT).all() and inner_TT.trace() > 0:  # else the loop says what is wrong
            weight_T = self.combine(inner_TT)
        for weight, own, more in zip(shared, merge(gradient_T, weight_T), extra, strict=True):
            weight.grad = more if own is None else own if more is None else own + more
        self.state["weight_T"] = weight_T.detach()
        return total.detach()

    def _plain(self, inner_TT: Tensor) -> Tensor:
        """The inner products without float16's factor, nor the user's weights where these come after."""
        import torch

        if self.larger is not None:
            inner_TT = inner_TT / self.larger.to(inner_TT).square()
        if self.user_after:
            user_T = torch.tensor([task.weight or 1.0 for task in self.tasks]).to(inner_TT)
            inner_TT = inner_TT / user_T.outer(user_T)
        return inner_TT


def _sent_back(loss: Tensor, shared: Sequence[nn.Parameter]) -> Gradients:
    """The loss's gradient of the shared weights; that of all others is added to what they hold."""
    for weight in shared:
        weight.grad = None
    if loss.requires_grad:
        loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    found: Gradients = [weight.grad for weight in shared]
    for weight in shared:
        weight.grad = None
    return found
