"""What a step computes: all losses in one forward, and gradients that float16 can hold.

The losses are one module, because several devices average the gradients of what went through one forward
(:mod:`sslcore.training.fleet`). In float16 small gradients would become zero, so they are computed larger
and brought back before clipping (Micikevicius et al. 2018, arXiv:1710.03740). Losses keep their values: the
factor enters on the way back, or a balancing that looks at losses would weigh the factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sslcore.methods.base import Batch, Diagnostics, Method, Moment
from sslcore.models.network import Network
from sslcore.multitask.base import Balancing, Sharing
from sslcore.training.valued import Valued
from sslcore.transfer.base import Transfer


class Losses(nn.Module):
    """All losses of a step.

    Args:
        network: The trained network.
        method: What is learned of the batch.
        sharing: May pull on the trunk's weights.
        transfer: May pull on all weights, and draw items of its own.
        valued: Tasks that are learned beside the method; their losses come last.
    """

    def __init__(
        self,
        network: Network,
        method: Method,
        sharing: Sharing,
        transfer: Transfer,
        valued: Valued | None = None,
    ) -> None:
        super().__init__()
        self.network, self.own = network, method.own
        self._method, self._sharing, self._transfer = method, sharing, transfer
        self._valued = valued

    def forward(
        self, batch: Batch, at: Moment, rng: torch.Generator
    ) -> tuple[list[Tensor], Tensor, Diagnostics]:
        """The loss of each task, what is learned beside them, and what the step tells."""
        drawn = self._transfer.loss(self.network, at)
        loss_T, beside, told = self._of_method(batch, at, rng)
        if self._valued is not None and batch.valued is not None:
            more_T, labelled, unlabelled = self._valued.losses(
                self.network, batch.valued, done=at.done, weight=self._method.weight
            )
            loss_T = [*loss_T, *more_T]
            told = replace(
                told,
                loss_labelled=told.loss_labelled + labelled,
                loss_unlabelled=told.loss_unlabelled + unlabelled,
            )
        penalties = (self._sharing.penalty(self.network.backbone), self._transfer.penalty(self.network))
        for more in (drawn, *penalties):
            beside = beside if more is None else beside + more
        return loss_T, beside, told

    def _of_method(
        self, batch: Batch, at: Moment, rng: torch.Generator
    ) -> tuple[list[Tensor], Tensor, Diagnostics]:
        """What the method makes of its tasks, of labels alone where no views came; it sees no other heads."""
        count = len(self._method.tasks)
        if not count:
            zero = torch.zeros((), device=batch.labelled_B.device)
            return [], zero, Diagnostics(zero, zero, zero)
        if self._method.views and not batch.views:
            return self._method.labels_alone(self.network.of_first(count), batch, rng)
        at = replace(at, teacher=at.teacher.of_first(count))
        return self._method.losses(self.network.of_first(count), batch, at, rng)


class _Larger(torch.autograd.Function):
    """The value as it is; its gradient times a factor."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


class Descent:
    """From losses to moved weights: backward, unscaled, clipped, stepped.

    Args:
        optimiser: Moves the weights.
        balancing: Makes one gradient of the tasks' losses.
        network: The trained network.
        clip: Longest gradient that is let through; 0: any.
        scaler: Scales gradients in float16; switched off otherwise.
    """

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        balancing: Balancing,
        network: Network,
        *,
        clip: float,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.optimiser, self.balancing, self.network = optimiser, balancing, network
        self.clip, self.scaler = clip, scaler
        self.weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        # Adam does not care how long a gradient is, so a decoder's must not shorten the network's
        plain = [group for group in optimiser.param_groups if "adaptive" not in group]
        self.clipped = [weight for group in plain for weight in group["params"]]

    def down(self, loss_T: Sequence[Tensor], beside: Tensor) -> Tensor:
        """One step down the losses of the tasks; the total that was stepped on, detached."""
        self.optimiser.zero_grad(set_to_none=True)
        total = self.balancing.backward(*self._larger(loss_T, beside), self.network)
        self._move()
        return total

    def alone(self, loss: Tensor) -> Tensor:
        """One step down a loss that is no task's."""
        self.optimiser.zero_grad(set_to_none=True)
        self._larger([], loss)[1].backward()  # type: ignore[no-untyped-call]
        self._move()
        return loss.detach()

    def finite(self) -> bool:
        """Whether all weights are numbers; waits for the device."""
        sums = [weight.detach().float().sum() for weight in self.weights]
        return bool(torch.isfinite(torch.stack(sums)).all())

    def _larger(self, loss_T: Sequence[Tensor], beside: Tensor) -> tuple[list[Tensor], Tensor]:
        if not self.scaler.is_enabled():
            return list(loss_T), beside
        factor = self.balancing.larger = self.scaler.scale(torch.ones((), device=beside.device))
        return [_Larger.apply(loss, factor) for loss in loss_T], _Larger.apply(beside, factor)

    def _move(self) -> None:
        if self.scaler.is_enabled():
            factor = self.scaler.scale(torch.ones((), device=self.weights[0].device))
            for weight in self.balancing.own.parameters():  # their gradients never met the factor
                if weight.grad is not None:
                    weight.grad.mul_(factor)
        self.scaler.unscale_(self.optimiser)
        if self.clip > 0:
            torch.nn.utils.clip_grad_norm_(self.clipped, self.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
