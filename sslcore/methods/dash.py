"""Dash: take the answers whose loss is below a bar, and lower the bar as the run goes on.

Xu et al. 2021, arXiv:2109.00650. Keep where ``-log max p_w <= r_t``, ``r_t = max(C g^-t r_0, 0.05)``;
``r_0`` is the labelled loss at the end of a supervised warm-up, C = 1.0001. Early on many unsure answers are
let in, later only sure ones. What differs: ``r_0`` is a moving average over the warm-up and the steps of
labels alone that a run begins with, and ``t`` counts
equal shares of the run, so that the schedule fits runs of any length; the bar never rises, also where the
run's length is revised.

When: the labels alone already make a fair model (ten and more a class), so that its losses can be trusted as
a bar. With one or two labels a class the bar starts from next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Moment, Seen
from sslcore.methods.threshold import ThresholdConfig, ThresholdMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network

MOMENTUM = 0.9  # of the labelled loss: a mean over the last ten steps of the warm-up


@dataclass(frozen=True)
class DashConfig(ThresholdConfig):
    """Settings of Dash."""

    gamma: float = param(1.27, low=1, high=10, help="What the bar is divided by each time it falls.")
    falls: int = param(40, low=1, high=1000, help="How often the bar falls after the warm-up.")
    floor: float = param(0.05, low=0, high=10, help="The lowest bar; 0.05 is a confidence of 0.95.")
    warm_up: float = param(0.1, low=0, high=0.9, help="Share of the run that learns labelled items alone.")


@METHODS.register(
    "dash", title="Dash", family="deep", paper="Xu et al. 2021, arXiv:2109.00650", config=DashConfig
)
class Dash(ThresholdMethod):
    """FixMatch with a bar on the loss that falls."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            unknowing = math.log(task.classes)
            self.state[f"{index}.start"] = torch.tensor(unknowing)
            self.state[f"{index}.bar"] = torch.tensor(unknowing)
            self.state[f"{index}.open"] = torch.tensor(0.0)

    def observe(self, task: int, proba_UC: Tensor, seen: Seen, batch: Batch, at: Moment) -> None:
        """Learns where the bar starts in the warm-up, and lowers it afterwards."""
        from sslcore.losses.adaptive import dash_bar

        start, bar = self.state[f"{task}.start"], self.state[f"{task}.bar"]
        if at.done < self.config.warm_up:
            self._warm_up(task, seen, batch)
            return
        self.state[f"{task}.open"].fill_(1.0)
        falls = int(self.config.falls * (at.done - self.config.warm_up) / (1 - self.config.warm_up))
        now = dash_bar(start, falls, gamma=self.config.gamma, floor=self.config.floor)
        bar.copy_(now.minimum(bar))

    def labels_beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> Tensor | None:
        """Steps of labels alone are a warm-up too: the bar starts from the loss at their end."""
        for task, seen in enumerate(seen_T):
            self._warm_up(task, seen, batch)
        return super().labels_beside(model, seen_T, batch, rng)

    def _warm_up(self, task: int, seen: Seen, batch: Batch) -> None:
        from sslcore.losses.supervised import masked_cross_entropy

        label_B = batch.label_TB[task]
        loss = masked_cross_entropy(seen.logits["labelled"].detach(), label_B)
        share = (1 - MOMENTUM) * (label_B >= 0).any().to(loss.dtype)
        self.state[f"{task}.start"].lerp_(loss, share)

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 where the loss of the answer is at most the bar; 0 in the warm-up."""
        low_U = proba_UC.max(1).values.log() >= -self.state[f"{task}.bar"]
        return low_U.to(proba_UC.dtype) * self.state[f"{task}.open"]

    def thresholds(self, task: int) -> Tensor:
        """The bar as a confidence, the same for every class; 1 in the warm-up, when nothing passes."""
        bar = (-self.state[f"{task}.bar"]).exp().maximum(1 - self.state[f"{task}.open"])
        return bar.expand(self.tasks[task].classes)
