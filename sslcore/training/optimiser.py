"""Stochastic gradient descent for the network, Adam for what asks for it.

A decoder or a generator beside the network has gradients of quite other sizes than a classifier, layer by
layer, and hardly moves under plain SGD at the classifier's rate; Adam (Kingma & Ba 2015, arXiv:1412.6980)
does not care about their size. The network itself stays with SGD. One optimiser, one backward pass, one
state to save: a group with ``adaptive`` set to its beta_1 moves by Adam, the others by SGD.
"""

from __future__ import annotations

from typing import Any

import torch

BETA_2, EPSILON = 0.999, 1e-8


class PartlyAdaptive(torch.optim.SGD):
    """SGD whose groups may ask for Adam.

    >>> weight = torch.nn.Parameter(torch.tensor([1.0, -3.0]))
    >>> optimiser = PartlyAdaptive([{"params": [weight], "adaptive": 0.9}], lr=0.1)
    >>> weight.grad = torch.tensor([5.0, -0.02])
    >>> optimiser.step()
    >>> [round(value, 4) for value in weight.tolist()]
    [0.9, -2.9]
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Moves all weights that have a gradient."""
        groups = self.param_groups
        try:
            self.param_groups = [group for group in groups if "adaptive" not in group]
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if "adaptive" in group:
                self._adam(group)
        return loss

    def _adam(self, group: dict[str, Any]) -> None:
        """One step of Adam with decoupled weight decay (AdamW)."""
        beta, rate = group["adaptive"], group["lr"]
        for weight in group["params"]:
            if weight.grad is None:
                continue
            held = self.state[weight]
            if not held:
                held["mean"], held["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
                held["count"] = torch.zeros((), device=weight.device)
            held["count"] += 1
            held["mean"].lerp_(weight.grad, 1 - beta)
            held["square"].mul_(BETA_2).addcmul_(weight.grad, weight.grad, value=1 - BETA_2)
            spread = (held["square"] / (1 - BETA_2 ** held["count"])).sqrt_().add_(EPSILON)
            weight.mul_(1 - rate * group["weight_decay"])
            weight.sub_(rate * (held["mean"] / (1 - beta ** held["count"])) / spread)
