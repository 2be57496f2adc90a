"""Π-model: two strong views of an item should get the same answer.

Laine & Aila 2017, arXiv:1610.02242. ``w(t) mean_u mean_c (p_s1 - p_s2)^2``, ``w`` ramped up over 40 % of the
run. What differs: the noise is the strong view, not dropout; the gradient goes through both views, as in the
paper.

When: as the plain form of consistency, to compare with; and on easy sets, for two strong views a step are all
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
    """Two strong views agree."""

    learn_views = ("strong", "strong_2")

    def target(self, task: int, seen: Seen, batch: Batch) -> Tensor:
        """The other strong view's answer, with its gradient."""
        return seen.logits["strong_2"].softmax(1)
