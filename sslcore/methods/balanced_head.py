"""ABC: beside the head that finds pseudo-labels, one that learns all classes alike; an option, not a method.

Lee et al. 2021, arXiv:2110.10368. The second head learns a labelled item of class y with probability
``n_min / n_y`` and, from weak to strong views, an answer it is sure of (0.95) with a probability that falls
from 1 to that over the run: ``mean_l m CE + mean_u 1[max q >= 0.95] m CE(q, p_s)``; both heads teach the
backbone. What differs: the network's head is the balanced one, as it answers; the method brings the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods.base import Batch, Method, Moment, RampedConfig, Seen
from sslcore.models import TaskShape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network

SURE = 0.95  # the paper's threshold of the balanced head


@dataclass(frozen=True)
class BalancedConfig(RampedConfig):
    """Settings of the methods that can have a balanced head."""

    balanced_head: bool = param(
        False,
        help="A second head learns all classes alike and gives the answers: for sets with rare classes.",
        paper="Lee et al. 2021, arXiv:2110.10368",
    )


class BalancedMethod(Method):
    """Base of the methods that can have a balanced head: those that learn from a strong and a weak view."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        if self.config.balanced_head:
            for index, task in enumerate(tasks):
                self.state[f"{index}.labels_C"] = torch.zeros(task.classes)

    def build(self, network: Network) -> None:
        """The heads that find pseudo-labels, while the network's are the balanced ones."""
        import copy

        if self.config.balanced_head:
            self.own["heads"] = copy.deepcopy(network.heads)

    def classify(self, model: Network, feature_BD: Tensor) -> list[Tensor]:
        """Logits of the heads that find pseudo-labels."""
        if not self.config.balanced_head:
            return super().classify(model, feature_BD)
        return model.classify_by(self.own["heads"], feature_BD)  # type: ignore[arg-type]

    def further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Sequence[Tensor] | None:
        """The loss of each task's balanced head."""
        import torch

        from sslcore.losses.balanced import keep, keep_chance
        from sslcore.losses.pseudo_label import weighted_soft_label

        loss_T = self._balanced_labels(model, seen_T, batch, rng)
        features = seen_T[0].features
        if loss_T is None or "weak" not in features:
            return loss_T
        with torch.no_grad():
            weak_T = model.classify(features["weak"])
        strong_T = model.classify(features[self.learn_views[0]])
        for task in range(len(seen_T)):
            target_UC = weak_T[task].softmax(1)
            top_U, answer_U = target_UC.max(1)
            late_U = 1 - at.done * (1 - keep_chance(self.state[f"{task}.labels_C"])[answer_U])
            kept_U = keep(late_U, rng=rng) * (top_U >= SURE)
            loss_T[task] = loss_T[task] + weighted_soft_label(strong_T[task], target_UC, kept_U)
        return loss_T

    def labels_further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> Sequence[Tensor] | None:
        """The balanced heads' losses on labelled items; they give the answers and must not stand still."""
        return self._balanced_labels(model, seen_T, batch, rng)

    def _balanced_labels(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> list[Tensor] | None:
        from sslcore.losses.adaptive import class_counts
        from sslcore.losses.balanced import keep, keep_chance
        from sslcore.losses.supervised import weighted_cross_entropy

        if not self.config.balanced_head:
            return None
        loss_T = []
        for task, logits_BC in enumerate(model.classify(seen_T[0].features["labelled"])):
            label_B = batch.label_TB[task]
            count_C = self.state[f"{task}.labels_C"]
            count_C += class_counts(label_B, len(count_C))[1:]
            kept_B = keep(keep_chance(count_C)[label_B.clamp(min=0)], rng=rng) * (label_B >= 0)
            loss_T.append(weighted_cross_entropy(logits_BC, label_B, kept_B))
        return loss_T
