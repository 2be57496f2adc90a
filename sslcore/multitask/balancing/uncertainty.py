"""Uncertainty weighting: each task learns how noisy it is, and a noisy task weighs less.

Kendall et al. 2018, arXiv:1705.07115. ``sum_t L_t / (2 exp(s_t)) + s_t / 2`` with the log variances ``s``
trained beside the network, from -0.5 on as in LibMTL. The form is the paper's for regression, used for all
kinds of task as its authors' followers do.

When: tasks of different kind (classes beside numbers), whose losses have different scales, or one with noisy
labels. Of two tasks with few labels it may trust the one learned by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.multitask import BALANCINGS
from sslcore.multitask.base import Balancing

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class UncertaintyConfig(Config):
    """Settings of uncertainty weighting."""

    start: float = param(-0.5, low=-10, high=10, help="Log variance that every task starts with.")


def uncertainty_weighted(loss_T: Tensor, log_variance_T: Tensor) -> Tensor:
    """``L_t / (2 exp(s_t)) + s_t / 2`` of each task.

    >>> import torch
    >>> uncertainty_weighted(torch.tensor([1.0, 3.0]), torch.zeros(2)).tolist()
    [0.5, 1.5]
    """
    return 0.5 * loss_T * (-log_variance_T).exp() + 0.5 * log_variance_T


@BALANCINGS.register(
    "uncertainty",
    title="Uncertainty weighting",
    family="balancing",
    paper="Kendall et al. 2018, arXiv:1705.07115",
    config=UncertaintyConfig,
)
class Uncertainty(Balancing):
    """Learns a log variance a task."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        super().__init__(config, tasks)
        start_T = torch.full((len(self.tasks),), float(self.config.start))
        self.own["log_variance"] = torch.nn.ParameterList([torch.nn.Parameter(start_T)])

    @property
    def log_variance_T(self) -> Tensor:
        """The log variances."""
        return cast("Tensor", self.own["log_variance"][0])  # type: ignore[index]

    def weights(self) -> Tensor | None:
        """``1 / (2 exp(s))``."""
        return 0.5 * (-self.log_variance_T.detach()).exp()

    def backward(self, loss_T: Sequence[Tensor], beside: Tensor, network: Network) -> Tensor:
        """Fills the gradients of network and log variances; returns the total, detached."""
        import torch

        if len(loss_T) > 1:  # the user's weights on all of it: the variances would learn to cancel them
            loss_T = uncertainty_weighted(torch.stack(list(loss_T)), self.log_variance_T).unbind()
        total = torch.stack(self.user_weighted(loss_T)).sum() + beside
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()
