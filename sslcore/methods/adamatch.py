"""AdaMatch: a bar relative to the confidence on labelled items, and answers spread as the labels are.

Berthelot et al. 2022, arXiv:2106.04732. Keep where ``max q >= tau * mean_l max p_l``; ``q`` is
``n(p * p_l / p_u)``, the weak prediction moved from the mean answer on unlabelled items to that on labelled
ones. Both means are moving averages (from 1/C on), where the paper takes one batch: 16 labelled items are too
few for a mean. Logit interpolation, for shifted domains, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, MethodConfig, Moment, TaskShape, UnlabelledTerm

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AdaMatchConfig(MethodConfig):
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
class AdaMatch(Method):
    """FixMatch with a relative threshold and distribution alignment."""

    learn_views = ("strong",)
    target_views = ("weak",)

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            self.state[f"{index}.labelled_C"] = torch.full((task.classes,), 1 / task.classes)
            self.state[f"{index}.unlabelled_C"] = torch.full((task.classes,), 1 / task.classes)
            self.state[f"{index}.confidence"] = torch.tensor(1.0)

    def unlabelled(self, task: int, logits: Mapping[str, Tensor], batch: Batch, at: Moment) -> UnlabelledTerm:
        """Cross-entropy of the strong views to the aligned answers."""
        from sslcore.losses.pseudo_label import weighted_pseudo_label

        proba_UC = logits["weak"].softmax(1)
        known_B = (batch.label_TB[task] >= 0).to(proba_UC.dtype)
        proba_BC = logits["labelled"].detach().softmax(1)
        count = known_B.sum()
        step = 1 - self.config.momentum
        # a batch without labels of this task says nothing of them: its share in the averages is 0
        told = step * (count > 0).to(proba_UC.dtype)
        mean_C = (proba_BC * known_B[:, None]).sum(0) / count.clamp(min=1)
        top = (proba_BC.max(1).values * known_B).sum() / count.clamp(min=1)
        self.state[f"{task}.labelled_C"].lerp_(mean_C, told)
        self.state[f"{task}.confidence"].copy_(top.where(count > 0, self.state[f"{task}.confidence"]))
        self.state[f"{task}.unlabelled_C"].lerp_(proba_UC.mean(0), step)
        label_U, weight_U = self._aligned(task, proba_UC).argmax(1), self.accept(task, proba_UC)
        return UnlabelledTerm(weighted_pseudo_label(logits["strong"], label_U, weight_U), weight_U, label_U)

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the relative threshold up, of the aligned answers."""
        from sslcore.losses.adaptive import above

        bar = self.config.threshold * self.state[f"{task}.confidence"]
        return above(self._aligned(task, proba_UC), bar)

    def _aligned(self, task: int, proba_UC: Tensor) -> Tensor:
        from sslcore.losses.adaptive import align

        return align(proba_UC, self.state[f"{task}.labelled_C"], self.state[f"{task}.unlabelled_C"])
