"""SoftMatch: every answer counts, the unsure ones less.

Chen et al. 2023, arXiv:2301.10921. ``mean_u w_u CE(p_s, argmax p_w)``, where the weight is
``exp(-(max p - mu)_-^2 n^2 / (2 s^2))``; ``mu`` and ``s^2`` are moving averages of the top probability's mean
and variance. Uniform alignment: the weight (not the label) is taken from ``p`` moved towards equal classes,
``n(p * (1/C) / mean p)``.

When: the choice of a threshold is the trouble: too high and little is used, too low and much is wrong. Every
answer counts here by its confidence. A good second after ``fixmatch`` on any set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.balanced_head import BalancedConfig
from sslcore.methods.base import Batch, Moment, Seen
from sslcore.methods.threshold import ThresholdMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SoftMatchConfig(BalancedConfig):
    """Settings of SoftMatch."""

    n_sigma: float = param(2.0, low=0.1, high=10, help="How steeply the weight falls below the mean.")
    momentum: float = param(0.999, low=0, high=1, help="How slowly the mean and the variance follow.")
    align: bool = param(True, help="Weigh answers as if classes were equally frequent.")


@METHODS.register(
    "softmatch",
    title="SoftMatch",
    family="deep",
    paper="Chen et al. 2023, arXiv:2301.10921",
    config=SoftMatchConfig,
)
class SoftMatch(ThresholdMethod):
    """FixMatch with soft weights."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            self.state[f"{index}.mean"] = torch.tensor(1 / task.classes)
            self.state[f"{index}.variance"] = torch.tensor(1.0)
            self.state[f"{index}.mean_proba_C"] = torch.full((task.classes,), 1 / task.classes)

    def aligned(self, tasks: Sequence[TaskShape]) -> None:
        """None: SoftMatch aligns the weights and leaves the labels."""

    def observe(self, task: int, proba_UC: Tensor, seen: Seen, batch: Batch, at: Moment) -> None:
        """Moves the averages."""
        step = 1 - self.config.momentum
        self.state[f"{task}.mean_proba_C"].lerp_(proba_UC.mean(0), step)
        top_U = self._even(task, proba_UC).max(1).values
        self.state[f"{task}.mean"].lerp_(top_U.mean(), step)
        self.state[f"{task}.variance"].lerp_(top_U.var(correction=1 if len(top_U) > 1 else 0), step)

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """The weight of each answer."""
        from sslcore.losses.adaptive import truncated_gaussian

        return truncated_gaussian(
            self._even(task, proba_UC),
            self.state[f"{task}.mean"],
            self.state[f"{task}.variance"].clamp(min=1e-8),
            n_sigma=self.config.n_sigma,
        )

    def thresholds(self, task: int) -> Tensor:
        """The mean confidence: answers below it count less and less, those above it in full."""
        return self.state[f"{task}.mean"].expand(self.tasks[task].classes)

    def _even(self, task: int, proba_UC: Tensor) -> Tensor:
        from sslcore.losses.adaptive import align

        if not self.config.align:
            return proba_UC
        equal_C = proba_UC.new_full((proba_UC.shape[1],), 1 / proba_UC.shape[1])
        return align(proba_UC, equal_C, self.state[f"{task}.mean_proba_C"])
