"""Π-model: two weak views of an item should get the same answer.

Laine & Aila 2017, arXiv:1610.02242. ``w(t) mean_u mean_c (p_1 - p_2)^2``, ``w`` ramped up over 40 % of the
run. The views are shifted and flipped as in the paper, and the gradient goes through both; what differs is
that there is no dropout. Strong views would be drawn towards each other before either is right.

When: as the plain form of consistency, to compare with; and on easy sets, for two weak views a step are all
it costs. ``mean_teacher`` has the steadier target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Seen
from sslcore.methods.consistency import ConsistencyConfig, ConsistencyMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PiModelConfig(ConsistencyConfig):
    """Settings of the Π-model."""


@METHODS.register(
    "pi_model",
    title="Π-model",
    family="deep",
    paper="Laine & Aila 2017, arXiv:1610.02242",
    config=PiModelConfig,
)
class PiModel(ConsistencyMethod):
    """Two weak views agree."""

    learn_views = ("weak", "weak_2")

    def target(self, task: int, seen: Seen, batch: Batch) -> Tensor:
        """The other view's answer, with its gradient."""
        return seen.logits["weak_2"].softmax(1)
