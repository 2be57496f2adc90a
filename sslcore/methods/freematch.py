"""FreeMatch: thresholds that follow the model's own confidence, and a pull towards fair answers.

Wang et al. 2023, arXiv:2205.07246. ``tau_c = tau_t p_c / max p``; ``tau_t`` a moving average of the mean top
probability, ``p`` of the mean prediction, ``h`` of the answers' histogram, all from weak views, from 1/C
on. ``FixMatch loss at tau_c + w_f * fairness``. The averages are renewed before they are used, as in the
authors' code. What differs: the weight is ramped up, as the low bars of the start let everything in.

When: very few labels (one to four a class) and no idea which threshold suits. Its pull towards fair answers
expects classes of about equal size; weigh it down where they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Moment, Seen
from sslcore.methods.threshold import ThresholdConfig, ThresholdMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FreeMatchConfig(ThresholdConfig):
    """Settings of FreeMatch."""

    momentum: float = param(0.999, low=0, high=1, help="How slowly thresholds follow the model's confidence.")
    fairness_weight: float = param(0.01, low=0, high=10, help="Weight of the pull towards fair answers.")


@METHODS.register(
    "freematch",
    title="FreeMatch",
    family="deep",
    paper="Wang et al. 2023, arXiv:2205.07246",
    config=FreeMatchConfig,
)
class FreeMatch(ThresholdMethod):
    """FixMatch with self-adaptive thresholds and a fairness term."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            self.state[f"{index}.confidence"] = torch.tensor(1 / task.classes)
            self.state[f"{index}.mean_proba_C"] = torch.full((task.classes,), 1 / task.classes)
            self.state[f"{index}.histogram_C"] = torch.full((task.classes,), 1 / task.classes)

    def observe(self, task: int, proba_UC: Tensor, seen: Seen, batch: Batch, at: Moment) -> None:
        """Moves the averages."""
        from sslcore.losses.adaptive import class_counts

        top_U, label_U = proba_UC.max(1)
        histogram_C = class_counts(label_U, proba_UC.shape[1])[1:] / len(label_U)
        for name, value in (
            ("confidence", top_U.mean()),
            ("mean_proba_C", proba_UC.mean(0)),
            ("histogram_C", histogram_C),
        ):
            self.state[f"{task}.{name}"].lerp_(value, 1 - self.config.momentum)

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the bar of the class up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.thresholds(task))

    def thresholds(self, task: int) -> Tensor:
        """The global bar, lower for classes that are given seldom."""
        from sslcore.losses.adaptive import free_threshold

        return free_threshold(self.state[f"{task}.confidence"], self.state[f"{task}.mean_proba_C"])

    def follow(self, task: int, logits_UC: Tensor, proba_UC: Tensor, weight_U: Tensor) -> Tensor:
        """FixMatch's loss and the fairness term."""
        from sslcore.losses.adaptive import fairness

        loss = super().follow(task, logits_UC, proba_UC, weight_U)
        if self.config.fairness_weight > 0:
            mean_C, seen_C = self.state[f"{task}.mean_proba_C"], self.state[f"{task}.histogram_C"]
            loss = loss + self.config.fairness_weight * fairness(logits_UC, weight_U, mean_C, seen_C)
        return loss
