"""UDA: the whole sharpened answer of the easy view as the target of the hard one.

Xie et al. 2020, arXiv:1904.12848. ``mean_u 1[max p_w >= tau] CE(sharpen(p_w, T), p_s)``, which has the
gradient of the paper's KL. Training-signal annealing: a labelled item that is already sure enough is left
out, the bar ``1/C + (1 - 1/C) a(t)`` rising with the run, so that few labels are not learned by heart.

When: texts and features: soft targets keep what a hard answer throws away, and annealing slows learning a few
labels by heart. With hundreds of labels the annealing only delays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Moment, Seen
from sslcore.methods.threshold import ThresholdConfig, ThresholdMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class UDAConfig(ThresholdConfig):
    """Settings of UDA."""

    threshold: float = param(0.8, low=0, high=1, help="Confidence a pseudo-label needs.")
    temperature: float = param(
        0.4, low=0.01, high=1, help="Below 1 the target is sharper than the prediction."
    )
    annealing: str = param(
        "none",
        choices=("none", "log", "linear", "exp"),
        help="How labelled items that are already sure are let in over the run.",
    )


@METHODS.register(
    "uda", title="UDA", family="deep", paper="Xie et al. 2020, arXiv:1904.12848", config=UDAConfig
)
class UDA(ThresholdMethod):
    """Sharpened weak predictions as targets of strong views."""

    def supervised(self, task: int, seen: Seen, batch: Batch, at: Moment) -> Tensor:
        """Cross-entropy of the labelled items that are not yet surer than the annealing bar."""
        from sslcore.losses.supervised import masked_cross_entropy

        logits_BC, label_B = seen.logits["labelled"], batch.label_TB[task]
        if self.config.annealing == "none":
            return masked_cross_entropy(logits_BC, label_B)
        bar = annealing_bar(at.done, logits_BC.shape[1], self.config.annealing)
        proba_B = logits_BC.detach().softmax(1).gather(1, label_B.clamp(min=0)[:, None])[:, 0]
        return masked_cross_entropy(logits_BC, label_B.masked_fill(proba_B > bar, -1))

    def trust(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)

    def follow(self, task: int, logits_UC: Tensor, proba_UC: Tensor, weight_U: Tensor) -> Tensor:
        """Cross-entropy of the strong views to the sharpened weak answers."""
        from sslcore.losses.pseudo_label import sharpen, weighted_soft_label

        return weighted_soft_label(logits_UC, sharpen(proba_UC, self.config.temperature), weight_U)


def annealing_bar(done: float, classes: int, shape: str) -> float:
    """Confidence from which a labelled item is left out.

    >>> [round(annealing_bar(done, 2, "linear"), 2) for done in (0.0, 0.5, 1.0)]
    [0.5, 0.75, 1.0]
    >>> annealing_bar(0.5, 2, "log") > annealing_bar(0.5, 2, "linear") > annealing_bar(0.5, 2, "exp")
    True
    """
    rise = {"log": 1 - math.exp(-5 * done), "linear": done, "exp": math.exp(5 * (done - 1))}[shape]
    return 1 / classes + (1 - 1 / classes) * rise
