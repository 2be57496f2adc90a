"""Dynamic weight averaging: the slower a task's loss falls, the more it weighs.

Liu et al. 2019, arXiv:1803.10704. ``w_t = T softmax(r_t / 2)`` with ``r_t`` the last period's mean loss over
that of the period before. A period is a number of steps here, since a run with few labels has no epochs to
speak of; weights are 1 until two of them are over.

When: losses that fall at different speed in a long run; it costs nothing. In short runs its periods are too
few to matter.
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

LEAST = 1e-8  # a loss that is all gone falls no more


@dataclass(frozen=True)
class DWAConfig(Config):
    """Settings of dynamic weight averaging."""

    temperature: float = param(2.0, low=0.01, high=1000, help="Higher: weights nearer to each other.")
    period: int = param(50, low=1, high=1_000_000, help="Steps over which a loss is averaged.")


def descent_weights(newer_T: Tensor, older_T: Tensor, *, temperature: float) -> Tensor:
    """``T softmax(newer / older / temperature)``.

    Args:
        newer_T: Mean losses of the last period.
        older_T: Those of the period before.
        temperature: Higher brings the weights nearer to 1.

    >>> import torch
    >>> descent_weights(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), temperature=2.0).tolist()
    [1.0, 1.0]
    """
    rate_T = newer_T.clamp(min=LEAST) / older_T.clamp(min=LEAST)
    return len(rate_T) * (rate_T / temperature).softmax(0)


@BALANCINGS.register(
    "dwa",
    title="Dynamic weight averaging",
    family="balancing",
    paper="Liu et al. 2019, arXiv:1803.10704",
    config=DWAConfig,
)
class DynamicWeightAveraging(LossWeights):
    """Weighs tasks by how slowly their losses fall."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        super().__init__(config, tasks)
        nothing = torch.zeros(len(self.tasks))
        self.state |= {"sum_T": nothing, "newer_T": nothing.clone(), "older_T": nothing.clone()}
        self.state["steps"] = torch.zeros(())

    def weigh(self, loss_T: Sequence[Tensor], network: Network) -> Tensor:
        """The weights of the period; this step's losses go into the next."""
        import torch

        held, period = self.state, self.config.period
        steps = int(held["steps"])
        if steps and steps % period == 0:
            held["older_T"], held["newer_T"] = held["newer_T"], held["sum_T"] / period
            held["sum_T"] = torch.zeros_like(held["sum_T"])
        held["sum_T"] = held["sum_T"].to(loss_T[0].device) + torch.stack(list(loss_T)).detach()
        held["steps"] = held["steps"] + 1
        if steps < 2 * period:
            return torch.ones(len(loss_T))
        return descent_weights(held["newer_T"], held["older_T"], temperature=self.config.temperature)
