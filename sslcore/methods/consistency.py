"""What the consistency methods share: a view should get the answer of a target, each counting in full.

Laine & Aila 2017, arXiv:1610.02242. ``w(t) mean_u mean_c (p - target)^2``, ``w`` an exponential ramp. A
method of the family says where the target comes from: another view (Π-model), the averaged weights (Mean
Teacher), or the item's own past answers (temporal ensembling).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import param
from sslcore.methods.base import Batch, Method, Moment, RampedConfig, Seen, UnlabelledTerm

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ConsistencyConfig(RampedConfig):
    """Settings that the consistency methods share."""

    unlabelled_weight: float = param(
        10.0, low=0, high=1000, help="Weight of the consistency loss once the ramp is over."
    )


class ConsistencyMethod(Method):
    """Base of the family.

    Attributes:
        learn_views: The first of them is the one whose answer is held against the target.
    """

    learn_views: ClassVar[tuple[str, ...]] = ("strong",)

    @abstractmethod
    def target(self, task: int, seen: Seen, batch: Batch) -> Tensor:
        """Probabilities ``UC`` that the view should get."""

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """Squared difference between the view's answer and the target."""
        from sslcore.losses.consistency import mean_squared_difference

        target_UC = self.target(task, seen, batch)
        loss = mean_squared_difference(seen.logits[self.learn_views[0]], target_UC)
        told_UC = target_UC.detach()
        return UnlabelledTerm(loss, self.accept(task, told_UC), told_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))
