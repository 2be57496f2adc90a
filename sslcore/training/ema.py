"""Averaged weights: ``avg <- d avg + (1 - d) weights``, batch-norm statistics included.

Reported at the end of every run, and the teacher of those methods that have one. The decay starts low,
``min(d, (1 + t) / (10 + t))``, or a short run would end on the average of its random first weights
(TensorFlow's ExponentialMovingAverage, ``num_updates``).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sslcore.models.network import Network


class AveragedNetwork:
    """Keeps a second network whose weights follow those of the trained one.

    Args:
        network: The trained network.
        decay: Share of the old average that stays at each step, once the start is over.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        mine, theirs = (
            self.network.state_dict(),
            network.state_dict(),
        )  # tensors share memory with the weights
        moving = [name for name in mine if mine[name].is_floating_point()]
        self._average: list[Tensor] = [mine[name] for name in moving]
        self._source: list[Tensor] = [theirs[name] for name in moving]
        self._counters = [(mine[name], theirs[name]) for name in mine if not mine[name].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the weights after ``step`` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._source, 1 - decay)
        for average, source in self._counters:
            average.copy_(source)
