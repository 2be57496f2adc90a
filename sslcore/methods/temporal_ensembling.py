"""Temporal ensembling: agree with the average of your own past answers on the item.

Laine & Aila 2017, arXiv:1610.02242. ``w(t) mean_u mean_c (p - z)^2`` with ``z = Z / (1 - a^n)``, ``Z <- a Z
+ (1 - a) p`` each time the item is seen: a moving average without bias from the first answer on. What
differs: ``n`` counts an item's own answers, not epochs; the average is of answers on weak views, this one
included, and the strong view follows it (the paper had one kind of view). The table has a row for each item.

When: small sets, whose items are seen often enough within the budget for an average of their answers to mean
something; on large ones the average is old before it is used: ``mean_teacher``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Seen
from sslcore.methods.consistency import ConsistencyConfig, ConsistencyMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TemporalEnsemblingConfig(ConsistencyConfig):
    """Settings of temporal ensembling."""

    momentum: float = param(0.6, low=0, high=0.999, help="How much of the past answers stays.")


@METHODS.register(
    "temporal_ensembling",
    title="Temporal ensembling",
    family="deep",
    paper="Laine & Aila 2017, arXiv:1610.02242",
    config=TemporalEnsemblingConfig,
)
class TemporalEnsembling(ConsistencyMethod):
    """Each item's answers follow their own moving average."""

    target_views = ("weak",)
    one_device = "it remembers the answers on every item"

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            self.state[f"{index}.answer_NC"] = torch.zeros(items, task.classes)
            self.state[f"{index}.seen_N"] = torch.zeros(items)

    def target(self, task: int, seen: Seen, batch: Batch) -> Tensor:
        """The unbiased mean of the answers on the item so far."""
        from sslcore.losses.consistency import unbiased_mean

        answer_NC, seen_N = self.state[f"{task}.answer_NC"], self.state[f"{task}.seen_N"]
        now_UC, count_U = seen.logits["weak"].softmax(1), seen_N[batch.row_U] + 1
        sum_UC = answer_NC[batch.row_U].lerp(now_UC, 1 - self.config.momentum)
        answer_NC[batch.row_U], seen_N[batch.row_U] = sum_UC, count_U
        return unbiased_mean(sum_UC, count_U, momentum=self.config.momentum)
