"""FixMatch: be sure on the easy view, then learn that answer on the hard one.

Sohn et al. 2020, arXiv:2001.07685. ``mean_u 1[max p_weak >= tau] CE(p_strong, argmax p_weak)``.
The mean is over all u, not over the confident ones, as in the paper. What differs: batch norm sees weak
views in a pass of their own, which takes a third off the step.
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
class FixMatchConfig(MethodConfig):
    """Settings of FixMatch."""

    threshold: float = param(0.95, low=0, high=1, help="Confidence a pseudo-label needs.")


@METHODS.register(
    "fixmatch",
    title="FixMatch",
    family="deep",
    paper="Sohn et al. 2020, arXiv:2001.07685",
    config=FixMatchConfig,
)
class FixMatch(Method):
    """Confident weak answers as labels of strong views."""

    learn_views = ("strong",)
    target_views = ("weak",)

    def unlabelled(self, task: int, logits: Mapping[str, Tensor], batch: Batch, at: Moment) -> UnlabelledTerm:
        """Cross-entropy of the strong views to the confident answers."""
        from sslcore.losses.pseudo_label import weighted_pseudo_label

        proba_UC = logits["weak"].softmax(1)
        label_U = proba_UC.argmax(1)
        weight_U = self.accept(task, proba_UC)
        return UnlabelledTerm(weighted_pseudo_label(logits["strong"], label_U, weight_U), weight_U, label_U)

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)
