"""AdaMatch: a bar relative to the confidence on labelled items, and answers spread as the labels are.

Berthelot et al. 2022, arXiv:2106.04732. Keep where ``max q >= tau * mean_l max p_l``; ``q`` is
``n(p * p_l / p_u)``, the weak prediction moved from the mean answer on unlabelled items to that on labelled
ones. Both means are moving averages (from 1/C on), where the paper takes one batch: 16 labelled items are too
few for a mean. Logit interpolation, for shifted domains, is left out.

When: labelled and unlabelled items come from different places (another camera, another year), or the model is
unsure of everything: the bar moves with its confidence on labelled items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.alignment import Alignment
from sslcore.methods.balanced_head import BalancedConfig
from sslcore.methods.base import Batch, Moment, Seen
from sslcore.methods.threshold import ThresholdMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AdaMatchConfig(BalancedConfig):
    """Settings of AdaMatch."""

    threshold: float = param(
        0.9, low=0, high=1, help="Confidence a pseudo-label needs, as a share of that on labelled items."
    )
    momentum: float = param(0.99, low=0, high=1, help="How slowly the mean answers follow.")


@METHODS.register(
    "adamatch",
    title="AdaMatch",
    family="deep",
    paper="Berthelot et al. 2022, arXiv:2106.04732",
    config=AdaMatchConfig,
)
class AdaMatch(ThresholdMethod):
    """FixMatch with a relative threshold and distribution alignment."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for task in range(len(tasks)):
            self.state[f"{task}.confidence"] = torch.tensor(1.0)

    def aligned(self, tasks: Sequence[TaskShape]) -> Alignment:
        """Answers on unlabelled items are spread as those on labelled ones."""
        return Alignment(self.state, tasks, target="answers", momentum=self.config.momentum)

    def observe(self, task: int, proba_UC: Tensor, seen: Seen, batch: Batch, at: Moment) -> None:
        """Takes the confidence on the labelled items; a batch without labels of this task leaves it."""
        known_B = (batch.label_TB[task] >= 0).to(proba_UC.dtype)
        count = known_B.sum()
        top = (seen.logits["labelled"].detach().softmax(1).max(1).values * known_B).sum() / count.clamp(min=1)
        confidence = self.state[f"{task}.confidence"]
        confidence.copy_(top.where(count > 0, confidence))

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the relative threshold up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold * self.state[f"{task}.confidence"])

    def thresholds(self, task: int) -> Tensor:
        """The relative threshold, the same for every class."""
        bar: Tensor = self.config.threshold * self.state[f"{task}.confidence"]
        return bar.expand(self.tasks[task].classes)
