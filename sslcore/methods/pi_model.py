"""Π-model: two strong views of an item should get the same answer.

Laine & Aila 2017, arXiv:1610.02242. ``w(t) mean_u mean_c (p_s1 - p_s2)^2``, ``w`` ramped up over 40 % of the
run. What differs: the noise is the strong view, not dropout; the gradient goes through both views, as in the
paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, MethodConfig, Moment, UnlabelledTerm

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PiModelConfig(MethodConfig):
    """Settings of the Π-model."""

    unlabelled_weight: float = param(
        10.0, low=0, high=1000, help="Weight of the consistency loss once the ramp is over."
    )
    ramp: float = param(
        0.4, low=0, high=1, help="Share of the run over which the consistency weight is raised."
    )


@METHODS.register(
    "pi_model",
    title="Π-model",
    family="deep",
    paper="Laine & Aila 2017, arXiv:1610.02242",
    config=PiModelConfig,
)
class PiModel(Method):
    """Two strong views agree."""

    learn_views = ("strong", "strong_2")

    def unlabelled(self, task: int, logits: Mapping[str, Tensor], batch: Batch, at: Moment) -> UnlabelledTerm:
        """Squared difference between the two views, ramped up."""
        from sslcore.losses.consistency import mean_squared_difference, ramp_up

        other_UC = logits["strong_2"].softmax(1)
        loss = ramp_up(at.done, self.config.ramp) * mean_squared_difference(logits["strong"], other_UC)
        seen_UC = other_UC.detach()
        return UnlabelledTerm(loss, self.accept(task, seen_UC), seen_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))
