"""Pseudo-Label: learn your own confident answers on the same view.

Lee 2013 (ICML workshop). ``w(t) mean_u 1[max p >= tau] CE(p, argmax p)``, ``w`` ramped up.
What differs: a confidence threshold, which the paper had not; without one the first guesses are learned by
heart. FixMatch is this with a strong view in place of ``p``.

When: a first cheap step beyond the labels where there is no good way to disturb an item (features, short
texts). Where strong views are at hand, ``fixmatch`` is the same idea with more to learn from.
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
class PseudoLabelConfig(ThresholdConfig):
    """Settings of Pseudo-Label."""

    threshold: float = param(0.95, low=0, high=1, help="Confidence a pseudo-label needs.")


@METHODS.register(
    "pseudo_label", title="Pseudo-Label", family="deep", paper="Lee 2013", config=PseudoLabelConfig
)
class PseudoLabel(ThresholdMethod):
    """Confident answers as labels of the same weak view."""

    learn_views = ("weak",)
    target_views = ()

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)
