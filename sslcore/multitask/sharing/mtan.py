"""MTAN: one network for all tasks, and for each task masks that choose from what every part gives.

Liu et al. 2019, arXiv:1803.10704. ``a_j = m_j * p_j`` with part j's output p and the mask ``m_j = sigmoid(W2
relu(W1 [p_j, a_(j-1)]))`` at every position; the last chosen features are the task's. What differs: masks
have no batch norm, and what was chosen below is brought to the part's size by averaging, since parts may be
anything; masks start near 1, which is hard sharing.

When: image tasks that look at different places of the same picture; masks cost far less than towers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


@dataclass(frozen=True)
class MTANConfig(Config):
    """Settings of attention sharing."""

    squeeze: int = param(4, low=1, high=64, help="How many times narrower a mask's hidden layer is.")


@SHARINGS.register(
    "mtan",
    title="Attention masks (MTAN)",
    family="sharing",
    paper="Liu et al. 2019, arXiv:1803.10704",
    config=MTANConfig,
)
class MTAN(Sharing):
    """Tasks choose from a shared network by masks."""

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """One column with masks for each task."""
        from sslcore.multitask.trunks import Attention, side_by_side

        trunk = Attention(make(), len(tasks), self.config.squeeze)
        return trunk, side_by_side([trunk.first.width] * len(tasks))
