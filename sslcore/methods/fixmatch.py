"""FixMatch: be sure on the easy view, then learn that answer on the hard one.

Sohn et al. 2020, arXiv:2001.07685. ``mean_u 1[max p_weak >= tau] CE(p_strong, argmax p_weak)``.
The mean is over all u, not over the confident ones, as in the paper. What differs: batch norm sees weak
views in a pass of their own, which takes a third off the step; here and in its kin the unlabelled weight is
ramped up, as runs of a few hundred steps need.

When: four and more labels a class and time for thousands of steps: simple, quick, well understood. In a run
of a few hundred steps hardly any answer reaches the threshold (utilisation stays low): ``mean_teacher``,
``flexmatch`` and ``freematch`` gain more there, or a lower threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.threshold import ThresholdConfig, ThresholdMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FixMatchConfig(ThresholdConfig):
    """Settings of FixMatch."""

    threshold: float = param(0.95, low=0, high=1, help="Confidence a pseudo-label needs.")


@METHODS.register(
    "fixmatch",
    title="FixMatch",
    family="deep",
    paper="Sohn et al. 2020, arXiv:2001.07685",
    config=FixMatchConfig,
)
class FixMatch(ThresholdMethod):
    """Confident weak answers as labels of strong views."""

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)
