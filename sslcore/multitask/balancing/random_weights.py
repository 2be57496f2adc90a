"""Random loss weighting: new weights at every step, as a bar that cleverer rules have to clear.

Lin et al. 2022, arXiv:2111.10603. ``w = T softmax(n)``, n standard normal; equal weights in the mean. The
draw comes from torch's generator, which the loop seeds at every step.

When: to judge another rule by: one that does not beat drawn weights has earned nothing. A cheap guard against
one task winning early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config
from sslcore.multitask import BALANCINGS
from sslcore.multitask.loss_weights import LossWeights

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class RandomWeightsConfig(Config):
    """Nothing to set."""


@BALANCINGS.register(
    "random_weights",
    title="Random weights",
    family="balancing",
    paper="Lin et al. 2022, arXiv:2111.10603",
    config=RandomWeightsConfig,
)
class RandomWeights(LossWeights):
    """Draws the weights anew at every step."""

    def weigh(self, loss_T: Sequence[Tensor], network: Network) -> Tensor:
        """``T softmax(n)``."""
        import torch

        return len(loss_T) * torch.randn(len(loss_T)).softmax(0)
