"""FlexMatch: a class that is learned slowly gets a lower bar.

Zhang et al. 2021, arXiv:2110.08263. FixMatch with ``tau_c = tau * b_c / (2 - b_c)``; ``b_c`` counts the items
whose last answer above ``tau`` was class c, over the largest such count (or over the items without any yet,
while those are more: threshold warm-up). An item's last confident answer is remembered until the next one.

When: some classes are learned late, and under FixMatch's one threshold get no pseudo-labels; classes should
be of about equal size, since a rare one looks like a slow one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import Config
from sslcore.methods import METHODS
from sslcore.methods.base import Batch
from sslcore.methods.fixmatch import FixMatchConfig
from sslcore.methods.threshold import ThresholdMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FlexMatchConfig(FixMatchConfig):
    """Settings of FlexMatch."""


@METHODS.register(
    "flexmatch",
    title="FlexMatch",
    family="deep",
    paper="Zhang et al. 2021, arXiv:2110.08263",
    config=FlexMatchConfig,
)
class FlexMatch(ThresholdMethod):
    """FixMatch with a curriculum of thresholds."""

    one_device: ClassVar[str] = "it remembers the last sure answer on every item"

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for task in range(len(tasks)):
            self.state[f"{task}.answer_N"] = torch.full((items,), -1, dtype=torch.long)

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the bar of the class up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.thresholds(task))

    def thresholds(self, task: int) -> Tensor:
        """The curriculum's bar of each class."""
        from sslcore.losses.adaptive import class_counts, curriculum_threshold

        answer_N = self.state[f"{task}.answer_N"]
        count_C = class_counts(answer_N, self.tasks[task].classes)  # the first: none yet
        unused = count_C[0] - (self.items - self.dealt)  # those that never come by are not late
        return curriculum_threshold(count_C[1:], unused, threshold=self.config.threshold)

    def remember(self, task: int, proba_UC: Tensor, batch: Batch) -> None:
        """Keeps the answers above the fixed threshold."""
        from sslcore.losses.adaptive import above

        answer_N = self.state[f"{task}.answer_N"]
        sure_U = above(proba_UC, self.config.threshold) > 0
        answer_N[batch.row_U] = proba_UC.argmax(1).where(sure_U, answer_N[batch.row_U])
