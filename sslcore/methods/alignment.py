"""Distribution alignment: answers moved from the mean the model gives to the mean they should have.

Berthelot et al. 2020 (ReMixMatch), arXiv:1911.09785. ``n(p * target / mean)``: ``mean`` is a moving average
of the answers on unlabelled items; ``target`` is equal shares, the labels' shares, or the mean answer on
labelled items (AdaMatch). What differs: moving averages from equal shares on; the paper keeps 128 batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = ("uniform", "labels", "answers")


class Alignment:
    """Keeps the two means of each task in a method's state.

    Args:
        state: The method's state; ``"0.mean_C"`` and ``"0.target_C"`` are added for each task.
        tasks: The tasks.
        target: "uniform", "labels" or "answers": what the mean answer should be.
        momentum: How slowly the means follow.
    """

    def __init__(
        self, state: dict[str, Tensor], tasks: Sequence[TaskShape], *, target: str, momentum: float = 0.99
    ) -> None:
        import torch

        self.state, self.target, self.momentum = state, target, momentum
        for index, task in enumerate(tasks):
            for name in ("mean_C", "target_C"):
                state[f"{index}.{name}"] = torch.full((task.classes,), 1 / task.classes)

    def watch(self, task: int, proba_UC: Tensor, label_B: Tensor, answer_BC: Tensor | None = None) -> None:
        """Takes one batch into the means; one without labels of the task says nothing of its labels.

        Args:
            task: Index of the task.
            proba_UC: Answers on unlabelled items.
            label_B: Labels of the task, ``-1`` where there is none.
            answer_BC: Answers on the labelled items, where those are the target.
        """
        from torch.nn.functional import one_hot

        step = 1 - self.momentum
        self.state[f"{task}.mean_C"].lerp_(proba_UC.mean(0), step)
        if self.target == "uniform":
            return
        if self.target == "labels" or answer_BC is None:
            answer_BC = one_hot(label_B.clamp(min=0), proba_UC.shape[1]).to(proba_UC.dtype)
        known_B = (label_B >= 0).to(proba_UC.dtype)
        count = known_B.sum()
        share_C = (answer_BC * known_B[:, None]).sum(0) / count.clamp(min=1)
        self.state[f"{task}.target_C"].lerp_(share_C, step * (count > 0).to(proba_UC.dtype))

    def __call__(self, task: int, proba_UC: Tensor) -> Tensor:
        """Aligned answers; reads the means, never changes them."""
        from sslcore.losses.adaptive import align

        return align(proba_UC, self.state[f"{task}.target_C"], self.state[f"{task}.mean_C"])
