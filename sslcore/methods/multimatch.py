"""MultiMatch: three heads, each taught by what the other two agree on.

Sirbu et al. 2025, arXiv:2506.07801. The answer for a head is kept where the other two agree; each of them
finds it useful where its average pseudo-margin reaches its threshold. Both: easy, weight 1; one: difficult,
``hard_weight``; none: 0. Margins (MarginMatch: Sosea & Caragea 2023) are moving averages a class and an item
of ``z_c - max z_k`` over the others; thresholds follow FreeMatch, ``m_t n_c / max n``: mean margin of the
answers, and their shares. What differs: the margin is between probabilities, so that it is of one scale; the
unlabelled weight is ramped up, as a network that starts from nothing (the paper's are pretrained) would
learn its first guesses by heart; the first head is the reported one.

When: texts, on frozen features or a pretrained network, with classes of unequal difficulty; that is what its
paper is about. For images trained from nothing begin with ``freematch``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, Moment, RampedConfig, Seen, UnlabelledTerm
from sslcore.models import TaskShape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network

HEADS = 3


@dataclass(frozen=True)
class MultiMatchConfig(RampedConfig):
    """Settings of MultiMatch."""

    momentum: float = param(0.999, low=0, high=1, help="How slowly thresholds follow the model.")
    smoothing: float = param(0.997, low=0, high=1, help="How slowly an item's margins follow in the end.")
    hard_weight: float = param(3.0, low=0, high=100, help="Weight of an answer that one head is sure of.")


@METHODS.register(
    "multimatch",
    title="MultiMatch",
    family="deep",
    paper="Sirbu et al. 2025, arXiv:2506.07801",
    config=MultiMatchConfig,
)
class MultiMatch(Method):
    """Heads that teach each other."""

    learn_views = ("strong",)
    target_views = ("weak",)
    one_device = "it remembers margins of every item"

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            self.state[f"{index}.margin_NHC"] = torch.zeros(items, HEADS, task.classes)
            self.state[f"{index}.seen_N"] = torch.zeros(items)
            self.state[f"{index}.mean_H"] = torch.zeros(HEADS)
            self.state[f"{index}.share_HC"] = torch.full((HEADS, task.classes), 1 / task.classes)

    def build(self, network: Network) -> None:
        """Two heads beside that of the network."""
        from torch import nn

        width = network.backbone.width
        self.own["heads"] = nn.ModuleList([nn.Linear(width, 2 * task.classes) for task in self.tasks])

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """What the other two heads teach the first; told is what they accept for it."""
        import torch

        from sslcore.losses.pseudo_label import weighted_pseudo_label

        with torch.no_grad():
            weak_UHC = self._all_heads(task, seen, "weak").softmax(2)
            self._observe(task, weak_UHC, batch)
        label_U, weight_U = self._taught(task, weak_UHC, batch, head=0)
        loss = weighted_pseudo_label(seen.logits["strong"], label_U, weight_U)
        return UnlabelledTerm(loss, weight_U.clamp(max=1), label_U)

    def further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Sequence[Tensor]:
        """The same for the other heads of each task, and their labelled items."""
        import torch

        from sslcore.losses.pseudo_label import weighted_pseudo_label

        weight = self.weight * self.raised(at)
        loss_T = self.labels_further(model, seen_T, batch, rng)
        for task, seen in enumerate(seen_T):
            strong_UHC = self._all_heads(task, seen, "strong")
            with torch.no_grad():
                weak_UHC = self._all_heads(task, seen, "weak").softmax(2)
            for head in range(1, HEADS):
                label_U, weight_U = self._taught(task, weak_UHC, batch, head=head)
                loss = weighted_pseudo_label(strong_UHC[:, head], label_U, weight_U)
                loss_T[task] = loss_T[task] + weight * loss
        return loss_T

    def labels_further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> list[Tensor]:
        """The other heads learn the labelled items: else they would have nothing to agree on but chance."""
        from sslcore.losses.supervised import masked_cross_entropy

        loss_T = []
        for task, seen in enumerate(seen_T):
            labelled_BHC = self._all_heads(task, seen, "labelled")
            each = [masked_cross_entropy(labelled_BHC[:, h], batch.label_TB[task]) for h in range(1, HEADS)]
            loss_T.append(each[0] + each[1])
        return loss_T

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 where the margin of the answer reaches the first head's threshold."""
        from sslcore.losses.adaptive import margins

        top_U, answer_U = margins(proba_UC).max(1)
        return (top_U >= self._threshold(task)[0, answer_U]).to(proba_UC.dtype)

    def _all_heads(self, task: int, seen: Seen, view: str) -> Tensor:
        """Logits of all heads, the network's first: items x heads x classes."""
        import torch

        first_BC = seen.logits[view]
        others = self.own["heads"][task](seen.features[view]).float()  # type: ignore[index]
        return torch.cat([first_BC[:, None], others.view(len(first_BC), HEADS - 1, -1)], 1)

    def _observe(self, task: int, weak_UHC: Tensor, batch: Batch) -> None:
        """Moves the items' margins and the heads' thresholds."""
        import torch.nn.functional as F

        from sslcore.losses.adaptive import margins

        margin_NHC, seen_N = self.state[f"{task}.margin_NHC"], self.state[f"{task}.seen_N"]
        seen_U = seen_N[batch.row_U] + 1
        # d / (1 + t) with t an item's own visits: a plain mean at first, forgetting slowly later
        share_U = (1 / seen_U).clamp(min=1 - self.config.smoothing)
        margin_UHC = margin_NHC[batch.row_U]
        margin_NHC[batch.row_U] = margin_UHC.lerp(margins(weak_UHC), share_U[:, None, None])
        seen_N[batch.row_U] = seen_U
        step = 1 - self.config.momentum
        mean_H, share_HC = self.state[f"{task}.mean_H"], self.state[f"{task}.share_HC"]
        answer_UHC = F.one_hot(weak_UHC.argmax(2), weak_UHC.shape[2]).to(weak_UHC.dtype)
        mean_H.lerp_(margins(weak_UHC).amax(2).mean(0), step)
        share_HC.lerp_(answer_UHC.mean(0), step)

    def _threshold(self, task: int) -> Tensor:
        """Margin that each head wants of each class."""
        share_HC = self.state[f"{task}.share_HC"]
        return self.state[f"{task}.mean_H"][:, None] * share_HC / share_HC.amax(1, keepdim=True)

    def _taught(self, task: int, weak_UHC: Tensor, batch: Batch, *, head: int) -> tuple[Tensor, Tensor]:
        """Labels for a head and their weights, from the other two."""
        from sslcore.losses.adaptive import agreed_weight

        first, second = (other for other in range(HEADS) if other != head)
        label_U, other_U = weak_UHC[:, first].argmax(1), weak_UHC[:, second].argmax(1)
        margin_UHC = self.state[f"{task}.margin_NHC"][batch.row_U]
        useful_UH = []
        for judge in (first, second):
            margin_U = margin_UHC[:, judge].gather(1, label_U[:, None])[:, 0]
            useful_UH.append(margin_U >= self._threshold(task)[judge, label_U])
        weight_U = agreed_weight(label_U == other_U, *useful_UH, hard=self.config.hard_weight)
        return label_U, weight_U
