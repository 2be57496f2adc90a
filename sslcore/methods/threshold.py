"""What FixMatch and its kin share: answers on the weak view, trusted by a rule, learned on the strong one.

``mean_u trust(p_w) CE(p_s, argmax p_w)``; a method of the family says how far it trusts and what it keeps in
mind. Two options compose with each: distribution alignment (answers are moved before they are judged) and
ABC (a balanced head beside the method's own).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import Config, param
from sslcore.methods.alignment import Alignment
from sslcore.methods.balanced_head import BalancedConfig, BalancedMethod
from sslcore.methods.base import Batch, Moment, Seen, UnlabelledTerm
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ThresholdConfig(BalancedConfig):
    """Settings of the methods whose answers can be aligned."""

    alignment: str = param(
        "none",
        choices=("none", "uniform", "labels"),
        help="Move the answers so that classes are given equally often, or as often as they are labelled.",
        paper="Berthelot et al. 2020, arXiv:1911.09785",
    )


class ThresholdMethod(BalancedMethod):
    """Base of the family.

    Attributes:
        alignment: Moves the answers before they are judged, where the settings wish it.
    """

    learn_views: ClassVar[tuple[str, ...]] = ("strong",)
    target_views: ClassVar[tuple[str, ...]] = ("weak",)

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        self.alignment = self.aligned(tasks)

    def aligned(self, tasks: Sequence[TaskShape]) -> Alignment | None:
        """The alignment that the settings wish for."""
        wish = self.config.alignment
        return None if wish == "none" else Alignment(self.state, tasks, target=wish)

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """The loss of the strong views against the answers on the weak ones, as far as they are trusted."""
        proba_UC = seen.logits["weak"].detach().softmax(1)
        if self.alignment is not None:
            answer_BC = seen.logits["labelled"].detach().softmax(1)
            self.alignment.watch(task, proba_UC, batch.label_TB[task], answer_BC)
            proba_UC = self.alignment(task, proba_UC)
        self.observe(task, proba_UC, seen, batch, at)
        weight_U = self.trust(task, proba_UC)
        loss = self.follow(task, seen.logits[self.learn_views[0]], proba_UC, weight_U)
        self.remember(task, proba_UC, batch)
        return UnlabelledTerm(loss, weight_U, proba_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """The trust in answers as they come from the network."""
        return self.trust(task, proba_UC if self.alignment is None else self.alignment(task, proba_UC))

    def thresholds(self, task: int) -> Tensor | None:
        """The setting of that name, the same for every class, where there is one."""
        import torch

        bar = getattr(self.config, "threshold", None)
        return None if bar is None else torch.full((self.tasks[task].classes,), float(bar))

    @abstractmethod
    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """How far (aligned) answers are trusted, 0 to 1 a row; reads the state, never changes it."""

    def observe(self, task: int, proba_UC: Tensor, seen: Seen, batch: Batch, at: Moment) -> None:
        """Renews the state before the answers are judged."""

    def follow(self, task: int, logits_UC: Tensor, proba_UC: Tensor, weight_U: Tensor) -> Tensor:
        """The loss against trusted answers: cross-entropy to the most likely class."""
        from sslcore.losses.pseudo_label import weighted_pseudo_label

        return weighted_pseudo_label(logits_UC, proba_UC.argmax(1), weight_U)

    def remember(self, task: int, proba_UC: Tensor, batch: Batch) -> None:
        """Renews the state after the answers were judged."""
