"""PCGrad: where two tasks pull against each other, each gives up the part that hurts the other.

Yu et al. 2020, arXiv:2001.06782. For task i and every other j in random order: where ``g_i . g_j < 0``,
``g_i <- g_i - (g_i . g_j / |g_j|^2) g_j`` with the other's gradient as it was; the results are added. The
projections are TorchJD's (arXiv:2406.16232), on the Gramian. The order is drawn from torch's generator,
which the loop seeds at every step.

When: two or three tasks that contradict each other on the same items. Each task needs a backward pass of its
own, so steps get fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config
from sslcore.multitask import BALANCINGS
from sslcore.multitask.gradients import GradientBalancing

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PCGradConfig(Config):
    """Nothing to set."""


def project_conflicts(inner_TT: Tensor) -> Tensor:
    """Weights ``T`` of the gradients in the sum of the projected ones.

    Args:
        inner_TT: Inner products of the tasks' gradients.

    >>> import torch
    >>> gradient_TD = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    >>> project_conflicts(gradient_TD @ gradient_TD.T).tolist()  # 1 + 1 and 1 + 1/2
    [2.0, 1.5]
    """
    from torchjd.aggregation import PCGradWeighting

    return PCGradWeighting()(inner_TT)


@BALANCINGS.register(
    "pcgrad",
    title="Conflicts projected away (PCGrad)",
    family="balancing",
    paper="Yu et al. 2020, arXiv:2001.06782",
    config=PCGradConfig,
)
class PCGrad(GradientBalancing):
    """Takes out of each task's gradient what works against another task."""

    def combine(self, inner_TT: Tensor) -> Tensor:
        """Weights after the projections."""
        return project_conflicts(inner_TT)
