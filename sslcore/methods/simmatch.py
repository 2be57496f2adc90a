"""SimMatch: agree on the class, and on which labelled items are near.

Zheng et al. 2022, arXiv:2203.06915. ``k_w = softmax(z_w . z_m / t)`` over a memory of labelled embeddings;
answers and nearness are fitted to each other: ``p~ = a p_w + (1 - a) sum_m k_w[y_m]``, ``k~ = n(k_w *
p_w[y_m])``; ``mean_u 1[max p~ >= tau] CE(p_s, p~) + l_i mean_u CE(k_s, k~)``. ``p_w`` is aligned to equal
shares. What differs: the memory is a queue of labelled views (the paper: one average an item); no averaged
network.

When: the labelled items are typical of their classes, so that being near one of them means something. Not for
labels chosen because they were odd or doubtful; classes about even.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Moment, Seen, UnlabelledTerm
from sslcore.methods.embedding import EmbeddingConfig, EmbeddingMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class SimMatchConfig(EmbeddingConfig):
    """Settings of SimMatch."""

    instance_weight: float = param(1.0, low=0, high=100, help="Weight of agreeing on which items are near.")


@METHODS.register(
    "simmatch",
    title="SimMatch",
    family="deep",
    paper="Zheng et al. 2022, arXiv:2203.06915",
    config=SimMatchConfig,
)
class SimMatch(EmbeddingMethod):
    """Semantic and instance similarity, fitted to each other."""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for task in range(len(tasks)):
            self.state[f"{task}.label_M"] = torch.full((self.config.memory,), -1, dtype=torch.long)

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """Cross-entropy to the smoothed answers, and to the weak view's nearness."""
        import torch

        from sslcore.losses.adaptive import above
        from sslcore.losses.pseudo_label import weighted_soft_label
        from sslcore.losses.similarity import fold, instance_contrast, nearness, product, unfold

        label_B, temperature = batch.label_TB[task], self.config.temperature
        with torch.no_grad():
            # the labelled items of this step are neighbours already: the first step has some
            self.push(task, "memory_MD", self.embed(seen.features["labelled"]))
            self.push(task, "label_M", label_B)
            memory_MD, label_M = self.state[f"{task}.memory_MD"], self.state[f"{task}.label_M"]
            proba_UC = self.answers(task, seen.logits["weak"], label_B)
            weak_UM = product(self.embed(seen.features["weak"]), memory_MD.T)
            near_UM = nearness(weak_UM, label_M, temperature=temperature).softmax(1)
            target_UC = fold(near_UM, proba_UC, label_M, share=self.config.smoothing)
            wanted_UM = unfold(near_UM, proba_UC, label_M)
        weight_U = above(target_UC, self.config.threshold)
        loss = weighted_soft_label(seen.logits["strong"], target_UC, weight_U)
        strong_UM = product(self.embed(seen.features["strong"]), memory_MD.T)
        instance = instance_contrast(nearness(strong_UM, label_M, temperature=temperature), wanted_UM)
        return UnlabelledTerm(loss + self.config.instance_weight * instance, weight_U, target_UC.argmax(1))
